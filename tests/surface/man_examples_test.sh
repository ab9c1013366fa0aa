#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs every example of the man pages: each literal block (.Bd ... .Ed) of a section EXAMPLES is a script of its own.
set -uo pipefail

: "${LOCKGATE:?the lockgate executable to test}"
source_dir=${SOURCE_DIR:-$(cd -- "$(dirname -- "$0")/../.." && pwd)}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset "${!LOCKGATE_@}" XDG_CONFIG_HOME XDG_STATE_HOME
mkdir "$scratch/bin"
ln -s "$LOCKGATE" "$scratch/bin/lockgate"
export PATH=$scratch/bin:$PATH
failed=0

# Writes the examples of page $1 to $2.1, $2.2 and so on, with roff's escapes undone.
extract() {
  awk -v prefix="$2" '
    /^\.Sh / {examples = ($0 == ".Sh EXAMPLES")}
    /^\.Ed/ && inside {inside = 0; close(file)}
    inside {
      gsub(/\\-/, "-"); gsub(/\\\(aq/, "\047"); gsub(/\\\(ti/, "~"); gsub(/\\&/, ""); gsub(/\\e/, "\\")
      print >file
    }
    /^\.Bd/ && examples {inside = 1; file = prefix "." ++count; printf "" >file}
  ' "$1"
}

run() {  # run EXAMPLE NAME
  local place=$scratch/run output status
  mkdir -p "$place/home"
  install -m 755 "$1" "$place/example"
  output=$(
    cd "$place" || exit 1
    export HOME=$place/home
    # Root's locks are not in its home. (An example with a server says itself where they are.)
    [[ $(id -u) != 0 ]] || grep -q LOCKGATE_URL example || export LOCKGATE_DIR=$place/locks
    timeout 60 /bin/sh -e ./example 2>&1 </dev/null
  )
  status=$?
  if ((status == 0)); then
    echo "ok: $2"
  else
    echo "FAILED: $2 (status $status)"
    sed 's/^/    | /' "$1"
    printf '%s\n' "$output" | sed 's/^/    > /'
    failed=1
  fi
  rm -rf "$place"
}

for page in "$source_dir"/man/*.[15]; do
  name=${page##*/}
  extract "$page" "$scratch/$name"
  if ! [[ -e $scratch/$name.1 ]]; then
    echo "FAILED: $name has no examples"
    failed=1
  fi
  for example in "$scratch/$name".[0-9]*; do
    [[ -e $example ]] && run "$example" "$name, example ${example##*.}"
  done
done
exit "$failed"
