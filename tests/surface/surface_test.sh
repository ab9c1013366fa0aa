#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What users see is one thing: the options in --help, in the man pages and in the completions are the same for every
# command, exit statuses and environment variables are documented, and the README names no option that is not there.
# shellcheck disable=SC2317 # the functions options_in_SHELL and those that check() runs are called by their names
# shellcheck disable=SC2016 # other shells expand it
set -uo pipefail

: "${LOCKGATE:?the lockgate executable to test}"
source_dir=${SOURCE_DIR:-$(cd -- "$(dirname -- "$0")/../.." && pwd)}
man=$source_dir/man
commands='exec acquire release renew status get set watch serve doctor'
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ln -s "$LOCKGATE" "$scratch/lockgate"
export PATH=$scratch:$PATH HOME=$scratch

check() {  # check TEXT COMMAND...
  if "${@:2}"; then
    echo "ok: $1"
  else
    echo "FAILED: $1"
    failed=1
  fi
}

# same TEXT WHAT1 LIST1 WHAT2 LIST2: two lists of words, one a line, are the same set. Shows what is in one alone.
same() {
  local left right
  left=$(comm -23 <(sort -u <<<"$3") <(sort -u <<<"$5") | xargs)
  right=$(comm -13 <(sort -u <<<"$3") <(sort -u <<<"$5") | xargs)
  check "$1${left:+; only in $2: $left}${right:+; only in $4: $right}" test -z "$left$right"
}

# ---- where the options are

help_of() {  # help_of [COMMAND]
  "$LOCKGATE" ${1:+"$1"} --help
}

# The option lines are the indented ones.
options_in_help() {
  help_of "$1" | grep '^ ' | grep -oE -e '(^|[ ,/])(--[a-z][a-z-]*|-[a-zA-Z])\b' | tr -d ' ,/'
}

section() {  # section FILE NAME
  awk -v name="$2" '/^\.Sh /{inside = ($0 == ".Sh " name)} inside' "$1"
}

options_in_man() {
  section "$man/lockgate${1:+-$1}.1" OPTIONS | grep '^\.It Fl' | grep -oE 'Fl (-[a-z-]+|[a-zA-Z])' |
    sed 's/^Fl /-/'
}

options_in_bash() {
  bash -c '. "$1" && _lockgate_options "$2"' - "$source_dir/completions/lockgate.bash" "$1" | tr -s ' \n' '\n'
}

options_in_zsh() {
  zsh -f -c 'compdef() {}; source $1; _lockgate_specs "$2"; print -rl -- $specs' - \
    "$source_dir/completions/_lockgate" "$1" | sed 's/^([^)]*)//; s/^\*//; s/[+=]*\[.*//'
}

options_in_fish() {
  fish --no-config -c 'source $argv[1]; complete -C "lockgate $argv[2] -"' \
    "$source_dir/completions/lockgate.fish" "$1" | cut -f 1
}

# ---- checks

fits() {  # fits [COMMAND]: 24 lines of 80 columns
  help_of "$1" | awk 'length > 80 {wide = 1} END {exit wide || NR > 24 || NR < 3}'
}

check_options() {
  local command shell
  for command in '' $commands; do
    check "lockgate ${command:+$command }--help fits 24 lines of 80 columns" fits "$command"
    same "lockgate${command:+-$command}.1 has the options of --help" help "$(options_in_help "$command")" \
      man "$(options_in_man "$command")"
    for shell in bash zsh fish; do
      if command -v "$shell" >/dev/null; then
        same "$shell completes the options of lockgate${command:+ $command}" help "$(options_in_help "$command")" \
          "$shell" "$("options_in_$shell" "$command")"
      else
        echo "not checked: $shell is missing"
      fi
    done
  done
}

check_help() {
  local command
  for command in $commands; do
    check "the overview names $command" grep -q "^  $command " <(help_of '')
    check "lockgate help $command is lockgate $command --help" \
      test "$("$LOCKGATE" help "$command")" = "$(help_of "$command")"
    check "lockgate(1) names $command" grep -q "^\.Xr lockgate-$command 1" "$man/lockgate.1"
  done
  check '--help says who sees --value and --reason' grep -q 'published to everyone' <(help_of '')
  check '--version is one line' test "$("$LOCKGATE" --version | grep -cE '^lockgate [0-9]+\.[0-9]+\.[0-9]+$')" = 1
  "$LOCKGATE" >/dev/null 2>&1
  check 'lockgate alone is a usage error' test $? = 64
  check 'lockgate alone shows the overview on stderr' test "$("$LOCKGATE" 2>&1 >/dev/null)" = "$(help_of '')"
}

check_exit_codes() {
  local in_source in_man
  in_source=$(sed -n '/^enum class ExitCode/,/^};/p' "$source_dir/core/exit_code.hpp" | grep -oE '= [0-9]+' | cut -c 3-)
  in_man=$(section "$man/lockgate.1" 'EXIT STATUS' | sed -n 's/^\.It //p')
  same 'lockgate(1) has every exit status' exit_code.hpp "$in_source" man "$in_man"
}

check_variables() {
  local in_source in_man
  in_source=$(grep -rhoE --include='*.[ch]pp' '"LOCKGATE_[A-Z_]+' "$source_dir"/{core,backends,cli} | tr -d '"')
  in_man=$(section "$man/lockgate.1" ENVIRONMENT | grep -oE '^\.It Ev LOCKGATE_[A-Z_]+' | cut -d ' ' -f 3)
  same 'lockgate(1) has every environment variable' sources "$in_source" man "$in_man"
}

check_pages() {
  local page flaws
  if ! command -v mandoc >/dev/null; then
    echo 'not checked: mandoc is missing'
    return
  fi
  for page in "$man"/*.[15]; do
    flaws=$(mandoc -T lint -W warning "$page" 2>&1)
    check "${page##*/} has no flaws${flaws:+: $flaws}" test -z "$flaws"
  done
}

# In the README: options of a command line stand in that command's help; long options in prose are of some command (single letters may be of flock(1)).
check_readme() {
  local readme=$source_dir/README.md line command option all known
  if ! [[ -e $readme ]]; then
    echo 'not checked: there is no README.md'
    return
  fi
  all=$(for command in '' $commands; do options_in_help "$command"; done | sort -u)
  while read -r line; do
    command=$(awk '{print $2}' <<<"$line")
    known=$(options_in_help "$command")
    while read -r option; do
      check "README: $option of lockgate $command" grep -qxF -e "$option" <<<"$known"
    done < <(grep -oE -e '(^| )(--[a-z][a-z-]*|-[a-zA-Z])\b' <<<"${line%% -- *}")
  done < <(grep -oE "lockgate (${commands// /|})( [^\`|&;]*)?" "$readme")
  while read -r option; do
    check "README: $option" grep -qxF -e "$option" <<<"$all"
  done < <(grep -oE '`--[a-z][a-z-]*' "$readme" | tr -d '`' | sort -u)
}

check_options
check_help
check_exit_codes
check_variables
check_pages
check_readme
exit "$failed"
