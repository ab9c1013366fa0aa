#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A command under lockgate is as it would be without: arguments, streams, directory, environment, signal mask, open
# files and exit status. On top it gets the LOCKGATE_* variables, and each owner a greater fencing token.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "the exit status, and 128+N for signal N"
for code in 0 1 7 75 255; do
  run lg exec job -- sh -c "exit $code"
  expect_status "$code"
  expect_silence
done
for signal in 9 15 11; do
  run lg exec job -- sh -c "ulimit -c 0; kill -$signal \$\$"
  expect_status $((128 + signal))
done

say "arguments, word for word"
expect_text "$(lg exec job printf '<%s>' 'a  b' '' '*' -- -n "$(printf 'x\ny')")" "$(printf '<a  b><><*><--><-n><x\ny>')"
expect_text "$(lg exec job -- echo --shared)" "--shared"

say "standard input, output and error"
printf 'one\ntwo\n' >in
lg exec job -- sh -c 'cat; echo three >&2' <in >out 2>err || fail "exit status $?"
expect_text "$(cat out)" "$(cat in)"
expect_text "$(cat err)" three

say "the directory, the umask, the environment"
mkdir 'a b'
expect_text "$(cd 'a b' && lg exec job -- pwd)" "$scratch/a b"
expect_text "$(umask 027 && lg exec job -- sh -c umask)" 0027
expect_text "$(ODD='a b=c' lg exec job -- sh -c 'echo "$ODD"')" 'a b=c'
env | sort >before
lg exec job -- env | grep -v '^LOCKGATE_\(NAME\|HANDLE\|FENCING_TOKEN\|MODE\|BACKEND\|HELD\|FD\)=' | sort >after
sed -i '/^_=/d' before after
cmp before after || fail "the environment is not as it was"

say "the signal mask and the ignored signals"
grep '^Sig[BI]' /proc/self/status >before
lg exec job -- grep '^Sig[BI]' /proc/self/status >after
cmp before after || fail "$(diff before after)"
(trap '' USR1 CHLD HUP && grep '^SigIgn' /proc/self/status >before && lg exec job -- grep '^SigIgn' /proc/self/status >after)
cmp before after || fail "ignored: $(diff before after)"

say "its lock, in variables"
lg exec 'a job' -- env >variables
variable() { sed -n "s/^LOCKGATE_$1=//p" "${2-variables}"; }
expect_text "$(variable NAME)" 'a job'
expect_text "$(variable MODE)" exclusive
expect_text "$(variable BACKEND)" "file://$DIR"
variable HANDLE | grep -qx '[0-9a-f]\{8\}\(-[0-9a-f]\{4\}\)\{3\}-[0-9a-f]\{12\}' || fail "no UUID: $(variable HANDLE)"
expect_text "$(variable HELD)" "file://$DIR a%20job $(variable HANDLE)"
[ "$(variable FD)" -ge 10 ] || fail "LOCKGATE_FD is $(variable FD)"
expect_text "$(lg exec -s job -- sh -c 'echo $LOCKGATE_MODE')" shared
expect_text "$(lg exec job -- sh -c 'readlink /proc/$$/fd/$LOCKGATE_FD')" "$(lock_file job)"
lg exec outer -- "$LOCKGATE" exec --dir "$DIR" inner -- env >nested
expect_text "$(variable HELD nested | grep -c .)" 1 "the outer hold on a line of its own"
grep -A1 '^LOCKGATE_HELD=' nested | tail -n 1 | grep -q ' inner ' || fail "the inner hold is not in LOCKGATE_HELD"

say "no descriptor but the lock's; with --close not even that, nor its variable"
# Those that still lead somewhere when the shell looks again: not the one by which it reads the directory.
open_files='for fd in /proc/$$/fd/*; do [ -e "$fd" ] || [ -h "$fd" ] && echo "${fd##*/}"; done; true'
sh -c "$open_files" </dev/null | sort -n >before
lg exec job -- sh -c "$open_files" </dev/null | sort -n >after
expect_text "$(comm -13 before after | wc -l)" 1 "$(comm -13 before after | tr '\n' ' ')"
lg exec -o job -- sh -c "$open_files" </dev/null | sort -n >after
cmp before after || fail "$(diff before after)"
expect_text "$(LOCKGATE_FD=77 lg exec --close job -- sh -c 'echo ${LOCKGATE_FD-none}')" none

say "tokens grow with each owner; readers get the last owner's"
last=0
for turn in 1 2 3 4 5; do
  token=$(lg exec job -- sh -c 'echo $LOCKGATE_FENCING_TOKEN')
  [ "$token" -gt "$last" ] || fail "turn $turn: $token after $last"
  last=$token
done
expect_text "$(lg exec -s job -- sh -c 'echo $LOCKGATE_FENCING_TOKEN')" "$last"
expect_text "$(lg exec -s job -- sh -c 'echo $LOCKGATE_HANDLE' | sort -u | wc -l)" 1

say "a string for the shell, \$SHELL or /bin/sh"
expect_text "$(unset SHELL && lg exec job -c 'echo $0 $LOCKGATE_NAME; exit 0')" '/bin/sh job'
printf '#!/bin/sh\necho "shell $1 $2"\n' >myshell
chmod +x myshell
expect_text "$(SHELL=$scratch/myshell lg exec job -c 'a | b')" 'shell -c a | b'
