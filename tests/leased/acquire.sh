#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# acquire leaves a leased lock held and renewed by a keeper; release gives it back, or says what became of it.
# shellcheck disable=SC2016
# shellcheck source=tests/leased/lib.sh
. "$(dirname "$0")/lib.sh"

say "acquired, renewed, released"
handle=$(lg acquire --ttl 2s job) || fail "acquire: $?"
wait_until has_lines "$LEASES/log" 6
is_held job || fail "not renewed"
run lg acquire -n job
expect_status 75
run lg release job
expect_status 0
expect_silence
is_free job || fail "not given back"
expect_log acquire release
refused 76 'has this handle' lg release job "$handle"

say "by its handle alone, from anywhere: the keeper of another user or host hears of it"
handle=$(lg acquire --ttl 2s job) || fail "acquire: $?"
HOME=$scratch/elsewhere lg release job "$handle" || fail "release: $?"
is_free job || fail "not given back"
wait_until grep -q lost=taken "$HOME"/.local/state/lockgate/keepers/*
refused 76 'taken over by another' lg release job

say "a lost lock: release says so with 76, once"
lg acquire --ttl 2s job >/dev/null || fail "acquire: $?"
touch "$LEASES/renew.lost"
wait_until grep -q lost=taken "$HOME"/.local/state/lockgate/keepers/*
refused 76 'taken over by another' lg release job
rm "$LEASES/renew.lost" "$LEASES/job"

say "the owner process gets SIGTERM before the lease is over, unless --on-lost continue"
touch "$LEASES/renew.error"
background sh -c 'trap "date +%s%N >told; exit 0" TERM; echo ready >owner; while :; do sleep 0.02; done'
wait_until test -s owner
lg acquire --ttl 2s --owner-pid "$pid" job >/dev/null || fail "acquire: $?"
ended "$pid"
expect_status 0
is_held job || fail "told after the lease was over"
refused 76 'not renewed in time: no answer from the server' lg release job
rm -f "$LEASES/job"
background sleep 1000
lg acquire --ttl 2s --owner-pid "$pid" --on-lost continue job >/dev/null || fail "acquire: $?"
wait_until grep -q 'lost=not%20renewed' "$HOME"/.local/state/lockgate/keepers/*
! gone "$pid" || fail "the owner was told"
kill "$pid"
ended "$pid"
run lg release job
expect_status 76
rm "$LEASES/renew.error"
rm -f "$LEASES/job"

say "the lock is given back when the owner ends, and after --max-hold"
background sleep 1000
lg acquire --owner-pid "$pid" job >/dev/null || fail "acquire: $?"
kill "$pid"
wait_until is_free job
lg acquire --max-hold 0.2 job >/dev/null || fail "acquire: $?"
wait_until is_free job
refused 76 'no hold' lg release job

say "a server that does not answer the release: 69, and what becomes of the lock"
lg acquire --ttl 2s job >/dev/null || fail "acquire: $?"
touch "$LEASES/release.error"
refused 69 'the hold of "job" was not given back: no answer from the server' lg release job
expect_err 'free when its lease has run out'
rm "$LEASES/release.error"
wait_until is_free job
refused 76 'no hold' lg release job

say "the keeper was killed: release gives back what is left of the lease"
lg acquire --ttl 60s job >/dev/null || fail "acquire: $?"
keeper=$(sed -n 's/^keeper=//p' "$HOME"/.local/state/lockgate/keepers/*)
kill -KILL "$keeper"
wait_until gone "$keeper"
run lg release job
expect_status 0
is_free job || fail "not given back"
refused 76 'no hold' lg release job

say "no lock is kept where its note cannot be written"
chmod 755 "$HOME"
rm -rf "$HOME/.local"
echo >"$HOME/.local"
run lg acquire job
[ "$status" -ne 0 ] || fail "acquired"
is_free job || fail "kept without a note"
