# What the scripts share: saying, failing, timing. Sourced, never run.
# Progress goes to standard error; standard output is left to results.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script=$(basename "$0")
cache=${BITSWEEP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/bitsweep}

say() { printf '%s: %s\n' "$script" "$*" >&2; }

# One sentence, and exit code 5: the environment lacks something.
fail() {
  say "$*"
  exit 5
}

usage_error() {
  say "$*; see scripts/$script --help"
  exit 2
}

# print_help: the comment at the head of the script.
print_help() { sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//p}' "$0"; }

# step "what" COMMAND…: says what it does and how long it took. The command's output goes to
# standard error where that is a terminal, else it is shown only if the command fails.
step() {
  local what=$1 start=$SECONDS status=0 log
  shift
  say "$what …"
  if [ -t 2 ]; then
    "$@" >&2 || status=$?
  else
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
    rm -f "$log"
  fi
  [ "$status" -ne 0 ] || say "$what: done in $((SECONDS - start)) s"
  return "$status"
}
