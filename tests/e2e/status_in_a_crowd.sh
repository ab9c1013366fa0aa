#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The kernel gives its list of locks out a page at a time, and what comes and goes meanwhile shifts the rest: an entry
# may be passed over, or stand there twice. A lock that another program holds is held all the same, by one.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs perl flock

lg exec job -- true
# Two hundred locks of other files, of which some come and go all the time.
crowd() {
  background perl -MFcntl=:DEFAULT,:flock -e '
    my ($tag, @files) = shift;
    for my $i (1 .. 100) { open $files[$i], ">", "file$tag.$i" or die; flock $files[$i], LOCK_EX }
    open my $ready, ">", "ready.$tag" or die; close $ready;
    while (!-e "stop") { my $i = 1 + int rand 100; flock $files[$i], LOCK_UN; flock $files[$i], LOCK_EX }' "$1"
  wait_until test -e "ready.$1"
}
crowd one
one=$pid
crowd two
two=$pid
mkfifo go
background flock "$(lock_file job)" sh -c 'echo >in; read -r line <go'
stranger=$pid
wait_until test -e in

say "whoever looks sees the stranger, each time and once"
for _ in $(seq 300); do
  run lg status --json job
  grep -q '"state": "held"' out || fail "it is not held: $(cat out)"
  expect_text "$(grep -c "\"pid\": $stranger" out)" 1 "holders"
done
echo >go
ended "$stranger"
echo >stop
went_well "$one" "$two"
