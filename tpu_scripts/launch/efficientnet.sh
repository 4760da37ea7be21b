#!/usr/bin/env bash
# EfficientNet-B0 or B5 (paper table 3), with the experiment's batch size: a v3-32.
# NETWORK=efficientnet_b5 LAYER=evonorm_b0 tpu_scripts/launch/efficientnet.sh; variables as in train.sh.
set -euo pipefail
layer=${LAYER:-evonorm_b0} network=${NETWORK:-efficientnet_b0}
exec "$(dirname "$0")/train.sh" "imagenet_${network}_${layer}" "${TYPE:-v3-32}"
