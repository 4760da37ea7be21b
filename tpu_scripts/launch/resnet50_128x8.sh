#!/usr/bin/env bash
# ResNet-50 with 128 images on each of 8 replicas (paper table 3): one v3-8.
# LAYER=evonorm_b0 SETTING=aug_2x_cos tpu_scripts/launch/resnet50_128x8.sh; variables as in train.sh.
set -euo pipefail
layer=${LAYER:-evonorm_b0} setting=${SETTING:+${SETTING}_}
exec "$(dirname "$0")/train.sh" "imagenet_resnet50_${setting}${layer}" "${TYPE:-v3-8}"
