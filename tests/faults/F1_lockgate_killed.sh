#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lockgate dies by SIGKILL. While it holds: the lock lives on with the command and what that started, or is free at once
# with --close. While it waits: nobody waits for it any more. A dead keeper keeps nothing.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

waiters_noted() { find "$DIR/.lockgate" -name '*.w-*' | grep .; }
killed() {
  kill -KILL "$1"
  ended "$1"
}

say "the lock lives on with the command: held, seen as held, and the next is in when the command ends"
hold job
holder=$pid
command=$(command_of job)
background lg exec job -- sh -c 'echo >>in'
next=$pid
wait_until has_waiters job 1
killed "$holder"
gone "$command" && fail "the command is gone"
run lg exec -n job -- true
expect_status 75
is_held job || fail "status does not see it"
[ ! -e in ] || fail "two are in"
let_go job
went_well "$next"
[ -e in ] || fail "the next did not get in"

say "also a shared one, and with what the command started"
hold_as reader job -s
killed "$pid"
run lg exec -n job -- true
expect_status 75
lg exec -s -n job -- true || fail "another reader: $?"
let_go reader
wait_until is_free job
mkfifo go
background lg exec job -- sh -c '(echo >started; read -r line <go) & echo $$ >leader; exec sleep 1000'
wait_until test -e started
wait_until test -s leader
killed "$pid"
kill -KILL "$(cat leader)"
wait_until gone "$(cat leader)"
is_held job || fail "the command's child keeps nothing"
echo >go
wait_until is_free job

say "with --close it is free at once"
hold_as careless job -o
command=$(command_of careless)
killed "$pid"
gone "$command" && fail "the command is gone"
is_free job || fail "somebody keeps it"
lg exec -n job -- true || fail "somebody keeps it"
let_go careless

say "a waiter: the others move up, and its note is not believed"
hold job
holder=$pid
background lg exec job -- touch dead-waiter-ran
victim=$pid
wait_until has_waiters job 1
background lg exec job -- true
next=$pid
wait_until has_waiters job 2
wait_until waiters_noted
killed "$victim"
wait_until has_waiters job 1
let_go job
went_well "$holder" "$next"
[ ! -e dead-waiter-ran ] || fail "it ran"
is_free job || fail "not free"
lg status job >out
expect_text "$(find "$DIR/.lockgate" -name '*.w-*' | wc -l)" 0 "notes left after status had looked"

say "a waiting writer that dies does not keep readers out"
hold_as reader job -s
background lg exec job -- true
wait_until has_waiters job 1
killed "$pid"
run lg exec -s -w 20 job -- true
expect_status 0
let_go reader
