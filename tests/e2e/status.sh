#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# status shows who holds what and who waits, to people as a table and to programs as JSON or by its exit status; it
# makes nothing, and disturbs no lock for a moment.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs flock

say "where there are no locks yet it says so and makes nothing"
run lg status
expect_status 0
expect_err 'no lock is held'
run lg status job
expect_out free
run lg status -q job
expect_status 1
expect_silence
[ ! -e "$DIR" ] || fail "it made the directory"

hold job --value 'v1 "x"' --reason nightly
holder=$pid
background lg exec job -- true
first=$pid
wait_until has_waiters job 1
background lg exec -s job -- true
second=$pid
wait_until has_waiters job 2

say "the table"
run lg status
expect_status 0
expect_text "$(head -n 1 out | tr -s ' ')" 'NAME MODE HOLDER SINCE EXPIRES WAITING VALUE'
expect_text "$(sed -n 2p out | tr -s ' ' | cut -d' ' -f1-5)" "job exclusive $(id -un)@$(hostname) $holder (sh)"
expect_out 'v1 "x"'
expect_text "$(wc -l <out)" 2 lines
run lg status -q job
expect_status 0
expect_silence

say "the JSON"
run lg status --json job
expect_status 0
for part in '"kind": "file"' "\"target\": \"file://$DIR\"" '"name": "job"' "\"key\": \"$(lock_file job)\"" \
  '"mode": "exclusive"' '"state": "held"' "\"pid\": $holder" "\"user\": \"$(id -un)\"" "\"host\": \"$(hostname)\"" \
  '"command": "sh"' '"reason": "nightly"' '"value": "v1 \"x\""' '"expires_at": null' '"position": 1' '"position": 2' \
  "\"pid\": $first" "\"pid\": $second"; do
  expect_out "$part"
done
grep -q '"acquired_at": "20..-..-..T..:..:..\(\.[0-9]*\)\{0,1\}Z"' out || fail "no time in UTC"
grep -q '"id": "[0-9a-f]\{1,\}"' out || fail "no id"
grep -q '"fencing_token": [1-9]' out || fail "no token"
! grep -q "$(tr '\0' '\n' <"/proc/$(command_of job)/environ" | sed -n 's/^LOCKGATE_HANDLE=//p')" out || fail "the handle"
if command -v python3 >/dev/null; then
  python3 -c '
import json, sys
lock, = json.load(sys.stdin)["locks"]
assert set(lock) == {"name", "key", "mode", "state", "fencing_token", "holders", "waiters"}, lock
holder, = lock["holders"]
assert set(holder) == {"id", "mode", "host", "pid", "user", "command", "reason", "value", "acquired_at", "expires_at"}
assert [set(w) for w in lock["waiters"]] == [{"host", "pid", "user", "mode", "since", "position"}] * 2, lock
assert [w["mode"] for w in lock["waiters"]] == ["exclusive", "shared"], lock
assert [w["pid"] for w in lock["waiters"]] == [int(a) for a in sys.argv[1:]], lock
' "$first" "$second" <out || fail "the JSON is not as it should be"
fi

say "a free lock: in the JSON and where it is named, but not in the table of all"
let_go job
went_well "$holder" "$first" "$second"
run lg status
if [ $free = free ]; then
  expect_err 'no lock is held'
  [ ! -s out ] || fail "a table of nothing"
else
  expect_out unknown
fi
run lg status job
expect_out "$free"
run lg status --json job
expect_out "\"state\": \"$free\""
expect_out '"holders": []'
run lg status -q job
expect_status "$free_status"

say "foreign holders, with what can be known of them"
mkfifo go
background flock "$(lock_file job)" sh -c 'echo >in; read -r line <go'
stranger=$pid
wait_until test -e in
run lg status job
expect_out "$(id -un)@$(hostname) $stranger (flock)"
run lg status -q job
expect_status 0
echo >go
ended "$stranger"

say "two readers, one lock"
hold_as one job -s
hold_as two job -s
run lg status job
expect_text "$(grep -c shared out)" 2 rows
let_go one
let_go two

say "control characters of others are shown, not obeyed"
hold_as evil job --value "$(printf 'a\033[31mb\nc')"
run lg status
! grep -q "$(printf '\033')" out || fail "an escape sequence"
expect_text "$(wc -l <out)" 2 lines
let_go evil
ended "$pid"

say "it disturbs nothing: an attempt without waiting never fails while status runs as fast as it can"
background sh -c 'while :; do "$LOCKGATE" status --dir "$DIR" --json >/dev/null; "$LOCKGATE" status --dir "$DIR" -q job; done'
turn=0
while [ $turn -lt 300 ]; do
  turn=$((turn + 1))
  lg exec -n job -- true || fail "attempt $turn: exit status $?"
done
