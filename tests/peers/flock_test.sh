#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# flock(1) of util-linux and lockgate at the same file: by --path, and by the file that a lock name stands for.
# shellcheck disable=SC2034,SC2317  # variables and functions that lib.sh reads and calls by name
# shellcheck source-path=SCRIPTDIR
. "$(dirname -- "$0")/lib.sh"

command -v flock >/dev/null || not_run 'flock is not installed'
peer=flock
ours_busy=75 ours_survives=yes ours_queues=yes
theirs_busy=1 theirs_survives=yes theirs_queues=yes

theirs_hold() { keep flock "--$1" "$file"; }
theirs_try() {
  local how=()
  case $2 in nonblock) how=(--nonblock) ;; timed) how=(--timeout 0.7) ;; esac
  bounded flock "--$1" "${how[@]}" "$file" true
}
ours_hold() { keep "$LOCKGATE" exec "--$1" "${place[@]}" --; }
ours_try() {
  local how=()
  case $2 in nonblock) how=(--nonblock) ;; timed) how=(--timeout 700ms) ;; esac
  bounded "$LOCKGATE" exec "--$1" "${how[@]}" "${place[@]}" -- true
}

echo '# by --path, a file'
file=$work/a.lock place=(--path "$work/a.lock")
both_ways_round

echo '# by --path, a directory'
mkdir "$work/directory"
file=$work/directory place=(--path "$work/directory")
both_ways_round

echo '# by name'
name='release/ü 1'
mkdir "$work/locks"
file=$work/locks/$(printf %s "$name" | sha256sum | cut -d ' ' -f 1) place=(--dir "$work/locks" "$name")
both_ways_round

for file in "$work/a.lock" "$file"; do
  check "${file##*/} is there and nothing was written into it" test -e "$file" -a ! -s "$file"
done
finish
