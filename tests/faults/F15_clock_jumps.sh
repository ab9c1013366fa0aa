#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The wall clock is an hour wrong, or jumps while somebody holds and waits: exclusion and waiting do not change, and
# tokens do not go back. Only times that are shown are wrong.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs faketime

# faketime keeps a semaphore for each process, under its number, and leaves it behind where that ends without ceremony, as
# lockgate does; the next process of the same number could then not be started.
sweep() {
  find /dev/shm -maxdepth 1 -user "$(id -u)" -name '*faketime_s*' | while read -r left; do
    [ -e "/proc/${left##*_}" ] || rm -f "$left"
  done
}
sweep
on_finish=sweep

# at OFFSET COMMAND...: with a wall clock that is OFFSET wrong; the other clocks are right.
at() { at_offset=$1 && shift && FAKETIME_DONT_FAKE_MONOTONIC=1 faketime -f "$at_offset" "$@"; }
# A clock that is set anew while the program runs: by what stands in the file "clock".
jumping() { jump=$1 && shift && env LD_PRELOAD="$(at +0 printenv LD_PRELOAD)" FAKETIME_DONT_FAKE_MONOTONIC=1 \
  FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE="$scratch/$jump" "$@"; }
token() { at "$1" "$LOCKGATE" exec --dir "$DIR" job -- printenv LOCKGATE_FENCING_TOKEN; }

[ "$(($(at +1h date +%s) - $(date +%s)))" -ge 3599 ] || skip "faketime does not work here"

say "tokens grow, whichever way the clock goes"
last=0
for offset in +0 +1h +0 -1h +1d -10y +0; do
  token=$(token $offset)
  [ "$token" -gt "$last" ] || fail "$token after $last, at $offset"
  last=$token
done

say "a holder from the future or the past keeps everybody out, and nobody out for longer"
for offset in +1h -1h; do
  mkfifo go
  rm -f in
  at $offset "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'echo >in; read -r line <go' &
  holder=$!
  started="$started $holder"
  wait_until test -e in
  for other in +0 +1h -1h; do
    run at $other "$LOCKGATE" exec --dir "$DIR" -n job -- true
    expect_status 75
    run at $other "$LOCKGATE" status --dir "$DIR" -q job
    expect_status 0
  done
  begin=$(milliseconds)
  run at -1h "$LOCKGATE" exec --dir "$DIR" -w 300ms job -- true
  expect_status 75
  is_between $(($(milliseconds) - begin)) 300 5000 || fail "it waited for $(($(milliseconds) - begin)) ms"
  echo >go
  rm go
  went_well "$holder"
done

say "the clock jumps during a wait and a hold: the limits are kept"
printf '+0\n' >clock
hold job
begin=$(milliseconds)
jumping clock "$LOCKGATE" exec --dir "$DIR" -w 1500ms job -- true 2>err &
waiter=$!
wait_until has_waiters job 1
printf -- '+1h\n' >clock
wait_until has_text err 'waiting for'
printf -- '-1h\n' >clock
ended "$waiter"
expect_status 75
is_between $(($(milliseconds) - begin)) 1500 6000 || fail "it waited for $(($(milliseconds) - begin)) ms"
let_go job
ended "$pid"
printf '+0\n' >clock
rm -f in
begin=$(milliseconds)
jumping clock "$LOCKGATE" exec --dir "$DIR" --max-hold 3s job -- sh -c 'echo >in; exec sleep 1000' 2>err &
holder=$!
wait_until test -e in
printf -- '+1h\n' >clock
gone "$holder" && fail "the jump ended it"
is_held job || fail "the jump ended the hold"
ended "$holder"
expect_status 124
is_between $(($(milliseconds) - begin)) 3000 9000 || fail "it held for $(($(milliseconds) - begin)) ms"

say "a keeper from another time is found and released"
handle=$(at +1h "$LOCKGATE" acquire --dir "$DIR" job) || fail "acquire: $?"
run lg release job "$handle"
expect_status 0
is_free job || fail "not free"
handle=$(lg acquire job) || fail "acquire: $?"
run at -1h "$LOCKGATE" release --dir "$DIR" --force --yes job
expect_status 0
is_free job || fail "not free"

if [ "$(id -u)" -eq 0 ] && unshare -T --boottime 100000 --monotonic 100000 true 2>/dev/null; then
  say "another boot clock (a container's): the same lock"
  elsewhere() { unshare -T --boottime 100000 --monotonic 100000 "$@"; }
  hold job
  run elsewhere "$LOCKGATE" exec --dir "$DIR" -w 100ms job -- true
  expect_status 75
  run elsewhere "$LOCKGATE" status --dir "$DIR" -q job
  expect_status 0
  let_go job
  ended "$pid"
  run elsewhere "$LOCKGATE" exec --dir "$DIR" --max-hold 300ms job -- sleep 1000
  expect_status 124
fi
