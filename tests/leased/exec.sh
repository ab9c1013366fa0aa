#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# exec with a lock that has a lease: renewed while the command runs, and the command never outlives it.
# shellcheck disable=SC2016
# shellcheck source=tests/leased/lib.sh
. "$(dirname "$0")/lib.sh"

say "the command's own status, what it gets to know, and one release"
run lg exec job -- sh -c 'echo "$LOCKGATE_NAME $LOCKGATE_FENCING_TOKEN $LOCKGATE_BACKEND ${LOCKGATE_FD-none}"; exit 7'
expect_status 7
expect_out "job 7 http://fake.test none"
expect_log acquire release
run lg exec job -- sh -c 'kill -SEGV $$'
expect_status 139
refused 127 'not found' lg exec job -- no-such-program
refused 126 'directory' lg exec job -- /etc
is_free job || fail "not given back"

say "it may leave a daemon behind, and the lock is given back all the same"
run lg exec job -- sh -c 'setsid -f sleep 1000 >/dev/null 2>&1; exit 0'
expect_status 0
is_free job || fail "not given back"

say "a kill-after that cannot be safe is refused before the lock is taken"
rm "$LEASES/log"
refused 64 'at most 4.3s' lg exec --ttl 10s --kill-after 5s job -- true
[ ! -e "$LEASES/log" ] || fail "the lock was taken"

say "a lease of two seconds is renewed for as long as the command runs"
mkfifo fifo
background_lg exec --ttl 2s job -- sh -c 'read -r line <fifo'
wait_until has_lines "$LEASES/log" 7
is_held job || fail "not renewed"
echo >fifo
ended "$pid"
is_free job || fail "not given back"

say "signals reach the command, and it has the last word"
background_lg exec job -- sh -c 'trap "echo got; exit 3" USR1; trap "" INT; echo $$ >pid; while :; do sleep 0.02; done' >out 2>err
wait_until test -s pid
kill -INT "$pid"
kill -USR1 "$pid"
ended "$pid"
expect_status 3
expect_out got

say "a second SIGINT ends the whole tree"
background_lg exec --kill-after 0.2 job -- sh -c "trap 'echo interrupted >said' INT; $stubborn" 2>err
wait_until has_lines tree 3
kill -INT "$pid"
wait_until test -s said
kill -INT "$pid"
ended "$pid"
expect_status 137
tree_is_gone || fail "something is left"
is_free job || fail "not given back"
rm tree

say "--max-hold ends the whole tree"
run lg exec --max-hold 0.3 --kill-after 0.2 job -- sh -c "$stubborn"
expect_status 124
tree_is_gone || fail "something is left"
is_free job || fail "not given back"
rm tree

say "a clear no ends the command at once: 76, and who has it"
touch "$LEASES/renew.lost"
run lg exec --ttl 2s --kill-after 0.2 job -- sh -c "$stubborn"
expect_status 76
expect_err 'lockgate: lost lock "job": taken over by another; the command was ended'
tree_is_gone || fail "something is left"
rm "$LEASES/renew.lost" "$LEASES/job" tree

say "no answer in time ends the command before the lease is over"
touch "$LEASES/renew.error"
before=$(milliseconds)
run lg exec --ttl 2s --kill-after 0.2 job -- sh -c "$stubborn"
took=$(($(milliseconds) - before))
expect_status 76
expect_err 'lost lock "job": not renewed in time: no answer from the server; the command was ended'
is_between "$took" 1400 2000 || fail "ended after $took ms"
tree_is_gone || fail "something is left"
rm "$LEASES/renew.error" tree
rm -f "$LEASES/job"

say "--on-lost continue: it is only said, and the command has its own status"
touch "$LEASES/renew.lost"
run lg exec --ttl 2s --on-lost continue job -- sh -c 'sleep 1.5; exit 5'
expect_status 5
expect_err 'lost lock "job": taken over by another; the command goes on'
expect_text "$(wc -l <err)" 1
rm "$LEASES/renew.lost" "$LEASES/job"
touch "$LEASES/renew.error"
run lg exec --ttl 2s --on-lost continue job -- sh -c 'sleep 2.2; exit 5'
expect_status 5
expect_err 'lost lock "job": not renewed in time'
rm "$LEASES/renew.error"
rm -f "$LEASES/job"

