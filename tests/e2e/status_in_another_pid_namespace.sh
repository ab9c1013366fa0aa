#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From within another pid namespace a lockgate holder outside is seen as a holder, with all that it published, though
# its process cannot be; where nothing is seen the answer is "unknown", never "free". On every kind of filesystem.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs_own_mounts
unshare -pf --mount-proc true 2>/dev/null || skip "pid namespaces cannot be had here"

inside() { unshare -pf --mount-proc "$LOCKGATE" status --dir "$DIR" "$@"; }

story() {
  say "$1: a holder outside"
  DIR=$2/locks
  hold_as "$1" job --value '10.0.0.7:80' --reason 'release 1.9'
  run inside --json job
  expect_status 0
  for part in '"name": "job"' '"state": "held"' '"mode": "exclusive"' "\"user\": \"$(id -un)\"" \
    "\"host\": \"$(hostname)\"" '"value": "10.0.0.7:80"' '"reason": "release 1.9"' '"command": "sh"' '"pid": null'; do
    expect_out "$part"
  done
  run inside
  expect_out job
  run inside -q job
  expect_status 0

  say "$1: its command, after its death"
  kill -KILL "$pid"
  ended "$pid"
  run inside --json job
  expect_out '"state": "held"'
  let_go "$1"
  wait_until is_free job

  say "$1: nobody, as far as can be seen"
  run inside --json job
  expect_out '"state": "unknown"'
  expect_out '"holders": []'
  run inside -q job
  expect_status 69
  run inside -q never-there
  expect_status 1

  say "$1: readers, and a waiter"
  hold_as "$1-one" job -s
  hold_as "$1-two" job -s
  background lg exec -w 100 job -- true
  wait_until has_waiters job 1
  wait_until sees_waiter
  run inside --json job
  expect_text "$(grep -c '"mode": "shared"' out)" 3 "the lock's, and two holders'"
  expect_out '"position": 1'
  let_go "$1-one"
  let_go "$1-two"
  ended "$pid"

  say "$1: a holder inside, seen from outside under a pid of ours"
  mkfifo "$1.go"
  background unshare -pf --mount-proc "$LOCKGATE" exec --dir "$DIR" job -- sh -c "echo >$1.in; read -r line <$1.go"
  wait_until test -e "$1.in"
  run lg status --json job
  expect_out '"state": "held"'
  run lg exec -n job -- true
  expect_status 75
  holder=$(json_of job pid)
  [ "$(readlink "/proc/$holder/exe")" = "$(readlink -f "$LOCKGATE")" ] || fail "pid $holder is no lockgate"
  echo >"$1.go"
  ended "$pid"
}
sees_waiter() { inside --json job | grep '"position"'; }

story "here" "$scratch"
mkdir tmpfs layers overlay
mount -t tmpfs tmpfs tmpfs || skip "tmpfs cannot be mounted"
story tmpfs "$scratch/tmpfs"
mkdir tmpfs/upper tmpfs/work
if mount -t overlay -o "lowerdir=$scratch/layers,upperdir=$scratch/tmpfs/upper,workdir=$scratch/tmpfs/work" o overlay; then
  story overlay "$scratch/overlay"
else
  say "overlay: cannot be mounted here"
fi
