#!/usr/bin/env bash
# Prepares one worker, in the copied checkout: installs the trainers' packages next to the TensorFlow
# of the TPU's runtime. An image without TensorFlow gets tensorflow-tpu.
# Variables: TENSORFLOW_VERSION (default: 2.20) DRY_RUN=1 (shows all commands and runs none).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common/call.sh
source "$(dirname "$0")/common/call.sh"
version=${TENSORFLOW_VERSION:-2.20}

call python3 -m venv --system-site-packages .venv-worker
pip() { call .venv-worker/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }
if [[ -n ${DRY_RUN-} ]] || ! .venv-worker/bin/python -c 'import tensorflow' 2>/dev/null; then
  pip "tensorflow-tpu==$version.*" --find-links=https://storage.googleapis.com/libtpu-tf-releases/index.html
fi
# Both require a package named `tensorflow`; TPU builds have another name.
pip --no-deps "tf-models-official==$version.*" "tf-keras==$version.*"
pip gin-config tensorflow-datasets pyyaml opencv-python-headless pycocotools matplotlib scipy \
  pillow immutabledict scikit-learn safetensors cloud-tpu-client absl-py
