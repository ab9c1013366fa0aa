#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lock directories that are no good, or only just: each is used as far as it can be, or refused with the path, the
# reason and the documented status.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs_own_mounts
needs setpriv

chmod 755 "$scratch"
in_dir() { in_dir=$1 && shift && run "$LOCKGATE" exec -w 10 --dir "$in_dir" "$@"; }

say "not there: made"
in_dir new/and/deeper job -- true
expect_status 0

say "not a directory"
: >file
refused 73 file "$LOCKGATE" exec --dir file job -- touch ran
mkfifo pipe
refused 73 pipe timeout 20 "$LOCKGATE" exec --dir pipe job -- touch ran
refused 73 null "$LOCKGATE" exec --dir /dev/null job -- touch ran
ln -s nowhere dangling
run timeout 20 "$LOCKGATE" exec --dir dangling job -- touch ran
expect_status 73
expect_clear_error
ln -s loop loop
refused 73 loop "$LOCKGATE" exec --dir loop job -- touch ran
refused 73 /proc/self "$LOCKGATE" exec --dir /proc/self/nothing job -- touch ran

say "a link of one's own is followed"
ln -s new link
in_dir link job -- true
expect_status 0

say "too long, too deep"
long=$(printf '%0300d' 0)
refused 73 "$(printf '%060d' 0)" "$LOCKGATE" exec --dir "$long" job -- touch ran

say "read-only: locks that are there can be had, new ones cannot"
mkdir fixed
mount -t tmpfs tmpfs fixed || skip "tmpfs cannot be mounted"
in_dir fixed/locks job -- true
expect_status 0
mount -o remount,ro fixed || fail "remount"
in_dir fixed/locks job -- "$LOCKGATE" exec --dir fixed/locks -n job -- true
expect_status 75 "a lock that is there"
in_dir fixed/locks -s job -- true
expect_status 0
refused 73 fixed/locks "$LOCKGATE" exec --dir fixed/locks other -- touch ran
run "$LOCKGATE" status --dir fixed/locks job
expect_status 0
expect_out "$free"
run "$LOCKGATE" doctor --dir fixed/locks
expect_status 1
expect_err fixed/locks

say "noexec and overlay are no obstacle"
mkdir plain lower over
mount -t tmpfs -o noexec,nosuid,nodev tmpfs plain || fail "mount"
in_dir plain/locks job -- sh -c 'exit 4'
expect_status 4
mkdir plain/upper plain/work
if mount -t overlay -o "lowerdir=$scratch/lower,upperdir=$scratch/plain/upper,workdir=$scratch/plain/work" o over; then
  in_dir over/locks job -- "$LOCKGATE" exec --dir over/locks -n -E 5 job -- true
  expect_status 5
fi

say "another user's, which may not be entered, searched or written"
for_everyone
as() { setpriv --reuid 12345 --regid 12345 --clear-groups "$@"; }
mkdir -m 700 closed
refused 77 closed as "$LOCKGATE" exec --dir closed job -- touch ran
refused 77 closed as "$LOCKGATE" exec --dir closed/below job -- touch ran
refused 77 closed as "$LOCKGATE" acquire --dir closed/below job
mkdir -m 755 roots
refused 77 roots as "$LOCKGATE" exec --dir roots job -- touch ran
run as "$LOCKGATE" doctor --dir roots
expect_status 1
expect_err roots
[ ! -e ran ] || fail "something was run"
