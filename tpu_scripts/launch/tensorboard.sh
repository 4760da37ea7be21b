#!/usr/bin/env bash
# TensorBoard on the summaries of all runs in BUCKET, on this machine: http://localhost:6006
set -euo pipefail
exec "${PYTHON:-python3}" -m tensorboard.main --logdir="${BUCKET:?gs://... with the runs}" \
  --port="${PORT:-6006}"
