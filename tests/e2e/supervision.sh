#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What becomes of a command: signals reach all of it, what was ignored stays ignored, --max-hold ends it, and what it
# leaves behind keeps no lock, unless --wait-tree is said.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs setsid

say "signals are forwarded to the whole group"
for number in 15 1 3 10 12 2; do
  signal=$(kill -l $number)
  rm -f leader member
  background lg exec job -- sh -c '
    env --default-signal=INT,QUIT sh -c "trap \"echo got >member; exit\" $1; echo >member.ready; while :; do sleep 0.01; done" &
    trap "wait; echo got >leader; exit 5" $1
    while [ ! -e member.ready ]; do sleep 0.01; done
    rm member.ready; echo >ready; while :; do sleep 0.01; done' sh "$signal"
  wait_until test -e ready
  rm ready
  kill -"$signal" "$pid"
  ended "$pid"
  expect_status 5 "SIG$signal"
  has_text leader got || fail "the command has not heard SIG$signal"
  has_text member got || fail "its child has not heard SIG$signal"
  is_free job || fail "not free after SIG$signal"
done

say "what was ignored stays ignored"
mkfifo go
(trap '' HUP && exec "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'echo $$ >command; read -r line <go') &
ignorer=$!
started="$started $ignorer"
wait_until is_held job
wait_until test -s command
grep '^SigIgn' "/proc/$(cat command)/status" | grep -q '[13579bdf]$' || fail "SIGHUP is not ignored"
kill -HUP "$ignorer"
is_held job || fail "it ended"
echo >go
ended "$ignorer"
expect_status 0

say "--max-hold: nothing to a command that ends in time, SIGTERM and 124 to one that does not"
run lg exec --max-hold 100s job -- sh -c 'exit 3'
expect_status 3
run lg exec --max-hold 100ms --kill-after 100s job -- sh -c 'trap "echo bye; exit 3" TERM; while :; do sleep 0.01; done'
expect_status 124
expect_out bye
expect_err --max-hold

# True once the process has another parent than the command that started it.
orphaned() { [ "$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f2)" -eq "$pid" ]; }

say "what a command leaves behind keeps no lock; with --wait-tree the lock is kept for it"
left='sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >left'
run lg exec job -- sh -c "$left"
expect_status 0
is_free job || fail "the daemon keeps the lock"
lg exec -n job -- true || fail "the daemon keeps the lock"
gone "$(cat left)" && fail "the daemon was ended"
kill "$(cat left)"
rm left
background lg exec --wait-tree job -- sh -c "setsid sh -c '$left'; exit 4"
wait_until test -s left
wait_until orphaned "$(cat left)"
is_held job || fail "the lock is free while the daemon runs"
gone "$pid" && fail "lockgate has ended"
kill "$(cat left)"
ended "$pid"
expect_status 4
is_free job || fail "not free"
