#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Somebody removes or replaces lock files. The holder says so; who waits, and who comes later, meet at the new file; and
# where files are removed only by who holds their lock (as newer Go programs do), two are never in at once.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs perl

say "the holder says so, once, and its command goes on"
hold_as removed one 2>removed.err
removed=$pid
hold_as replaced two 2>replaced.err
replaced=$pid
DIR=$scratch/more hold_as directory three 2>directory.err
directory=$pid
rm "$(lock_file one)"
: >new
mv new "$(lock_file two)"
rm -rf "$scratch/more"
background sleep 1000
owner=$pid
handle=$(lg acquire --owner-pid "$owner" four) || fail "acquire: $?"
rm "$(lock_file four)"
for loser in removed replaced directory; do
  wait_until has_text $loser.err 'was re'
  grep -q '^lockgate: .*locks/\|^lockgate: .*more/' $loser.err || fail "no path: $(cat $loser.err)"
done
let_go removed
let_go replaced
let_go directory
went_well "$removed" "$replaced" "$directory"
for loser in removed replaced directory; do
  expect_text "$(grep -c 'was re' $loser.err)" 1 "lines in $loser.err"
done

say "a keeper tells its owner by SIGTERM, and release by 76"
ended "$owner"
expect_status 143
refused 76 'was removed' lg release four "$handle"

say "who waits at a file that is removed or replaced goes to the new one"
for change in rm mv; do
  rm -f old.* now.* entered
  hold_as old job
  old=$pid
  background lg exec job -- sh -c 'mkdir inside || echo OVERLAP >overlap; echo >entered; rmdir inside'
  waiter=$pid
  wait_until has_waiters job 1
  if [ $change = rm ]; then
    rm "$(lock_file job)"
  else
    : >new
    mv new "$(lock_file job)"
  fi
  hold_as now job
  now=$pid
  let_go old
  ended "$old"
  wait_until has_waiters job 1
  [ ! -e entered ] || fail "it entered beside the new holder"
  let_go now
  went_well "$now" "$waiter"
  [ -e entered ] || fail "it did not enter"
done
[ ! -e overlap ] || fail "two at once"

crowd=${LOCKGATE_TEST_CROWD:-400}
say "$crowd processes and one that removes the file whenever it holds the lock"
lg exec hammer -- true
background perl -MFcntl=:DEFAULT,:flock -e '
  my $path = shift;
  while (!-e "stop") {
    sysopen(my $file, $path, O_RDWR | O_CREAT, 0600) or next;
    flock($file, LOCK_EX);
    my @mine = stat $file;
    my @there = stat $path;
    next unless $mine[3] && @there && $there[1] == $mine[1];
    mkdir "inside" or system "echo OVERLAP >>overlap";
    unlink $path and syswrite STDOUT, "x";
    rmdir "inside";
  }' "$(lock_file hammer)" >removals
remover=$pid
all=''
for worker in $(seq "$crowd"); do
  background lg exec -q hammer -- sh -c 'mkdir inside || echo OVERLAP >>overlap; echo >>entered.hammer; rmdir inside'
  all="$all $pid"
done
for worker in $all; do
  wait "$worker" || fail "exit status $?"
done
touch stop
ended "$remover"
expect_text "$(wc -l <entered.hammer)" "$crowd" entered
[ -s removals ] || fail "nothing was removed"
[ ! -e overlap ] || fail "two at once: $(wc -l <overlap) times"
