#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Surroundings that are against it: an environment of hundreds of kilobytes, no descriptors, no processes, no file sizes,
# SIGCHLD ignored, all signals blocked. Either it works, or one clear error comes before the command, and nobody keeps
# the lock.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs perl

works() {
  run "$@"
  expect_status 0 "$*"
  expect_out well
  is_free job || fail "still held"
}
works_or_says_why() {
  run "$@"
  if [ "$status" -eq 0 ]; then
    expect_out well
  else
    expect_clear_error
    is_between "$status" 64 127 || fail "exit status $status"
    [ ! -e ran ] || fail "the command was run"
  fi
  is_free job || fail "still held"
}

say "a large environment"
big=$(head -c 131000 /dev/zero | tr '\0' x)
works env "BIG=$big" "MORE=$big" "LARGER=$big" "$LOCKGATE" exec --dir "$DIR" job -- echo well
run env "BIG=$big" "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'echo ${#BIG}'
expect_out 131000
works env "LOCKGATE_HELD=$big" "$LOCKGATE" exec --dir "$DIR" job -- echo well
works env "LOCKGATE_HELD=$(head -c 130000 /dev/zero | tr '\0' '\n')" "$LOCKGATE" exec --dir "$DIR" job -- echo well

say "an environment to which nothing can be added"
grow() {
  perl -e 'my $n = 0; while (1) { $ENV{"V$n"} = "x" x 60000; my $ok = system("true") == 0; if (!$ok) { delete $ENV{"V$n"}; last } $n++ }
    for (my $l = 50000; $l > 0; $l = int($l / 2)) { $ENV{"W$l"} = "x" x $l; delete $ENV{"W$l"} if system("true") != 0 }
    exec @ARGV; print STDERR "lockgate: could not even begin\n"; exit 126' "$@"
}
works_or_says_why grow "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'touch ran; echo well'
rm -f ran

say "hardly any descriptors"
for most in 4 5 6 7 8 10 11 12 13 16; do
  for options in '' -o -s; do
    # shellcheck disable=SC2086
    works_or_says_why sh -c 'ulimit -n "$1"; shift; exec "$@"' sh $most "$LOCKGATE" exec $options --dir "$DIR" job -- \
      sh -c 'touch ran; echo well'
    rm -f ran
  done
  run sh -c 'ulimit -n "$1"; shift; exec "$@"' sh $most "$LOCKGATE" acquire --dir "$DIR" job
  if [ "$status" -eq 0 ]; then
    lg release job "$(cat out)" || fail "release: $?"
  else
    expect_clear_error
    wait_until is_free job
  fi
done
works sh -c 'ulimit -n 20; exec "$@"' sh "$LOCKGATE" exec --dir "$DIR" job -- echo well
say "and while another holds the lock"
hold job
for most in 8 10 12 14 16; do
  run sh -c 'ulimit -n "$1"; shift; exec "$@"' sh $most "$LOCKGATE" exec -w 300ms --dir "$DIR" job -- touch ran
  is_between "$status" 64 127 || fail "exit status $status"
  expect_clear_error
  [ ! -e ran ] || fail "it was run"
done
let_go job
ended "$pid"

say "and with a tree to be ended: all of it is, or it is said that some of it goes on"
tree='setsid sh -c "echo \$\$ >>pids; exec sleep 1000" & sh -c "echo \$\$ >>pids; exec sleep 1000" & wait'
for most in 8 9 10 11 12 13 14 16; do
  rm -f pids
  run sh -c 'ulimit -n "$1"; shift; exec "$@"' sh $most "$LOCKGATE" exec -o --max-hold 300ms --kill-after 100ms \
    --dir "$DIR" job -- sh -c "$tree"
  [ "$status" -eq 124 ] || [ ! -e pids ] || fail "exit status $status"
  [ -e pids ] || continue
  while read -r member; do
    gone "$member" || has_text err 'goes on' || fail "process $member is left without a word"
    kill -KILL "$member" 2>/dev/null
  done <pids
  wait_until is_free job
done

say "no file may grow"

run sh -c 'ulimit -f 0; exec "$@"' sh "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'exit 3'
expect_status 74

say "no process may be made"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && command -v prlimit >/dev/null; then
  for_everyone
  mkdir -m 1777 shared
  for command in 'exec job true' 'acquire job'; do
    # shellcheck disable=SC2086
    run setpriv --reuid 54322 --regid 54322 --clear-groups env HOME="$scratch/shared" prlimit --nproc=0 \
      "$LOCKGATE" --dir "$scratch/shared" $command
    [ "$status" -eq 0 ] || expect_clear_error
    DIR=$scratch/shared wait_until is_free job
  done
fi

say "SIGCHLD ignored, and everything blocked, by the parent"
run perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'exit 7'
expect_status 7
run sh -c 'trap "" CHLD; exec "$@"' sh "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'true & wait; kill -9 $$'
expect_status 137
run perl -MPOSIX -e 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31)); exec @ARGV' \
  "$LOCKGATE" exec --dir "$DIR" job -- sh -c 'exit 8'
expect_status 8
hold job
run perl -MPOSIX -e 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31, 34 .. 64)); exec @ARGV' \
  "$LOCKGATE" exec -w 300ms --dir "$DIR" job -- true
expect_status 75
let_go job
ended "$pid"

say "no PATH, a SHELL that is none, locales that are none"
works env -u PATH "$LOCKGATE" exec --dir "$DIR" job -- /bin/echo well
run env SHELL=/no/shell "$LOCKGATE" exec --dir "$DIR" job -c 'echo well'
expect_status 127
works env LC_ALL=xx_XX.nothing TZ=:/nowhere TMPDIR=/nowhere "$LOCKGATE" exec --dir "$DIR" job -- echo well
works env -i "$LOCKGATE" exec --dir "$DIR" job -- /bin/echo well
