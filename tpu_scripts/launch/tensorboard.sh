#!/usr/bin/env bash
# TensorBoard on the summaries of all runs in BUCKET, on this machine: http://localhost:6006
# Variables: BUCKET, PORT (default: 6006), PYTHON (default: python3), DRY_RUN=1 (shows the command).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common/call.sh
source "$(dirname "$0")/common/call.sh"
call "${PYTHON:-python3}" -m tensorboard.main --logdir="${BUCKET:?gs://... with the runs}" \
  --port="${PORT:-6006}"
