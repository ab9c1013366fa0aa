#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# With --path the file or directory itself is locked, together with flock(1), and nothing is written to it.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs flock

lp() { lp_command=$1 && shift && "$LOCKGATE" "$lp_command" --dir "$DIR" --path "$@"; }
mkfifo go

# both_ways PATH: each excludes the other at PATH.
both_ways() {
  run lp exec "$1" -- flock -n "$1" true
  expect_status 1 "flock got in at $1"
  run lp exec -s "$1" -- flock -n -s "$1" echo in
  expect_status 0
  expect_out in
  background flock "$1" sh -c 'echo >in; read -r line <go'
  wait_until test -e in
  rm in
  run lp exec -n "$1" -- true
  expect_status 75
  expect_err '(flock)'
  expect_err "pid $pid"
  run lp status -q "$1"
  expect_status 0
  background lg exec --path "$1" -- true
  wait_until waits_at "$1"
  echo >go
  went_well "$pid"
}
waits_at() { lp status --json "$1" | grep '"position": 1'; }

say "a file, with what is in it; a directory; a file that is not there yet"
printf 'precious' >data
mkdir folder
for path in data folder new "$scratch/data"; do
  both_ways "$path"
done
expect_text "$(cat data)" precious
expect_text "$(wc -c <new)" 0
expect_text "$(stat -c %a new)" "$(printf %o $((0666 & ~$(umask))))" "the mode of a new file"
[ -d folder ] || fail "no folder any more"

say "a symbolic link is the file behind it"
ln -s data link
run lp exec link -- "$LOCKGATE" exec --dir "$DIR" --path -n data -- true
expect_status 75
run lp exec data -- flock -n link true
expect_status 1

say "a file that may only be read"
printf 'fixed' >fixed
chmod 0444 fixed
run lp exec fixed -- flock -n fixed true
expect_status 1
expect_text "$(cat fixed)" fixed

say "it is shown by its path, with or without naming it"
lp acquire --value v7 data >handle
run lp status data
expect_out "exclusive"
expect_out v7
run lg status
expect_out data
run lp release data "$(cat handle)"
expect_status 0
run lp status -q data
expect_status "$free_status"
run lp status -q missing
expect_status 1
[ ! -e missing ] || fail "status made a file"

say "LOCKGATE_FD is the file; nothing needs the lock directory"
expect_text "$(lp exec data -- sh -c 'readlink /proc/$$/fd/$LOCKGATE_FD')" "$scratch/data"
expect_text "$("$LOCKGATE" exec --dir /proc/nowhere --path data -- echo in)" in

say "what cannot be locked is named"
refused 73 missing lp exec missing/file -- true
refused 64 'name' lp exec '' -- true
