#!/usr/bin/env bash
# Trains an experiment to its end on a Cloud TPU, which is created if it does not exist. A preempted TPU
# is created again, and the training resumes from its last checkpoint.
#
#   tpu_scripts/launch/train.sh EXPERIMENT TYPE [PARAMS_OVERRIDE]
#
# Variables: TPU (its name) ZONE BUCKET (gs://..., where checkpoints go) DATA_DIR (gs://... of TFDS);
# PROJECT (default: gcloud's own) CREATE_FLAGS (default: --spot) MAX_RESTARTS (default: 20)
# WAIT_FLAGS (of `tpu_vm wait`) RUNTIME (default: as in `tpu_vm create`) API (tpu or compute; default:
# by the type's generation) PYTHON (default: python3) DRY_RUN=1 (shows all commands and runs none).
set -euo pipefail

if (($# < 2 || $# > 3)); then
  echo "usage: $0 EXPERIMENT TYPE [PARAMS_OVERRIDE]" >&2
  exit 2
fi
experiment=$1 type=$2 override=${3:-}
: "${TPU:?the name of the TPU}" "${ZONE:?such as us-central1-a}"
: "${BUCKET:?gs://... for checkpoints}" "${DATA_DIR:?gs://... of the prepared TFDS data}"
MAX_RESTARTS=${MAX_RESTARTS:-20}
PYTHON=${PYTHON:-python3}
read -ra create_flags <<<"${CREATE_FLAGS---spot}"
read -ra wait_flags <<<"${WAIT_FLAGS-}"
runtime=(${RUNTIME:+"--runtime=$RUNTIME"})
queued=()
[[ " ${create_flags[*]} " == *" --queued "* ]] && queued=(--queued)
model_dir=$BUCKET/$experiment
settings="runtime.distribution_strategy=tpu"
settings+=",task.train_data.data_dir=$DATA_DIR,task.validation_data.data_dir=$DATA_DIR"
settings+=${override:+,$override}
training=(-m trainers.train --experiment="$experiment" --mode=train_and_eval
  --model_dir="$model_dir" --params_override="$settings")
dry=()
cd "$(dirname "$0")/../.."

tpu_vm() {
  local action=$1
  shift
  "$PYTHON" -m tpu_scripts.tpu_vm "$action" "$TPU" --zone="$ZONE" ${PROJECT:+"--project=$PROJECT"} \
    --type="$type" ${API:+"--api=$API"} "${dry[@]}" "$@"
}

# Prints READY, PREEMPTED, ...; MISSING if there is no such TPU; UNKNOWN if the API does not answer.
state() {
  local answer code=0
  answer=$(tpu_vm status --json 2>&1) || code=$?
  case $code in
    0)
      "$PYTHON" -c 'import json, sys; print(json.loads(sys.argv[1].splitlines()[-1])["state"])' "$answer"
      ;;
    4) echo MISSING ;;
    *)
      echo "$answer" >&2
      echo UNKNOWN
      ;;
  esac
}

request() {
  tpu_vm create "${runtime[@]}" "${create_flags[@]}" --experiment="$experiment" \
    --data_dir="$DATA_DIR" --bucket="$BUCKET"
}

prepare() { tpu_vm copy && tpu_vm run -- bash tpu_scripts/launch/setup_worker.sh; }

create() {
  local code=0
  request || code=$?
  # The checks before a creation have refused it; they would again.
  ((code != 3)) || exit 3
  ((code == 0)) && tpu_vm wait "${queued[@]}" "${wait_flags[@]}" && prepare
}

train() {
  tpu_vm run --training="$type" "${runtime[@]}" -- .venv-worker/bin/python "${training[@]}"
}

# Runs all steps without their effects, so that a misspelt argument fails before a TPU costs money.
rehearse() {
  local dry=(--dry_run)
  "$PYTHON" "${training[@]}" --dry_run && request && prepare && train
}

if [[ -n ${DRY_RUN-} ]]; then
  rehearse
  exit
fi
rehearse >/dev/null

for ((attempt = 0; attempt <= MAX_RESTARTS; attempt++)); do
  now=$(state)
  echo "attempt $attempt of $MAX_RESTARTS: $TPU is $now"
  case $now in
    READY) ;;
    MISSING) create || { echo "$TPU could not be made ready" >&2; continue; } ;;
    UNKNOWN) exit 1 ;;
    PREEMPTED | TERMINATED)
      tpu_vm delete --yes "${queued[@]}"
      create || { echo "$TPU could not be made ready" >&2; continue; }
      ;;
    *) tpu_vm wait "${queued[@]}" "${wait_flags[@]}" || continue ;;
  esac
  code=0
  train || code=$?
  if ((code == 0)); then
    echo "done: checkpoints and summaries are in $model_dir; delete $TPU when you no longer need it"
    exit 0
  fi
  # ssh exits with 255 when the connection breaks; any other code is the training's.
  if ((code != 255)) && [[ $(state) == READY ]]; then
    echo "the training failed with $code on a TPU that is READY; it is not tried again" >&2
    exit "$code"
  fi
done
echo "given up after $MAX_RESTARTS restarts; run the same command again to resume" >&2
exit 1
