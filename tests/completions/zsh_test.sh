#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The zsh completion, in a zsh at a terminal of its own that writes down what it is offered.
command -v zsh >/dev/null || { echo 'skipped: zsh is missing'; exit 77; }
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "$0")/lib.sh"

cat >"$scratch/inner.zsh" <<'END'
PROMPT= RPROMPT=
stty -echo 2>/dev/null
fpath=($SOURCE_DIR/completions $fpath)
autoload -Uz compinit
compinit -u -C -d $MATCHES.dump
zstyle ':completion:*' list-prompt ''
setopt no_list_beep no_beep no_always_last_prompt
LISTMAX=100000
# Every match passes compadd; the calls with -O, -A and -D only sort and add nothing.
compadd() {
  if (( ! ${@[(I)-[OAD]*]} )); then
    local -a hits
    builtin compadd -A hits "$@"
    print -rl -- $hits >>$MATCHES
  fi
  builtin compadd "$@"
}
finish() { print -n '<done>'; compstate[list]= compstate[insert]= }
ask() {
  comppostfuncs=(finish)
  zle complete-word
  zle kill-whole-line
}
zle -N ask
bindkey '^I' ask
print '<ready>'
END
cat >"$scratch/outer.zsh" <<'END'
zmodload zsh/zpty
zpty -b inner "MATCHES=$1 SOURCE_DIR=${(q)3} zsh -f -i"
zpty -w inner "source $2"
wait_for() {
  local text='' part
  local -i tries=0
  while [[ $text != *$1* ]] && (( tries++ < 2000 )); do
    zpty -r -t inner part && text+=$part || zselect -t 1
  done
  (( tries < 2000 )) || print -r -- "no $1 in: $text" >&2
}
zmodload zsh/zselect
wait_for '<ready>'
: >$1
zpty -w -n inner "$4"$'\t'
wait_for '<done>'
zpty -d inner
END

matches() {
  local line=lockgate word
  for word in "$@"; do
    line+=" $word"
  done
  zsh -f "$scratch/outer.zsh" "$scratch/matches" "$scratch/inner.zsh" "$source_dir" "$line" </dev/null
  cat "$scratch/matches"
}

run_checks 'nightly\ build'
offers 'values behind an equals sign' always never -- status --color=
exit "$failed"
