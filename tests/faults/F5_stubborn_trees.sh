#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trees that do not want to end: deaf to SIGTERM, stopped, in sessions of their own, twice forked, or never the same
# process for more than a moment. lockgate ends them to the last, and only then is the lock free.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs perl setsid

# Each member appends itself to the file pids, and has the scratch folder's "alive" file open as a second witness.
cat >stubborn <<'END'
exec 8<>alive
trap '' TERM INT
setsid sh -c 'trap "" TERM INT; (echo $$ >>pids; exec perl -e "open F, q(>>), q(pids); print F qq($$\n); close F; sleep 1000 while 1") & while :; do sleep 1000; done' &
sh -c 'echo $$ >>pids; kill -STOP $$; while :; do sleep 1000; done' &
perl -MPOSIX -e '$SIG{TERM} = $SIG{INT} = "IGNORE"; exit if fork; setsid; exit if fork;
  open F, q(>>), q(pids); print F qq($$\n); close F;
  for (1 .. 20000) { exit if fork || !-e "alive"; setsid; select undef, undef, undef, 0.002 }' &
echo $$ >>pids
echo $$ >leader
while [ "$(wc -l <pids)" -lt 5 ]; do sleep 0.01; done
echo >ready
while :; do sleep 1000; done
END
: >alive
on_finish='rm alive'  # where lockgate does not find the restless one, this ends it
alive=$(stat -c %d:%i alive)
somebody_left() {
  for fd in /proc/[0-9]*/fd/8; do
    [ "$(stat -Lc %d:%i "$fd" 2>/dev/null)" != "$alive" ] || return 0
  done
  return 1
}
begin() {
  rm -f pids ready
  background lg exec "$@" job -- sh stubborn
  wait_until test -e ready
}
nobody_left() { ! somebody_left; }

say "the witness works"
begin --kill-after 200ms
somebody_left || fail "nobody is seen"

say "one SIGINT is the command's to answer, and so is SIGTERM; the second SIGINT ends everybody"
kill -TERM "$pid"
kill -INT "$pid"
is_held job || fail "that ended it"
gone "$(cat leader)" && fail "that ended it"
kill -INT "$pid"
ended "$pid"
expect_status 137
nobody_left || fail "somebody is left"
is_free job || fail "not free"

say "--max-hold"
begin --max-hold 1s --kill-after 200ms
background lg exec job -- sh -c 'for fd in /proc/[0-9]*/fd/8; do stat -Lc %d:%i "$fd" 2>/dev/null; done >next; true'
next=$pid
holder=$(json_of job pid)
ended "$holder"
expect_status 124
nobody_left || fail "somebody is left"
went_well "$next"
! has_text next "$alive" || fail "the next was in while somebody was left"

say "a member that tidies up at SIGTERM has the time for it, and the stopped are continued for it"
background lg exec --max-hold 300ms --kill-after 20s job -- sh -c '
  setsid sh -c "trap \"echo tidy >>tidied; exit\" TERM; echo >a; kill -STOP \$\$; while :; do sleep 0.01; done" &
  trap "echo tidy >>tidied; exit" TERM; echo >b; while :; do sleep 0.01; done'
ended "$pid"
expect_status 124
has_lines tidied 2 || fail "$(cat tidied)"
