#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whatever is wrong with what lockgate is given or finds, it says in a line what and where, and in another what to do
# next; it ends with the documented status, and nothing is half done.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs_own_mounts

say "commands that cannot be run"
refused 127 no-such lg exec job -- no-such
refused 127 ./no-such lg exec job -- ./no-such
: >plain
refused 126 ./plain lg exec job -- ./plain
mkdir folder
refused 126 ./folder lg exec job -- ./folder
refused 127 no-such lg exec --reentrant job -- no-such
printf '#!/no/interpreter\n' >script
chmod +x script
refused 127 ./script lg exec job -- ./script
printf 'echo "$0 ran"\n' >headless
chmod +x headless
run lg exec job -- ./headless
expect_out './headless ran'
is_free job || fail "it is still held"

say "times that are none"
for time in -1 -5s abc 1x '' ' 1s' 1s2 1h1h 1m30 '1 s' 1e3 0x10 99999999999999999999h 1e999 nan inf ++1 1..5 .; do
  refused 64 --timeout lg exec -w "$time" job -- true
done
refused 64 --timeout lg exec "--timeout=" job -- true
for time in 106751d 9223372036854775807 18446744073709551616ns; do
  run lg exec -w "$time" job -- true
  [ "$status" -eq 0 ] || [ "$status" -eq 64 ] || fail "exit status $status with -w $time"
done

say "a directory that is not there is made, with its parents"
run "$LOCKGATE" exec --dir a/b/c job -- true
expect_status 0
[ -d a/b/c ] || fail "no directory"

say "a file in its place, or above it"
refused 73 plain "$LOCKGATE" exec --dir plain job -- touch ran
refused 73 plain "$LOCKGATE" exec --dir plain/locks job -- touch ran
refused 73 plain "$LOCKGATE" acquire --dir plain job
refused 73 plain "$LOCKGATE" status --dir plain job
expect_text "$(wc -c <plain)" 0

say "a directory on a filesystem that is read-only"
mkdir fixed
mount -t tmpfs tmpfs fixed || fail "mount"
"$LOCKGATE" exec --dir fixed/locks job -- true || fail "exec: $?"
mount -o remount,ro fixed || fail "remount"
refused 73 fixed/new "$LOCKGATE" exec --dir fixed/new job -- touch ran
refused 73 fixed/locks "$LOCKGATE" exec --dir fixed/locks another -- touch ran

say "a directory of another user's"
mkdir theirs
chown 12345 theirs
refused 77 theirs "$LOCKGATE" exec --dir theirs job -- touch ran
expect_err '12345'

say "a value too long, a reason that is none"
refused 64 65536 lg exec --value "$(head -c 65537 /dev/zero | tr '\0' x)" job -- touch ran
run lg exec --value "$(head -c 65536 /dev/zero | tr '\0' x)" job -- true
expect_status 0
refused 64 reason lg exec --reason "$(printf '\377')" job -- touch ran

say "a token that is none is not overwritten: 65"
note=$DIR/.lockgate/$(basename "$(lock_file job)")
printf 'what is this\n' >"$note"
refused 65 "$note" lg exec job -- touch ran
refused 65 "$note" lg acquire job
expect_text "$(cat "$note")" 'what is this'
run lg status job
expect_status 0
rm "$note"

say "standard descriptors that are closed stay so for the command, and nothing takes their place"
count='ls -l /proc/$$/fd >fds 2>&1'
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
  eval "lg exec job -- sh -c '$count' $closed" || fail "exit status $? with $closed"
  ! grep -q "locks/[0-9a-f]\{64\}" fds || grep "locks/[0-9a-f]\{64\}" fds | grep -q ' 1[0-9] -> ' || fail "$closed: $(cat fds)"
done
for closed in '<&-' '2>&-' '<&- 2>&-'; do
  eval "lg acquire job $closed >handle" || fail "acquire: exit status $? with $closed"
  lg release job "$(cat handle)" || fail "release: $?"
done
sh -c '"$LOCKGATE" exec --dir "$DIR" -n job -- touch went' <&- >&- 2>&-
[ -e went ] || fail "not run without descriptors"

say "no home to keep anything in"
for_everyone
mkdir -m 1777 shared
nobody() { setpriv --reuid 54321 --regid 54321 --clear-groups env -u HOME "$@"; }
refused 78 HOME nobody "$LOCKGATE" exec job -- touch ran
refused 78 HOME nobody "$LOCKGATE" acquire --dir shared job
run "$LOCKGATE" status --dir shared -q job
[ "$status" -eq 1 ] || fail "it is still held"
run nobody "$LOCKGATE" exec --dir shared job -- true
expect_status 0

say "a current directory that is gone"
mkdir sunk
run sh -c 'cd sunk && rmdir ../sunk && exec "$LOCKGATE" exec --dir "$DIR" job -- true'
expect_status 0
mkdir sunk
run sh -c 'cd sunk && rmdir ../sunk && exec "$LOCKGATE" exec --dir locks job -- true'
expect_status 78
expect_clear_error

say "no /proc: locks work as ever, and what cannot be known is not guessed"
hold job
see_again() {
  umount /proc
  while read -r member; do kill -KILL "$member"; done <pids
}
on_finish=see_again
mount -t tmpfs tmpfs /proc || fail "mount"
run lg exec -n job -- true
expect_status 75
expect_clear_error
run lg exec -n other -- sh -c 'exit 4'
expect_status 4
run lg exec -w 0.2 -s job -- true
expect_status 75
run lg status --json job
expect_out '"state": "held"'
run lg status -q other
expect_status 69
run lg exec --max-hold 0.5 --kill-after 0.1 other -- sh -c 'setsid sleep 1000 & echo $! >pids; sleep 1000 & echo $! >>pids; wait'
expect_status 124
while read -r member; do
  ! kill -KILL "$member" 2>/dev/null || has_text err 'goes on' || fail "process $member is left without a word"
done <pids
handle=$(lg acquire -w 20 other) || fail "acquire: $?"
lg release other "$handle"
released=$?
see_again 2>/dev/null
on_finish=:
case $released in
  0) is_free other || fail "not free" ;;
  69) is_held other || fail "not held any more" ;;
  *) fail "release: $released" ;;
esac
let_go job
[ ! -e ran ] || fail "something was run"
