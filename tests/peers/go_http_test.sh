#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The HTTP client of the Go library github.com/werf/lockgate at our server, and lockgate -b http at the library's
# server. The program around the library is in go-http/, its version in go-http/go.mod.
# shellcheck disable=SC2034,SC2154,SC2317  # variables and functions that lib.sh reads, sets and calls by name
# shellcheck source-path=SCRIPTDIR
patience=40  # a lease of 10 s runs out in a few of these, and the library looks every 2 s
. "$(dirname -- "$0")/lib.sh"
. "$(dirname -- "$0")/http_servers.sh"

build_go go-http "$work/peer"

peer=Go
ours_busy=75 ours_survives=no ours_queues=no ours_waits='lockgate: waiting'
theirs_busy=75 theirs_survives=no theirs_queues=no
name='release/ü 1'

mode_of() {
  [[ $1 == exclusive ]] || echo --shared
}
# shellcheck disable=SC2046  # a word or none
theirs_hold() { exec "$work/peer" hold "$url" "$name" $(mode_of "$1"); }
# shellcheck disable=SC2046
theirs_try() {
  local how=()
  case $2 in nonblock) how=(--non-blocking) ;; timed) how=(--timeout 700ms) ;; esac
  bounded "$work/peer" try "$url" "$name" $(mode_of "$1") "${how[@]}"
}
ours_hold() { keep "$LOCKGATE" exec "--$1" -b "$url" "$name" --; }
ours_try() {
  local how=()
  case $2 in nonblock) how=(--nonblock) ;; timed) how=(--timeout 700ms) ;; esac
  bounded "$LOCKGATE" exec "--$1" "${how[@]}" -b "$url" "$name" -- true
}

# raw PATH JSON: "STATUS BODY" of one request as a client of the library sends it.
raw() { bounded "$work/peer" call "$url" "$@"; }
# take MODE [ACQUIRER]: one request for the lock; its handle's UUID, or nothing.
take() {
  local acquirer=
  [[ -z ${2-} ]] || acquirer=",\"acquirerId\":\"$2\""
  (raw acquire "{\"lockName\":\"$name\",\"opts\":{\"shared\":$([[ $1 == shared ]] && echo true || echo false)$acquirer}}") |
    sed -n 's/.*"uuid":"\([^"]\{1,\}\)".*"err":"".*/\1/p'
}
with_handle() { raw "$1" "{\"lockHandle\":{\"uuid\":\"$2\",\"lockName\":\"$name\"}}"; }
is_granted() { # is_granted MODE [ACQUIRER]: sets granted
  granted=$(take "$@")
  why="the lock was not given to ${2-an anonymous $1 holder}"
  [[ -n $granted ]]
}
is_refused() { ! is_granted "$@" || { why="the lock was given to ${2-an anonymous $1 holder}" && false; }; }
answers() { # answers TEXT FUNCTION ARG...
  local text=$1 output
  shift
  output=$( ("$@") 2>&1)
  why="it answered: $output"
  [[ $output == *"$text"* ]]
}

wire_format() {
  local none='no existing lock lease found'
  echo '# the protocol, request by request, at our server'
  check 'a lock is given' is_granted exclusive
  local handle=$granted
  check 'and not twice' answers '"err":"should wait"' raw acquire "{\"lockName\":\"$name\",\"opts\":{}}"
  check 'its holder renews' answers '200 {"err":""}' with_handle renew-lease "$handle"
  check 'another handle does not' answers '"err":"' with_handle renew-lease 5e0f8d3c-0000-4000-8000-000000000000
  check 'its holder releases' answers '200 {"err":""}' with_handle release "$handle"
  check 'a second time there is nothing to release' answers "\"err\":\"$none\"" with_handle release "$handle"
  check 'nor to renew' answers "\"err\":\"$none\"" with_handle renew-lease "$handle"
  check 'what is no JSON is a 400' answers '400 ' raw acquire 'lock it, please'
  check 'the same below a path' answers '"err":""' raw team/a/acquire "{\"lockName\":\"$name 2\",\"opts\":{\"shared\":true}}"
}

readers_of_their_own() {
  echo '# readers at our server'
  check 'a reader is let in' is_granted shared
  local first=$granted
  check 'and another' is_granted shared
  local second=$granted
  check 'the first lets go' answers '"err":""' with_handle release "$first"
  check 'a second time, as after a lost reply' answers '"err":"' with_handle release "$first"
  check 'the other reader still keeps writers out' is_refused exclusive
  check 'it lets go' answers '"err":""' with_handle release "$second"
  check 'a writer is let in' is_granted exclusive
  (with_handle release "$granted") >"$work/ignored"
}

