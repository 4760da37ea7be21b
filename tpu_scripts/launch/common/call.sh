# Sourced by the launchers: `call COMMAND...` runs a command, or shows it where DRY_RUN is set.
# shellcheck shell=bash
call() {
  if [[ -n ${DRY_RUN-} ]]; then
    echo "${*@Q}"
  else
    "$@"
  fi
}
