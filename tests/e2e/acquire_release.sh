#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# acquire leaves a lock held by a keeper that keeps nothing else of its caller; release finds the hold that is meant, by
# its handle or by who acquired it, and never another's.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "\$(...) does not hang; the handle is a UUID, and releases once"
handle=$(lg acquire job) || fail "acquire: $?"
echo "$handle" | grep -qx '[0-9a-f]\{8\}\(-[0-9a-f]\{4\}\)\{3\}-[0-9a-f]\{12\}' || fail "no UUID: $handle"
is_held job || fail "not held"
run lg exec -n job -- true
expect_status 75
lg status --json job >out
! grep -q "$handle" out || fail "status shows the handle"
run lg release job "$handle"
expect_status 0
expect_silence
is_free job || fail "not free"
refused 76 'job' lg release job "$handle"

say "the keeper: session, directory and descriptors of its own"
mkfifo pipe
sh -c '"$LOCKGATE" acquire --dir "$DIR" job 7>callers 8<>pipe; true' >handle
keeper=$(json_of job pid)
expect_text "$(readlink "/proc/$keeper/cwd")" /
expect_text "$(sed 's/.*) //' "/proc/$keeper/stat" | cut -d' ' -f4)" "$keeper" "its session"
for fd in 0 1 2; do
  expect_text "$(readlink "/proc/$keeper/fd/$fd")" /dev/null
done
for fd in "/proc/$keeper/fd/"*; do
  case $(readlink "$fd") in
    /dev/null | "$DIR"* | socket:* | anon_inode:*) ;;
    *) fail "the keeper has $(readlink "$fd") open" ;;
  esac
done
notes=$(grep -rl "$(cat handle)" "$HOME")
expect_text "$(stat -c %a "$notes")" 600 "$notes"
lg release job "$(cat handle)" || fail "release: $?"

say "release without a handle: what an ancestor acquired"
lg acquire job >handle
background sh -c '"$LOCKGATE" acquire --dir "$DIR" -w 30 job >other; echo >ready; read -r line <pipe'
other=$pid
wait_until has_waiters job 1
lg release job || fail "release: $?"
wait_until test -e ready
is_held job || fail "that was the hold of another"

say "not what somebody acquired who still runs: 64 and the list"
run lg release job
expect_status 64
expect_err "acquired for process $other (runs)"
expect_err '--mine'
is_held job || fail "released all the same"
echo >pipe
ended "$other"
rm ready

say "but what somebody acquired who has ended, if it is the only one"
run lg release job
expect_status 0
is_free job || fail "not free"
sh -c '"$LOCKGATE" acquire -s --dir "$DIR" job; true' >one
sh -c '"$LOCKGATE" acquire -s --dir "$DIR" job; true' >two
run lg release job
expect_status 64
expect_text "$(grep -c '(has ended)' err)" 2 "listed"
lg release job "$(cat two)" || fail "release: $?"
is_held job || fail "that was not the one"
lg release job || fail "release: $?"

say "--mine takes all; then there is none"
sh -c '"$LOCKGATE" acquire -s --dir "$DIR" job; "$LOCKGATE" acquire -s --dir "$DIR" job' >out
lg acquire -s other >handle
run lg release --mine job
expect_status 0
is_free job || fail "not free"
is_held other || fail "that was another lock"
refused 76 job lg release job
refused 76 job lg release --mine job
refused 76 other2 lg release other2

say "of ten that release one hold at once, one does"
lg acquire job >of_ten
note=$(grep -l "^handle=$(cat of_ten)" "$HOME"/.local/state/lockgate/keepers/*)
keeper=$(sed -n 's/^keeper=//p' "$note")
kill -STOP "$keeper"  # so that all of them have begun before the first is done
all=''
for _ in $(seq 10); do
  background lg release job "$(cat of_ten)" 2>>at_once
  all="$all $pid"
done
nine_wait_for_one() { [ "$(grep -c -- "-> .*:$(stat -c %i "$note") " /proc/locks)" -ge 9 ]; }
wait_until nine_wait_for_one
kill -CONT "$keeper"
for one in $all; do
  ended "$one"
  echo "$status"
done >statuses
expect_text "$(sort statuses | uniq -c | tr -s ' ' | tr '\n' ';')" ' 1 0; 9 76;'
is_free job || fail "not free"

say "the handle from LOCKGATE_HANDLE, where LOCKGATE_NAME is the same name"
lg acquire -s other >second
run env LOCKGATE_NAME=unlike "LOCKGATE_HANDLE=$(cat second)" "$LOCKGATE" release --dir "$DIR" other
expect_status 64 "two could be meant"
run env LOCKGATE_NAME=other "LOCKGATE_HANDLE=$(cat handle)" "$LOCKGATE" release --dir "$DIR" other
expect_status 0
run env LOCKGATE_NAME=other "LOCKGATE_HANDLE=$(cat handle)" "$LOCKGATE" release --dir "$DIR" other
expect_status 76
lg release other || fail "release: $?"

say "--max-hold and --owner-pid give it back by themselves"
lg acquire --max-hold 300ms job >handle
wait_until gone "$(json_of job pid)"
is_free job || fail "not free"
refused 76 job lg release job "$(cat handle)"
background sleep 1000
owner=$pid
lg acquire --owner-pid "$owner" job >handle
is_held job || fail "not held"
kill -KILL "$owner"
wait_until is_free job

say "a keeper that is killed gives it back, and release says that it was gone"
lg acquire job >handle
kill -KILL "$(json_of job pid)"
wait_until is_free job
refused 76 job lg release job "$(cat handle)"

say "where another has it: 75, or what -E says, and nothing on standard output"
hold job
holder=$pid
refused 75 "pid $holder" lg acquire -n job
run lg acquire -n -E 3 job
expect_status 3
run lg acquire -q -w 0.1 job
expect_status 75
expect_silence

say "SIGTERM and SIGINT end a waiting acquire, with its keeper"
for number in 15 2; do
  signal=$(kill -l $number)
  background lg acquire job >out 2>err
  wait_until has_waiters job 1
  kill -"$signal" "$pid"
  ended "$pid"
  expect_status $((128 + number)) "after SIG$signal"
  wait_until has_waiters job 0
  [ ! -s out ] || fail "a handle: $(cat out)"
done
say "and so does SIGKILL"
background lg acquire job
wait_until has_waiters job 1
kill -KILL "$pid"
wait_until has_waiters job 0
let_go job
ended "$holder"
is_free job || fail "somebody took it"

say "where standard output cannot be written nobody keeps the lock"
status=0
lg acquire job >/dev/full 2>err || status=$?
expect_status 74
wait_until is_free job
status=0
lg acquire job >&- 2>err || status=$?
expect_status 74
has_text err 'standard output' || fail "$(cat err)"
wait_until is_free job
