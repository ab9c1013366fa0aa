#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A memory store that was started anew grants nothing for a while, and whoever waits for that hears why.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

"$LOCKGATE" serve --listen "unix:$scratch/s" --store memory --max-ttl 8s 2>server.err &
started="$started $!"
server=$!
wait_until has_text server.err 'listening on '
LOCKGATE_URL=unix:$scratch/s
export LOCKGATE_URL

say "exec and acquire say it once, and go on; a quiet one says nothing; a try is told at once"
"$LOCKGATE" exec --ttl 5s a -- true 2>exec.err &
exec=$!
"$LOCKGATE" acquire --ttl 5s b >handle 2>acquire.err &
acquire=$!
"$LOCKGATE" exec -q --ttl 5s c -- true 2>quiet.err &
quiet=$!
started="$started $exec $acquire $quiet"
run "$LOCKGATE" exec -n --ttl 5s d -- touch ran
expect_status 75
expect_err 'grants nothing for'
! grep -q free\ by\ now "$scratch/err" || fail "it says that it is free: $(cat "$scratch/err")"
[ ! -e ran ] || fail "a lock was had in the grace"
went_well "$exec" "$acquire" "$quiet"
for who in exec acquire; do
  expect_text "$(grep -c 'the server was started anew.* grants nothing for' $who.err)" 1 "what $who says of it"
  grep -q '^lockgate: waiting for "[ab]" in .*: the server was started anew' $who.err || fail "no wait line: $(cat $who.err)"
done
[ ! -s quiet.err ] || fail "it is not quiet: $(cat quiet.err)"
"$LOCKGATE" release b "$(cat handle)" || fail "not released"
kill -TERM "$server"
ended "$server"
expect_status 0 "the server"
