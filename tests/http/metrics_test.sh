#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# /metrics is what Prometheus reads: by the judgement of its own promtool where that can be had (scripts/promtool), and
# it counts what happens.
# shellcheck source=tests/lib.sh
promtool=$("$(dirname "$0")/../../scripts/promtool" ${CI:+--fetch} || :)
. "$(dirname "$0")/../lib.sh"
needs curl

"$LOCKGATE" serve --listen 127.0.0.1:0 --store memory --no-restart-grace 2>server.err &
started="$started $!"
server=$!
wait_until has_text server.err 'listening on http://'
url=$(sed -n 's/.*listening on \(http:[^ ]*\)$/\1/p' server.err)

fetch() { curl -sSf -o "$scratch/out" -D "$scratch/headers" "$url/metrics" || fail "no metrics"; }
# value NAME: of a metric without labels.
value() { awk -v name="$1" '$1 == name { print $2 }' out; }
post() { curl -sSf -o reply -X POST --data "$2" "$url$1" || fail "$1 failed"; }

say "a fresh server"
fetch
grep -qi '^content-type: text/plain; version=0.0.4' headers || fail "another content type"
expect_text "$(value lockgate_locks_held)" 0
expect_text "$(value lockgate_grants_total)" 0
cp out fresh

say "it counts"
post /v1/acquire '{"name":"a","request_id":"1"}'
handle=$(sed -n 's/.*"handle":"\([^"]*\)".*/\1/p' reply)
post /v1/acquire '{"name":"a","request_id":"2"}'
post /v1/acquire '{"name":"a","request_id":"3","acquirer_id":"w","wait_ms":1}'
post /v1/acquire '{"name":"<evil\"name>","request_id":"4","mode":"shared"}'
fetch
expect_text "$(value lockgate_locks_held)" 2 "locks held"
expect_text "$(value lockgate_waiters)" 1 waiters
expect_text "$(value lockgate_grants_total)" 2 grants
[ "$(value lockgate_conflicts_total)" -ge 2 ] || fail "no conflicts"
post /v1/release "{\"name\":\"a\",\"handle\":\"$handle\",\"request_id\":\"5\"}"
curl -s -o reply "$url/no/such/path"
fetch
expect_text "$(value lockgate_releases_total)" 1 releases
expect_text "$(value lockgate_hold_seconds_count)" 1 "holds that ended"
grep -q '^lockgate_requests_total{route="/v1/acquire",status="200"} 4$' out || fail "the requests are not counted"

say "no name of a lock, no handle and no path that somebody made up is in it"
! grep -q "evil\|$handle\|no/such" out || fail "it tells too much"

say "each metric has its help and its type, and no two lines are the same"
awk '/^# HELP/ { help[$3] = 1; next } /^# TYPE/ { type[$3] = 1; next }
  { name = $1; sub(/[{].*/, "", name); family = name; sub(/_(bucket|sum|count)$/, "", family)
    if (!(help[name] && type[name]) && !(help[family] && type[family])) { print "no help or type: " name; bad = 1 }
    if (seen[$1]++) { print "twice: " $1; bad = 1 } }
  END { exit bad }' out || fail "the text is not well-formed"

if [ -n "$promtool" ]; then
  say "promtool has nothing against it"
  for text in fresh out; do
    "$promtool" check metrics <"$text" >judgement 2>&1 || { cat judgement >&2; fail "promtool: $text"; }
    [ ! -s judgement ] || { cat judgement >&2; fail "promtool: $text"; }
  done
else
  echo "not checked by promtool: it is not here (scripts/promtool --fetch gets it)"
fi
kill -TERM "$server"
ended "$server"
expect_status 0 "the server"