say "a hold that is found to be gone only at the release: 76; with --on-lost continue, a warning"
run lg exec job -- sh -c 'rm "$LEASES/job"; exit 0'
expect_status 76
expect_err 'lost lock "job"'
run lg exec --on-lost continue job -- sh -c 'rm "$LEASES/job"; exit 6'
expect_status 6
expect_err 'lost lock "job"'

say "a release that fails after a command that ended in time: its own status and a warning"
touch "$LEASES/release.error"
run lg exec job -- sh -c 'exit 4'
expect_status 4
expect_err '"job" was not given back'
rm "$LEASES/release.error" "$LEASES/job"

say "a grant that comes late is given back, and the lock taken again"
rm "$LEASES/log"
touch "$LEASES/grant.late"
run lg exec job -- true
expect_status 0
expect_log acquire release acquire release

say "a server whose leases are shorter than was asked for is believed"
touch "$LEASES/ttl.short"
run lg exec job -- sleep 2.5
expect_status 0
refused 64 'too long for a lease of' lg exec --kill-after 3s job -- true
is_free job || fail "not given back"
rm "$LEASES/ttl.short"

say "lockgate is killed: the guardian ends the tree long before the lease is over"
background_lg exec --ttl 60s --kill-after 0.2 job -- sh -c "$stubborn"
wait_until has_lines tree 3
before=$(milliseconds)
kill -KILL "$pid"
wait_until tree_is_gone
[ $(($(milliseconds) - before)) -lt 10000 ] || fail "that took long"
rm "$LEASES/job" tree

say "lockgate is stopped beyond its lease: the tree is dead before that; continued, it renews nothing and says 76"
background_lg exec --ttl 2s --kill-after 0.2 job -- sh -c "$stubborn" 2>err
wait_until has_lines tree 3
kill -STOP "$pid"
wait_until tree_is_gone
before=$(milliseconds)
is_held job || fail "the lease was over before the tree"
wait_until is_free job
rm "$LEASES/log"
kill -CONT "$pid"
ended "$pid"
expect_status 76
expect_err 'lost lock "job": not renewed in time'
! grep -q renew "$LEASES/log" || fail "renewed when it was too late"
rm tree

say "the guardian is killed: the tree is ended at once, and the lock given back"
background_lg exec --ttl 60s --kill-after 0.2 job -- sh -c "$stubborn" 2>err
wait_until has_lines tree 3
guardian=$(sed 's/.*) //' "/proc/$(head -n 1 tree)/stat" | cut -d' ' -f2)
kill -KILL "$guardian"
ended "$pid"
expect_status 137
expect_err 'the guardian process was killed'
tree_is_gone || fail "something is left"
is_free job || fail "not given back"
rm tree

say "--wait-tree keeps the lock until all of the tree has ended"
mkfifo last
background_lg exec --ttl 2s --wait-tree job -- sh -c 'setsid -f sh -c "echo \$\$ >daemon; read -r line <last"; exit 9'
wait_until test -s daemon
wait_until has_lines "$LEASES/log" 8
is_held job || fail "given back too early"
echo >last
ended "$pid"
expect_status 9
is_free job || fail "not given back"

say "-n where it is held: 75"
background_lg exec job -- sh -c 'echo ready >held; exec sleep 1000'
wait_until test -s held
run lg exec -n job -- true
expect_status 75
run lg exec -w 0.2 job -- true
expect_status 75
kill -TERM "$pid"
ended "$pid"
expect_status 143

say "lockgate in lockgate: refused, or passed with --reentrant"
run lg exec job -- "$LOCKGATE" exec -b http://fake.test job -- true
expect_status 75
run lg exec job -- "$LOCKGATE" exec -b http://fake.test --reentrant job -- sh -c 'exit 8'
expect_status 8
