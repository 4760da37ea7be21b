#!/usr/bin/env bash
# MobileNetV2 with 128 images on each of 32 replicas (paper table 3): a v3-32, of four hosts.
# LAYER=evonorm_b0 tpu_scripts/launch/mobilenet_v2_128x32.sh; variables as in train.sh.
set -euo pipefail
layer=${LAYER:-evonorm_b0}
exec "$(dirname "$0")/train.sh" "imagenet_mobilenet_v2_${layer}" "${TYPE:-v3-32}"
