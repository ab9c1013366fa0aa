#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The bash completion, called as readline calls it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../completions/lockgate.bash
. "$source_dir/completions/lockgate.bash"

matches() {
  COMP_WORDS=(lockgate "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _lockgate lockgate "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
}

run_checks 'nightly\ build'
# readline takes "=" for the end of a word.
offers 'values behind an equals sign' always never -- status --color = ''
offers 'values behind an equals sign, begun' always -- status --color = al
offers 'the place behind an equals sign' deploy -- --dir = "$scratch/locks" exec ''
if [[ $(complete -p lockgate) == *_lockgate* ]]; then
  report ok 'lockgate is completed by it'
else
  report FAILED 'lockgate is completed by it' "$(complete -p lockgate)"
fi
exit "$failed"
