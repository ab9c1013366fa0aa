#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `lockgate watch --until` ends when a lock is as it was waited for.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

"$LOCKGATE" serve --listen "unix:$scratch/s" --store memory --no-restart-grace 2>server.err &
started="$started $!"
server=$!
wait_until has_text server.err 'listening on '
LOCKGATE_URL=unix:$scratch/s
export LOCKGATE_URL

# watches TAG STATE NAME: in the background; it has begun when it has told how the lock is.
watches() {
  "$LOCKGATE" watch --until "$2" "$3" >"$1.out" 2>"$1.err" &
  started="$started $!"
  watch=$!
  wait_until has_lines "$1.out" 1
}
last() { tail -n 1 "$1.out"; }
goes_on() { kill -0 "$watch" 2>/dev/null || fail "$1 ended too early: $(cat "$1.out" "$1.err")"; }

say "what is so already is not waited for"
run "$LOCKGATE" watch --until free job
expect_status 0
expect_out free
one=$("$LOCKGATE" acquire --value ready job) || fail "no lock"
run "$LOCKGATE" watch --until held job
expect_status 0
run "$LOCKGATE" watch --json --until value=ready job
expect_status 0
expect_out '"value":"ready"'

say "until it is free: not while others share it, nor where the next one gets it"
watches exclusive free job
mkfifo go
"$LOCKGATE" exec job -- sh -c 'read -r line <go' 2>waiter.err &
waiter=$!
started="$started $!"
wait_until has_text exclusive.out waiting
"$LOCKGATE" release job "$one" || fail "not released"
wait_until has_text exclusive.out acquired
goes_on exclusive
echo >go
ended "$waiter"
expect_status 0 "who waited"
ended "$watch"
expect_status 0
one=$("$LOCKGATE" acquire -s job) two=$("$LOCKGATE" acquire -s job)
watches shared free job
"$LOCKGATE" release job "$one" || fail "not released"
wait_until has_text shared.out released
goes_on shared
"$LOCKGATE" set --handle "$two" job still || fail "not set"
wait_until has_text shared.out value
goes_on shared
"$LOCKGATE" release job "$two" || fail "not released"
ended "$watch"
expect_status 0
last shared | grep -q released || fail "another line came last: $(last shared)"

say "until it is held, in any mode"
watches held held other
one=$("$LOCKGATE" acquire -s other) || fail "no lock"
ended "$watch"
expect_status 0
last held | grep -q acquired || fail "another line came last: $(last held)"

say "until it has a value, exactly"
watches value value=10 other
"$LOCKGATE" set --handle "$one" other 1 || fail "not set"
wait_until has_text value.out value
goes_on value
"$LOCKGATE" set --handle "$one" other 100 || fail "not set"
"$LOCKGATE" set --handle "$one" other 10 || fail "not set"
ended "$watch"
expect_status 0
expect_text "$(grep -c ' value ' value.out)" 3
"$LOCKGATE" release other "$one"

say "a signal ends it as ever"
watches signal held other
kill -TERM "$watch"
ended "$watch"
expect_status 143
refused 64 'about one lock' "$LOCKGATE" watch --until free
kill -TERM "$server"
ended "$server"
expect_status 0 "the server"
