# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The scenarios with a Go program, already built as $work/peer, at a lock directory. Sourced after lib.sh.
# shellcheck disable=SC2034,SC2317  # variables and functions that lib.sh reads and calls by name

peer=Go
ours_busy=75 ours_survives=yes ours_queues=yes
theirs_busy=75 theirs_survives=no theirs_queues=no
name='release/ü 1'
locks=${work:?}/locks
mkdir "$locks"

mode_of() {
  [[ $1 == exclusive ]] || echo --shared
}
# shellcheck disable=SC2046  # a word or none
theirs_hold() { exec "$work/peer" acquire "$name" --dir "$locks" $(mode_of "$1"); }
# 0.7 s on purpose: at a multiple of its polling interval of 0.5 s the library can hang.
# shellcheck disable=SC2046
theirs_try() {
  local how=()
  case $2 in nonblock) how=(--non-blocking) ;; timed) how=(--timeout 700ms) ;; esac
  bounded "$work/peer" wrap "$name" --dir "$locks" $(mode_of "$1") "${how[@]}" -- true
}
ours_hold() { keep "$LOCKGATE" exec "--$1" --dir "$locks" "$name" --; }
ours_try() {
  local how=()
  case $2 in nonblock) how=(--nonblock) ;; timed) how=(--timeout 700ms) ;; esac
  bounded "$LOCKGATE" exec "--$1" "${how[@]}" --dir "$locks" "$name" -- true
}
both_ways_round
file=$locks/$(printf %s "$name" | sha256sum | cut -d ' ' -f 1)
check 'the lock file is there and nothing was written into it' test -e "$file" -a ! -s "$file"
finish
