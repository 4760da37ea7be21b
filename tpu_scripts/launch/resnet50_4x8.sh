#!/usr/bin/env bash
# ResNet-50 with 4 images on each of 8 replicas (paper table 4): one v3-8.
# LAYER=evonorm_s0 tpu_scripts/launch/resnet50_4x8.sh; variables as in train.sh.
set -euo pipefail
layer=${LAYER:-evonorm_s0}
exec "$(dirname "$0")/train.sh" "imagenet_resnet50_${layer}_batch32" "${TYPE:-v3-8}"