queue_order() {
  echo '# the queue at our server'
  check 'somebody holds the lock' is_granted exclusive
  local holder=$granted
  check 'the first waits' is_refused exclusive first
  check 'the second waits' is_refused exclusive second
  check 'one without an acquirer id tries' is_refused exclusive
  (with_handle release "$holder") >"$work/ignored"
  check 'it is not the turn of the second' is_refused exclusive second
  check 'nor of the one without an id' is_refused exclusive
  check 'it is that of the first' is_granted exclusive first
  (with_handle release "$granted") >"$work/ignored"
  check 'then of the second' is_granted exclusive second
  (with_handle release "$granted") >"$work/ignored"
  check 'then of whoever comes, for the try left no place behind' is_granted exclusive
  (with_handle release "$granted") >"$work/ignored"
}

# A lease of this protocol is 10 s long.
longer_than_a_lease() { # longer_than_a_lease TOOL OTHER
  start holder "$1_hold" exclusive
  check "$1 holds for longer than a lease" holds holder
  start waiter "$2_hold" exclusive
  check "$2 waits meanwhile" waits "$2" waiter
  read -r -t 13 -u "$waiter_out" && check "$2 got what $1 renews" false
  check "$1 still holds it" is_silent waiter
  let_go holder
  check "$1 lets go" ended holder
  check "$2 has it" holds waiter
  let_go waiter
  check "$2 ends well" ended waiter
}

says_lost() { # says_lost ROLE
  local out=${1}_out line=
  read -r -t "$patience" -u "${!out}" line
  why="it said: $line"
  [[ $line == lost ]]
}
ends_with() { # ends_with STATUS ROLE
  local pid=${2}_pid err=${2}_err status=0
  wait "${!pid}" || status=$?
  why="$2 ended with $status; stderr: $(<"${!err}")"
  [[ $status == "$1" ]]
}

lost_leases() {
  echo '# a lease that is lost'
  serve_ours "sqlite:$work/lost.db"
  start holder theirs_hold exclusive
  check 'Go holds a lock of our server' holds holder
  check 'an administrator breaks it, and is told whose it is' answers 'a client at 127.0.0.1 that says no more of itself' \
    bounded "$LOCKGATE" release -b "$url" --force --yes "$name"
  check 'Go hears of it' says_lost holder
  check 'and ends with it' ends_with 76 holder
  serve_theirs
  start holder ours_hold exclusive
  check 'lockgate holds a lock of the Go server' holds holder
  local command=$holder_keeper
  kill_server
  serve_theirs "$port"
  check 'the server has forgotten it: lockgate ends with 76' ends_with 76 holder
  check 'and its command is gone' eval "! kill -0 $command 2>/dev/null"
}

restarts() {
  echo '# our server is killed and comes back'
  serve_ours "sqlite:$work/restart.db"
  start holder theirs_hold exclusive
  check 'Go holds a lock' holds holder
  kill_server
  serve_ours "sqlite:$work/restart.db" "$port"
  check 'it is still held' status_is 75 ours_try exclusive nonblock
  let_go holder
  check 'Go gives it back to the new server' ended holder
  check 'it can be had' status_is 0 ours_try exclusive nonblock
  kill_server
}

discovery() {
  echo '# what our client makes of the Go server'
  serve_theirs
  start holder ours_hold exclusive
  check 'lockgate holds' holds holder
  check 'status cannot tell who, and says so' answers unknown bounded "$LOCKGATE" status -b "$url" "$name"
  check 'a lease of another length is a usage error' status_is 64 bounded "$LOCKGATE" exec -b "$url" --ttl 30s other -- true
  let_go holder
  check 'lockgate ends well' ended holder
  kill_server
  check 'nobody there: 69' status_is 69 ours_try exclusive nonblock
}

serve_ours memory --no-restart-grace
echo '# our server'
both_ways_round
wire_format
readers_of_their_own
queue_order
longer_than_a_lease ours theirs
longer_than_a_lease theirs ours
kill_server
serve_theirs
echo '# the Go server'
both_ways_round
longer_than_a_lease ours theirs
longer_than_a_lease theirs ours
kill_server
restarts
lost_leases
discovery
finish
