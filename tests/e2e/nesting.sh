#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whoever asks for a lock that an ancestor of his holds would wait for ever: he is told at once, or passes if he says
# that he may. Only an ancestor's living hold of that very lock counts.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "the same name: at once 75, and why; also with -E, with a limit, and for acquire"
run lg exec job -- "$LOCKGATE" exec --dir "$DIR" job -- touch ran
expect_status 75
expect_err 'ancestor'
expect_err '--reentrant'
run lg exec job -- "$LOCKGATE" exec --dir "$DIR" -E 9 -w 1h job -- touch ran
expect_status 9
run lg exec job -- "$LOCKGATE" acquire --dir "$DIR" job
expect_status 75
expect_err 'ancestor'
run lg exec job -- "$LOCKGATE" exec --dir "$DIR" -s job -- touch ran
expect_status 75
run lg exec job -- "$LOCKGATE" exec --dir "$DIR" other -- "$LOCKGATE" exec --dir "$DIR" job -- touch ran
expect_status 75
[ ! -e ran ] || fail "it was run"

say "--reentrant passes, and the lock stays the outer one's"
run lg exec job -- sh -c '"$LOCKGATE" exec --dir "$DIR" --reentrant job -- echo in; "$LOCKGATE" status --dir "$DIR" -q job'
expect_status 0
expect_out in
run lg exec job -- "$LOCKGATE" exec --dir "$DIR" --reentrant -s job -- echo in
expect_status 0
expect_out in
run lg exec job -- "$LOCKGATE" exec --dir "$DIR" --reentrant job -- sh -c 'exit 6'
expect_status 6
run lg exec --reentrant job -- echo in
expect_status 0
expect_out in

say "shared in shared is no conflict, exclusive in shared is, also with --reentrant"
run lg exec -s job -- "$LOCKGATE" exec --dir "$DIR" -s job -- echo in
expect_status 0
expect_out in
for how in '' --reentrant; do
  # shellcheck disable=SC2086
  run lg exec -s job -- "$LOCKGATE" exec --dir "$DIR" $how job -- touch ran
  expect_status 75
  expect_err 'shared'
done
[ ! -e ran ] || fail "it was run"

say "shared in shared gets by a writer that waits for the outer one to end"
background lg exec -s job -- sh -c 'echo >outer; while [ ! -e go ]; do sleep 0.01; done; "$LOCKGATE" exec --dir "$DIR" -s job -- true'
outer=$pid
wait_until test -e outer
background lg exec job -- true
writer=$pid
wait_until has_waiters job 1
touch go
went_well "$outer" "$writer"

say "other names nest, and the backend is handed down"
run lg exec job -- "$LOCKGATE" exec other -- printenv LOCKGATE_BACKEND
expect_status 0
expect_out "file://$DIR"
run lg exec job -- "$LOCKGATE" exec job -- touch ran
expect_status 75
run lg exec job -- "$LOCKGATE" exec --dir "$scratch/elsewhere" job -- echo in
expect_status 0
expect_out in

say "however the place is spelt"
ln -s "$DIR" link
run lg exec job -- timeout 20 "$LOCKGATE" exec --dir "$DIR/../locks/./" job -- touch ran
expect_status 75
run lg exec job -- timeout 20 "$LOCKGATE" exec -b "file://$DIR/" job -- touch ran
expect_status 75
run lg exec job -- timeout 20 "$LOCKGATE" exec --dir link job -- touch ran
expect_status 75
: >data
ln -s data data.link
run "$LOCKGATE" exec --path data -- timeout 20 "$LOCKGATE" exec --path ./data.link -- touch ran
expect_status 75

say "a hold that is over does not count, nor one that never was, nor nonsense"
lg exec job -- printenv LOCKGATE_HELD >held
for held in "$(cat held)" "file://$DIR job 00000000-0000-4000-8000-000000000000" 'what is this' '%' "$(printf '\n\n a b')"; do
  LOCKGATE_HELD=$held run lg exec -n job -- echo in
  expect_status 0 "$held"
  expect_out in
done
hold job
LOCKGATE_HELD=$(cat held) run lg exec -n job -- true
expect_status 75
! has_text err ancestor || fail "the holder is no ancestor: $(cat err)"
let_go job
[ ! -e ran ] || fail "it was run"
