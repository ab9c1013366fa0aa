#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Readers share, writers do not; and a writer that waits gets in though overlapping readers keep coming, also such as
# ask with -n.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "readers together, a writer after the last of them"
hold_as one job -s
one=$pid
hold_as two job -s
two=$pid
expect_text "$(lg status --json job | grep -c acquired_at)" 2 "holders"
run lg exec -n job -- true
expect_status 75
background lg exec job -- sh -c 'echo in >writer'
writer=$pid
wait_until has_waiters job 1
let_go one
ended "$one"
has_waiters job 1 || fail "the writer does not wait for the other reader"
[ ! -e writer ] || fail "the writer is in beside a reader"
let_go two
ended "$two"
ended "$writer"
expect_status 0
[ -e writer ] || fail "the writer did not get in"

say "no reader beside a writer"
hold job
run lg exec -s -n job -- true
expect_status 75
let_go job
ended "$pid"

# Four streams of readers, so that there is always one inside, unless newcomers stand back for the writer.
storm() {
  for stream in 1 2 3 4; do
    background sh -c 'while [ ! -e stop ]; do
        "$LOCKGATE" exec -q --dir "$DIR" -s $2 job -- sh -c "echo >>entered.$1; sleep 0.2$1"
      done' sh $stream "$1"
    eval "stream$stream=\$pid"
  done
  for stream in 1 2 3 4; do
    wait_until has_lines entered.$stream 3
  done
  run lg exec -w 20 job -- touch stop
  expect_status 0 "the writer starved"
  # shellcheck disable=SC2154
  for stream in "$stream1" "$stream2" "$stream3" "$stream4"; do
    ended "$stream"
  done
  rm -f stop entered.*
}

say "a writer gets in though readers keep coming"
storm ''

say "and though they come with -n"
storm -n
