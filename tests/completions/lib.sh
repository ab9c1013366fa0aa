# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the completion tests share: a place of their own with two locks held and one profile, and checks.
# A test sources this and defines `matches WORD...`, which prints what its shell offers for the last of these words
# (the words after `lockgate`), one a line.
set -uo pipefail

: "${LOCKGATE:?the lockgate executable to test}"
# shellcheck disable=SC2034 # for the test
source_dir=${SOURCE_DIR:-$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)}

scratch=$(mktemp -d)
failed=0
clean_up() {
  "$LOCKGATE" --dir "$scratch/locks" release --mine deploy >/dev/null 2>&1
  "$LOCKGATE" --dir "$scratch/locks" release --mine 'nightly build' >/dev/null 2>&1
  rm -rf "$scratch"
}
trap clean_up EXIT

unset "${!LOCKGATE_@}" XDG_CONFIG_HOME XDG_STATE_HOME
export HOME=$scratch/home PATH=$scratch/bin:$PATH
mkdir -p "$HOME/.config/lockgate" "$scratch/bin" "$scratch/here/sub"
ln -s "$LOCKGATE" "$scratch/bin/lockgate"
# shellcheck disable=SC2088 # the configuration knows the tilde, too
echo 'backends: {team: {kind: file, dir: ~/team}}' >"$HOME/.config/lockgate/config.yaml"
touch "$scratch/here/data.db"
cd "$scratch/here" || exit 1
"$LOCKGATE" --dir "$scratch/locks" acquire --owner-pid $$ deploy >/dev/null || exit 1
"$LOCKGATE" --dir "$scratch/locks" acquire --owner-pid $$ 'nightly build' >/dev/null || exit 1

report() {  # report RESULT TEXT FOUND
  echo "$1: $2"
  if [[ $1 == FAILED ]]; then
    # shellcheck disable=SC2034 # the test ends with it
    failed=1
    printf '  offered:\n%s\n' "$3" | sed '2,$s/^/    /'
  fi
}

# offers TEXT EXPECTED... -- WORD...: all of EXPECTED are among the matches.
offers() {
  local text=$1 wanted=() found word
  shift
  while [[ $1 != -- ]]; do
    wanted+=("$1")
    shift
  done
  shift
  found=$(matches "$@")
  for word in "${wanted[@]}"; do
    if ! grep -qxF -e "$word" <<<"$found"; then
      report FAILED "$text (no $word)" "$found"
      return
    fi
  done
  report ok "$text"
}

# lacks TEXT UNWANTED -- WORD...: it is not among the matches.
lacks() {
  local found
  found=$(matches "${@:4}")
  if grep -qxF -e "$2" <<<"$found"; then
    report FAILED "$1 ($2 is there)" "$found"
  else
    report ok "$1"
  fi
}

# What every shell is to know. $1: how it writes a name with a space.
run_checks() {
  local place=(--dir "$scratch/locks")
  offers 'commands come first' exec acquire release renew status get set watch serve doctor help -- ''
  lacks 'the command for the completions itself is not offered' __complete -- ''
  offers 'global options stand before the command' --backend --config --dir --url --token-file --color --help --version -- --
  lacks 'options of commands do not stand before them' --nonblock -- --
  offers 'exec has its options' --timeout --shared --kill-after --wait-tree --publish-command --dir -- exec --
  lacks 'exec has no options of acquire' --owner-pid -- exec --
  offers 'acquire has its options' --owner-pid --max-hold -- acquire --
  offers 'release has its options' --mine --force --yes --path -- release --
  offers 'status has its options' --json --watch --path -- status --
  offers 'doctor has its options' --json -- doctor --
  offers 'get has its options' --json --path -- get --
  offers 'set has its options' --handle -- set --
  offers 'watch has its options' --json --name-prefix --until -- watch --
  offers 'what to watch until' held free value= -- watch --until ''
  offers 'serve has its options' --listen --store --tokens --new-token --name-prefix -- serve --
  lacks 'serve has no options of a place of locks' --dir -- serve --
  offers 'formats of the log' text json -- serve --log-format ''
  offers 'roles' read lock admin -- serve --role ''
  lacks 'doctor has no --path' --path -- doctor --
  offers 'colours' auto always never -- status --color ''
  offers 'what to do on loss' terminate continue -- exec --on-lost ''
  offers 'kinds and profiles' file http team -- -b ''
  offers 'profiles after the command' team -- status --backend t
  offers 'names of locks' deploy "$1" -- "${place[@]}" exec ''
  offers 'the place of the locks may be said after the command' deploy -- release "${place[@]}" ''
  offers 'names by their beginning' deploy -- "${place[@]}" acquire de
  lacks 'names that begin otherwise are not offered' deploy -- "${place[@]}" acquire ni
  offers 'names after a timeout' deploy -- "${place[@]}" exec -w 5 ''
  offers 'names after a cluster of letters' deploy -- "${place[@]}" exec -nw 5 ''
  offers 'several names for status' deploy -- "${place[@]}" status x ''
  offers 'several names for watch' deploy -- "${place[@]}" watch x ''
  offers 'names for get, set and renew' deploy -- "${place[@]}" get ''
  lacks 'a value is not a name' deploy -- "${place[@]}" set x ''
  lacks 'serve takes no names' deploy -- serve ''
  lacks 'only one name for acquire' deploy -- "${place[@]}" acquire x ''
  offers 'files as names with --path' data.db -- exec --path d
  offers 'files for --config' data.db -- --config d
  offers 'files for a token' data.db -- --token-file d
  lacks 'only directories for --dir' data.db -- --dir ''
  offers 'programs as the command' uname -- exec x unam
  offers 'programs after the dashes' uname -- exec x -- unam
  offers 'programs after options, name and dashes' uname -- exec -s -- x -- unam
  offers 'files for the command' data.db -- exec x cat d
  lacks 'no options of ours for the command' --nonblock -- exec x cat --
}
