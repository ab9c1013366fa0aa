#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What holders have published, and what files can and cannot do about it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "a free lock has no value, and neither has one whose holder gave none"
run lg get job
expect_status 1
expect_silence
run lg exec job -- "$LOCKGATE" get job
expect_status 1
expect_silence

say "a value is printed as it was given"
run lg exec --value 'ten 10' job -- "$LOCKGATE" get job
expect_status 0
expect_text "$(cat out)" 'ten 10'
run lg exec --value '' job -- "$LOCKGATE" get job
expect_status 0
expect_text "$(od -c out | head -n 1)" '0000000  \n'

say "each of several holders has a line, the oldest first"
one=$(lg acquire -s --value one job) || fail "no lock"
lg acquire -s job >two || fail "no lock"
lg acquire -s --value three job >third || fail "no lock"
run lg get job
expect_text "$(tr '\n' ' ' <out)" 'one three '
run lg get --json job
expect_out '"value": "three"'
! has_text out "$one" || fail "a handle is shown"

say "renew tells whether a hold is still there"
run lg renew -v job "$one"
expect_status 0
expect_err 'it has no lease'
refused 64 '--keep renews a lease' lg renew --keep job "$one"
lg release job "$one" || fail "not released"
run lg renew job "$one"
expect_status 76
expect_err 'is gone'
[ ! -s out ] || fail "renew prints nothing"
run lg get job
expect_text "$(cat out)" three
lg release --mine job

say "the value of a file lock cannot be changed, which is said with the way out"
lg acquire job >handle || fail "no lock"
refused 64 'cannot be changed' lg set job later
refused 64 'cannot be changed' lg set --handle "$(cat handle)" job later
lg release job || fail "not released"

say "set looks for a hold of this user's"
run lg set job later
expect_status 76
expect_err 'no hold of "job"'
[ ! -s out ] || fail "on standard output"

say "files cannot be watched, which is said with the way out"
refused 64 'status --watch' lg watch job
