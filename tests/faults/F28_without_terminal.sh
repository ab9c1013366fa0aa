#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Without a terminal: SIGHUP stays ignored under nohup; standard input is the command's alone, closed or a pipe; and
# standard output is never lockgate's, however much it has to say.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs nohup

say "nohup"
mkfifo go
background nohup "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'echo $$ >command; read -r line <go; exit 3' 2>nohup.err
wait_until test -s command
kill -HUP "$pid"
kill -HUP "$(cat command)"
kill -HUP "-$(cat command)"
is_held job || fail "SIGHUP ended it"
echo >go
ended "$pid"
expect_status 3
rm command
say "while it waits, too"
hold job
holder=$pid
background nohup "$LOCKGATE" exec --dir "$DIR" job -- true 2>nohup.err
wait_until has_waiters job 1
kill -HUP "$pid"
has_waiters job 1 || fail "SIGHUP ended the wait"
let_go job
went_well "$holder" "$pid"
say "and what is not ignored ends a wait"
hold job
for number in 1 2 3 15; do
  background lg exec job -- true
  wait_until has_waiters job 1
  kill -"$(kill -l $number)" "$pid"
  ended "$pid"
  expect_status $((128 + number))
  wait_until has_waiters job 0
done
let_go job

say "standard input"
expect_text "$(seq 3 | lg exec job -- tail -n 1)" 3
expect_text "$(seq 3 | { lg exec job -- head -c 2; cat; } | tr '\n' ' ')" '1 2 3 '
run lg exec job -- cat
expect_status 0
lg exec job -- sh -c '[ ! -e /proc/$$/fd/0 ]' <&- || fail "it is not closed for the command"
hold job
printf 'kept\n' | { lg exec -w 0.2 job -- true 2>err; cat; } >out
expect_text "$(cat out)" kept "what a wait leaves"
let_go job

say "standard output"
hold job
status=0
lg exec -vv -w 1.2 job -- true >out 2>err || status=$?
expect_status 75
[ ! -s out ] || fail "$(cat out)"
expect_err 'waiting for'
LOCKGATE_DEBUG=1 lg acquire -w 1.2 job >out 2>err
[ ! -s out ] || fail "$(cat out)"
let_go job
expect_text "$(LOCKGATE_DEBUG=1 lg exec -vv job -- echo mine 2>err)" mine
! grep -qv '^lockgate: ' err || fail "$(cat err)"
handle=$(LOCKGATE_DEBUG=1 lg acquire -vv job 2>err) || fail "acquire: $?"
expect_text "$(echo "$handle" | wc -w)" 1 "$handle"
! has_text err "$handle" || fail "the log tells the handle"
LOCKGATE_DEBUG=1 lg release -vv job >out 2>err || fail "release: $?"
[ ! -s out ] || fail "$(cat out)"
