#!/usr/bin/env bash
# Runs a search on the CPUs of several hosts: starts Ray on each over ssh, with this machine as the
# head, runs the search here, and stops Ray.
#
#   tpu_scripts/launch/search.sh HOSTS_FILE RUN_DIR [FLAGS OF python -m search run]
#
# HOSTS_FILE has one ssh destination per line; each host has this checkout, with its .venv, at the same
# path. Variables: HEAD_IP (default: this machine's first address) PORT (default: 6379) CPUS (per host;
# default: all) DRY_RUN=1 (shows all commands and runs none).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common/call.sh
source "$(dirname "$0")/common/call.sh"

if (($# < 2)); then
  echo "usage: $0 HOSTS_FILE RUN_DIR [FLAGS]" >&2
  exit 2
fi
hosts_file=$1 run_dir=$2
shift 2
mapfile -t hosts < <(grep -Ev '^[[:space:]]*(#|$)' "$hosts_file")
for host in "${hosts[@]}"; do
  if [[ ! $host =~ ^[A-Za-z0-9_][A-Za-z0-9_.@-]*$ ]]; then
    echo "not an ssh destination: $host" >&2
    exit 2
  fi
done
cd "$(dirname "$0")/../.."
checkout=$PWD
head_ip=${HEAD_IP:-$(hostname -I | cut -d' ' -f1)}
port=${PORT:-6379}
address=$head_ip:$port
cpus=(${CPUS:+"--num-cpus=$CPUS"})

stop() {
  for host in "${hosts[@]}"; do
    call ssh -n "$host" "cd $(printf %q "$checkout") && .venv/bin/ray stop" || true
  done
  call .venv/bin/ray stop
}
trap stop EXIT

call .venv/bin/ray start --head --node-ip-address="$head_ip" --port="$port" "${cpus[@]}"
for host in "${hosts[@]}"; do
  call ssh -n "$host" "cd $(printf %q "$checkout") && .venv/bin/ray start --address=$address ${cpus[*]}"
done
# `search run` needs a new run folder; `search resume` continues a stopped run.
action=run
[[ -e $run_dir/search.sqlite ]] && action=resume
call .venv/bin/python -m search "$action" --run-dir "$run_dir" --executor ray --ray-address "$address" "$@"
