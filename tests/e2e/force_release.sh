#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# release --force breaks the hold of another lockgate, after it has shown it and was told to; what is no lockgate, or
# was left by one that is gone, it names and leaves alone.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs flock script

say "without a terminal to ask on, nothing is broken unless --yes is said"
hold job --reason nightly
holder=$pid
run lg release --force job
expect_status 64
expect_err "pid $holder"
expect_err --yes
is_held job || fail "it was broken"

say "on a terminal it shows the holder and asks"
asked() { echo "$1" | script -qec "'$LOCKGATE' release --dir '$DIR' --force job" typescript >out 2>&1; }
status=0
asked n || status=$?
expect_status 75
expect_out "pid $holder"
expect_out nightly
expect_out '[y/N]'
is_held job || fail "it was broken"
asked y || fail "exit status $?"
is_free job || fail "it was not broken"
ended "$holder"
expect_status 143
rm -f job.*

say "--yes does not ask; a keeper is broken, too, and its release says so"
lg acquire job >handle
run lg release --force --yes job
expect_status 0
expect_err 'held by '
is_free job || fail "not free"
refused 76 job lg release job "$(cat handle)"
[ $free = free ] && nothing=76 || nothing=69
refused "$nothing" 'nothing to break' lg release --force --yes job

say "all the shared holders"
hold_as one job -s
one=$pid
hold_as two job -s
two=$pid
run lg release --force --yes job
expect_status 0
ended "$one"
ended "$two"
is_free job || fail "not free"
rm -f one.* two.*

say "not flock(1): it is named, and nobody is asked to go"
mkfifo go
background flock -s "$(lock_file job)" sh -c 'echo >in; read -r line <go'
stranger=$pid
wait_until test -e in
hold_as one job -s
one=$pid
run lg release --force --yes job
expect_status 75
expect_err "pid $stranger"
expect_err flock
gone "$stranger" && fail "the stranger was ended"
gone "$one" && fail "one was ended though the other could not be"
is_held job || fail "not held"
let_go one
ended "$one"
echo >go
ended "$stranger"

say "not the command of a lockgate that was killed"
hold job
command=$(command_of job)
kill -KILL "$pid"
ended "$pid"
run lg release --force --yes job
expect_status 75
expect_err 'is gone'
gone "$command" && fail "the command was ended"
is_held job || fail "not held"
let_go job
wait_until is_free job
