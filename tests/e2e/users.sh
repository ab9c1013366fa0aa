#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Users share locks in a sticky directory or one of a group, whatever their umasks and whatever the kernel protects;
# and nobody can use a lock directory to make another open, write or wait for anything else.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs_root
needs setpriv flock
setpriv --reuid 12345 --regid 12345 --clear-groups true 2>/dev/null || skip "other users cannot be had here"
for_everyone

as() { as_user=$1 && shift && setpriv --reuid "$as_user" --regid "$as_user" --groups "$groups" sh -c 'umask 077; exec "$@"' sh "$@"; }
alice=12345 bob=23456 mallory=34567

# One run of this at a time: the setting is everybody's.
protected=/proc/sys/fs/protected_regular
restore() { [ -z "${was-}" ] || echo "$was" >$protected; }
# shellcheck disable=SC2034
on_finish=restore
exec 9<$protected
flock 9
was=$(cat $protected)

share() {
  say "$1, protected_regular=$(cat $protected)"
  DIR=$2
  for name in "by $alice" "by $bob"; do
    run as "${name#by }" "$LOCKGATE" exec --dir "$DIR" "$name" -- true
    expect_status 0
  done
  for user in $alice $bob 0; do
    for name in "by $alice" "by $bob"; do
      run as "$user" "$LOCKGATE" exec --dir "$DIR" "$name" -- true
      expect_status 0
      run as "$user" "$LOCKGATE" exec --dir "$DIR" -s "$name" -- true
      expect_status 0
    done
  done
  as $alice "$LOCKGATE" exec --dir "$DIR" --value v1 held -- sh -c 'echo >"$0"; read -r line <"$1"' "$DIR/in" "$DIR/go" 9<&- &
  started="$started $!"
  wait_until test -e "$DIR/in"
  run as $bob "$LOCKGATE" exec --dir "$DIR" -n held -- true
  expect_status 75
  expect_err "$alice@"
  run as $bob "$LOCKGATE" status --dir "$DIR" held
  expect_out v1
  as $bob "$LOCKGATE" exec --dir "$DIR" held -- true 9<&- &
  waiter=$!
  wait_until has_waiters held 1
  echo >"$DIR/go"
  went_well $waiter
}

for value in 0 1 2; do
  echo $value >$protected 2>/dev/null || {
    say "protected_regular cannot be set here"
    value=$was
  }
  groups=12345
  mkdir -m 1777 "sticky$value"
  mkfifo -m 666 "sticky$value/go"
  share "a sticky directory" "$scratch/sticky$value"
  groups=5555
  mkdir "group$value"
  chgrp 5555 "group$value"
  chmod 2770 "group$value"
  mkfifo -m 660 "group$value/go"
  chgrp 5555 "group$value/go"
  share "a directory of a group" "$scratch/group$value"
  expect_text "$(find "group$value" -type f ! -name in ! \( -group 5555 -a -perm -0660 ! -perm -0001 \) | wc -l)" 0 \
    "$(find "group$value" -ls)"
  groups=12345
  run as $mallory "$LOCKGATE" exec --dir "$scratch/group$value" held -- true
  expect_status 77
  expect_clear_error
done
restore
was=
exec 9<&-

say "directories in which others could replace files are refused, unless one says so"
mkdir -m 777 open
refused 77 open as $alice "$LOCKGATE" exec --dir open job -- touch ran
expect_err --allow-insecure-dir
run as $alice "$LOCKGATE" exec --dir open --allow-insecure-dir job -- true
expect_status 0
mkdir -m 755 theirs
chown $mallory theirs
refused 77 theirs as 0 "$LOCKGATE" exec --dir theirs job -- touch ran
expect_err $mallory
chmod 777 theirs
run as $alice "$LOCKGATE" exec --dir theirs --allow-insecure-dir job -- true
expect_status 0
ln -s sticky0 link
chown -h $mallory link
run as $alice "$LOCKGATE" exec --dir link job -- touch ran
expect_status 73 "through a link that another planted"

say "links, pipes, devices and directories in the place of a lock file or its note"
printf 'precious' >victim
chmod 666 victim
umask 0
planted() {
  run timeout 20 "$LOCKGATE" exec --dir "$DIR" job -- touch ran
  [ "$status" -eq 73 ] || [ "$status" -eq 77 ] || fail "exit status $status with $1"
  expect_clear_error
  run timeout 20 "$LOCKGATE" acquire -w 1 --dir "$DIR" job
  [ "$status" -eq 73 ] || [ "$status" -eq 77 ] || fail "acquire: exit status $status with $1"
  run timeout 20 "$LOCKGATE" status --dir "$DIR" job
  expect_status 0
  run timeout 20 "$LOCKGATE" status --dir "$DIR"
  expect_status 0
  expect_text "$(cat victim)" precious
  rm -rf "$DIR"
}
for place in lock note; do
  for thing in 'ln -s ../victim' 'ln -s nowhere' 'ln victim' mkfifo mkdir 'mknod -m 666'; do
    DIR=$scratch/hostile
    mkdir -m 1777 "$DIR" "$DIR/.lockgate"
    at=$(lock_file job)
    [ $place = lock ] || at=$DIR/.lockgate/${at##*/}
    case $thing in *victim) thing="${thing% *} $scratch/victim" ;; esac
    # shellcheck disable=SC2086
    case $thing in mknod*) $thing "$at" c 1 3 ;; *) $thing "$at" ;; esac || fail "$thing"
    planted "$thing as $place"
  done
done
mkdir -m 1777 hostile
ln -s .. hostile/.lockgate
DIR=$scratch/hostile
planted "a link as the directory of notes"

say "a pipe as the gate is no obstacle"
mkdir -m 1777 hostile hostile/.lockgate
mkfifo "hostile/.lockgate/$(basename "$(lock_file job)").gate"
hold job
background lg exec -w 100 job -- true
wait_until has_waiters job 1
run timeout 20 "$LOCKGATE" exec --dir "$DIR" -s -w 0.2 job -- true
expect_status 75
let_go job
went_well "$pid"
[ ! -e ran ] || fail "something was run"
