#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who waits for a second is told once: for which lock, where, who has it, what they run, for how long, and how many are
# ahead. Who waits for less is told nothing, nor is who said -q.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

hold job --reason nightly
holder=$pid

background lg exec job -- true 2>first
first=$pid
wait_until has_waiters job 1
background lg exec job -- true 2>second
second=$pid
wait_until has_waiters job 2
background lg exec -q job -- true 2>quiet
quiet=$pid
background lg acquire job >handle 2>keeper
acquire=$pid
wait_until has_waiters job 4

say "after a second there is one line"
wait_until has_text second 'ahead of you'
wait_until has_text first 'waiting for'
wait_until has_text keeper 'waiting for'
for file in first second keeper; do
  expect_text "$(wc -l <$file)" 1 "lines in $file"
  for part in 'lockgate: waiting for "job"' "in $DIR" 'held by ' "$(id -un)@$(hostname)" "pid $holder" '(sh)' ', for ' \
    '"nightly"'; do
    has_text $file "$part" || fail "$file does not say: $part, but: $(cat $file)"
  done
done
! has_text first 'ahead of you' || fail "nobody is ahead of the first: $(cat first)"
has_text second '1 ahead of you' || fail "$(cat second)"
[ ! -s quiet ] || fail "with -q: $(cat quiet)"

let_go job
went_well "$acquire"
lg release job "$(cat handle)" || fail "release: $?"
went_well "$holder" "$first" "$second" "$quiet"

say "a short wait is silent"
hold job
run lg exec -q -w 300ms job -- true
expect_silence
background lg exec -w 30 job -- true 2>short
wait_until has_waiters job 1
let_go job
ended "$pid"
expect_status 0
[ ! -s short ] || fail "$(cat short)"
