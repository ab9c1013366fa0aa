#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The disk is full, or has no inode left. A lock whose files are there works as ever; where a fencing token cannot be
# kept, that is said before the command runs, with 74, and the lock is not kept. Nothing is torn when there is room
# again.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs_own_mounts

small() {
  mkdir "$1"
  mount -t tmpfs -o "$2" tmpfs "$1" || skip "tmpfs cannot be mounted"
  DIR=$scratch/$1/locks
}
token() { lg exec "$@" -- printenv LOCKGATE_FENCING_TOKEN; }

small blocks size=64k
before=$(token job) || fail "exec: $?"
dd if=/dev/zero of=blocks/ballast bs=4k 2>/dev/null

say "no room: a lock that is there works, and its token grows"
after=$(token job) || fail "exec: $?"
[ "$after" -gt "$before" ] || fail "token $after after $before"
lg exec -n job -- sh -c 'exit 3'
expect_text "$?" 3

say "what needs more room is refused before it runs"
value=$(head -c 9000 /dev/zero | tr '\0' x)
refused 74 space lg exec --value "$value" job -- touch ran
refused 74 space lg acquire --value "$value" job
refused 74 space lg exec another -- touch ran
[ ! -e ran ] || fail "it was run"
for name in job another; do
  run lg status "$name"
  expect_status 0
  is_free $name || fail "$name is still held"
done

say "waiting works without room, too"
hold job
holder=$pid
background lg exec job -- true
wait_until has_waiters job 1
let_go job
went_well "$holder" "$pid"

say "and with room again nothing has gone back"
rm blocks/ballast
last=$(token --value "$value" job) || fail "exec: $?"
[ "$last" -gt "$after" ] || fail "token $last after $after"
lg exec another -- true || fail "exec: $?"

say "no inodes"
small inodes nr_inodes=8
before=$(token job) || fail "exec: $?"
i=0
while (: >"inodes/ballast$i") 2>/dev/null; do i=$((i + 1)); done
after=$(token job) || fail "exec: $?"
[ "$after" -gt "$before" ] || fail "token $after after $before"
refused 74 '' lg exec another -- touch ran
refused 74 '' lg acquire another
run lg exec -s job -- true
expect_status 0 "a reader's note is only a hint"
hold job
holder=$pid
background lg exec job -- true
wait_until has_waiters job 1
let_go job
went_well "$holder" "$pid"
rm inodes/ballast*
lg exec another -- true || fail "exec: $?"

say "no room for the keeper's note: nobody keeps the lock"
DIR=$scratch/locks
mkdir full
mount -t tmpfs -o size=4k tmpfs full || fail "mount"
dd if=/dev/zero of=full/ballast bs=4k 2>/dev/null
HOME=$scratch/full run lg acquire job
expect_status 74
expect_clear_error
wait_until is_free job
[ ! -e ran ] || fail "it was run"
