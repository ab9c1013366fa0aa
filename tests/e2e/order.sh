#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First come, first served among those who wait to have the lock alone, also where one of them gives up in between.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

hold job
all=$pid
turn=0
while [ $turn -lt 8 ]; do
  turn=$((turn + 1))
  background lg exec job -- sh -c 'echo $1 >>order' sh $turn
  all="$all $pid"
  [ $turn -ne 3 ] || impatient=$pid
  wait_until has_waiters job $turn
done

say "the list of waiters is in that order"
lg status --json job >out
positions=$(sed -n 's/ *"position": \([0-9]*\).*/\1/p' out | tr '\n' ' ')
expect_text "$positions" '1 2 3 4 5 6 7 8 '

say "the third gives up: it ends by the signal, and the others move up"
kill -TERM "$impatient"
ended "$impatient"
expect_status 143
wait_until has_waiters job 7

let_go job
for waiter in $all; do
  wait_until gone "$waiter"
done
expect_text "$(tr '\n' ' ' <order)" '1 2 4 5 6 7 8 '
