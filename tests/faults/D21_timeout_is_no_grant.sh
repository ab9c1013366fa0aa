#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A wait that timed out is no hold: nothing runs, no handle is printed, no token is spent, the holder stays the holder,
# and a hundred failed attempts leave nothing behind.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

hold job
holder=$pid
token=$(json_of job fencing_token)
[ -n "$token" ] || fail "no token"
id=$(json_of job id)
files=$(find "$DIR" "$HOME" | sort)

all=''
for i in $(seq 50); do
  background lg exec -q -w $((i * 5))ms job -- touch ran
  all="$all $pid"
  background sh -c '"$LOCKGATE" acquire -q --dir "$DIR" -w $1ms job >>handles' sh $((i * 5))
  all="$all $pid"
done
for waiter in $all; do
  wait_until gone "$waiter"
  status=0
  wait "$waiter" || status=$?
  expect_status 75
done
[ ! -e ran ] || fail "a command was run"
[ ! -s handles ] || fail "handles: $(cat handles)"
wait_until has_waiters job 0
expect_text "$(json_of job id)" "$id" "the holder"
expect_text "$(json_of job fencing_token)" "$token" "the token"
expect_text "$(lg status --json job | grep -c acquired_at)" 1 "holders"
only_gate_is_new() {
  [ "$(find "$DIR" "$HOME" | sort | grep -v '\.gate$')" = "$files" ]
}
wait_until only_gate_is_new
refused 76 job lg release job
let_go job
ended "$holder"
is_free job || fail "somebody holds it"
