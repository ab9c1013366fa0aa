#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The fish completion, asked as fish asks it.
command -v fish >/dev/null || { echo 'skipped: fish is missing'; exit 77; }
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"

matches() {
  local line=lockgate word
  for word in "$@"; do
    line+=" $word"
  done
  # shellcheck disable=SC2016 # fish expands it
  fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$source_dir/completions/lockgate.fish" "$line" |
    cut -f 1
}

run_checks 'nightly build'
offers 'values behind an equals sign' --color=always --color=never -- status --color=
exit "$failed"
