#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A wait with a limit ends no sooner than that and not much later; a lock that comes free in time is had at once.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

took() {
  begin=$(milliseconds)
  run "$@"
  elapsed=$(($(milliseconds) - begin))
}
within() { is_between "$elapsed" "$1" "$2" || fail "$elapsed ms, not $1 to $2"; }

hold job
holder=$pid
say "every way to say it"
for how in 500ms 0.5s 0.5 .5; do
  took lg exec -w $how job -- true
  expect_status 75
  within 500 3500
done
LOCKGATE_TIMEOUT=300ms took lg exec job -- true
expect_status 75
within 300 3300
took lg acquire -w 300ms job
expect_status 75
within 300 3300
took lg exec -s -w 300ms job -- true
expect_status 75
within 300 3300

say "a reader behind a waiting writer ends in time, too"
hold_as reader other -s
background lg exec other -- true
writer=$pid
wait_until has_waiters other 1
took lg exec -s -w 300ms other -- true
within 300 3300

say "without a limit, and where the limit is far, the lock is had as soon as it is free"
background lg exec -w none job -- true
patient=$pid
background lg exec -w 100h job -- true
bounded=$pid
wait_until has_waiters job 2
let_go job
went_well "$holder" "$patient" "$bounded"
let_go reader
ended "$writer"
expect_status 0

say "the limit is for the wait, not for the command"
run lg exec -w 50ms job -- sleep 0.2
expect_status 0
