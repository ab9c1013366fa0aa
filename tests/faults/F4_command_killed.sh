#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command dies, by SIGKILL or by its own fault, or never begins: its status is told, and the next is in at once.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# dies STATUS COMMAND...: it ends with STATUS, and who waited for the lock gets it.
dies() {
  want=$1 && shift
  rm -f go in next
  mkfifo go
  background lg exec job -- sh -c 'echo >in; read -r line <go; exec "$@"' sh "$@"
  first=$pid
  wait_until test -e in
  background lg exec job -- touch next
  wait_until has_waiters job 1
  second=$pid
  echo >go
  ended "$first"
  expect_status "$want" "$*"
  went_well "$second"
  [ -e next ] || fail "the next did not get in"
}

dies 137 sh -c 'kill -KILL $$'
dies 139 sh -c 'ulimit -c 0; kill -SEGV $$'
dies 134 sh -c 'ulimit -c 0; kill -ABRT $$'
dies 143 sh -c 'kill -TERM $$'
dies 127 no-such-program

say "killed from outside"
hold job
kill -KILL "$(command_of job)"
ended "$pid"
expect_status 137
is_free job || fail "not free"
rm -f job.*

say "a command that cannot begin"
hold job
holder=$pid
background lg exec job -- no-such-program 2>err
first=$pid
wait_until has_waiters job 1
background lg exec job -- true
second=$pid
wait_until has_waiters job 2
let_go job
ended "$first"
expect_status 127
went_well "$holder" "$second"
