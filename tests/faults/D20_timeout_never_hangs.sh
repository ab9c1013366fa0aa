#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three hundred waiters whose time is up in the very moment in which the lock comes free: each gets it or gives up, none
# hangs, two are never in at once, and nobody holds it afterwards.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs perl

hold job
# Each waits until about the moment in which the holder is let go: from a tenth of a second before it to half a second
# after it. Prints the exit status of each.
background perl -MTime::HiRes=time,sleep -e '
  my $moment = time + 5;
  my @waiters;
  for my $i (1 .. 300) {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
      my $left = $moment + ($i % 121 * 5 - 100) / 1000 - time;
      exec $ENV{LOCKGATE}, "exec", "-q", "--dir", $ENV{DIR}, "-w", sprintf("%.3f", $left > 0 ? $left : 0.001), "job", "--",
        "sh", "-c", "mkdir inside || echo OVERLAP >>overlap; echo >>entered; rmdir inside";
      exit 99;
    }
    push @waiters, $pid;
  }
  sleep $moment - time if time < $moment;
  open my $go, ">", "job.fifo" or die; print $go "go\n"; close $go;
  $SIG{ALRM} = sub { print "one hangs\n"; exit 1 };
  alarm 60;
  for my $pid (@waiters) { waitpid $pid, 0; print $? >> 8, "\n" }' >statuses
ended "$pid"
expect_status 0 "$(tail -n 1 statuses)"
: >>entered
granted=$(grep -cx 0 statuses)
say "$granted of 300 had it"
expect_text "$(grep -cxE '0|75' statuses)" 300 "$(sort statuses | uniq -c)"
expect_text "$(wc -l <entered)" "$granted" "those who were in, and those who say so"
[ ! -e overlap ] || fail "two at once"
wait_until is_free job
lg exec -n job -- true || fail "somebody holds it still"
expect_text "$(find "$DIR/.lockgate" -name '*.w-*' | wc -l)" 0 "waiters' notes left"
