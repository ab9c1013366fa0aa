#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who does not get a lock is told so by a status of his choice, and by a line that names the lock, the place, the
# holder, what it runs and for how long; the command is not run.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

hold build --reason 'release 1.9'
holder=$pid

say "-n and -w: 75, and a line that says who"
for how in -n '-w 0' '-w 0.2' '-w 200ms'; do
  # shellcheck disable=SC2086
  refused 75 'held by ' lg exec $how build -- touch ran
  for part in '"build"' "$DIR" "$(id -un)@$(hostname)" "pid $holder" '(sh)' ', for ' '"release 1.9"'; do
    expect_err "$part"
  done
  [ ! -e ran ] || fail "the command was run"
done
expect_err 200ms

say "-E: another status"
run lg exec -n -E 9 build -- touch ran
expect_status 9
run lg exec -w 0.1 --conflict-exit-code 0 build -- touch ran
expect_status 0
[ ! -e ran ] || fail "the command was run"

say "-q: not a word"
run lg exec -q -n build -- touch ran
expect_status 75
expect_silence
run lg exec -q -w 0.1 build -- touch ran
expect_status 75
expect_silence

say "the same for acquire, and for a reader"
refused 75 "pid $holder" lg acquire -n build
refused 75 "pid $holder" lg acquire -w 0.1 build
refused 75 "pid $holder" lg exec -s -n build -- touch ran
let_go build
ended "$holder"
expect_status 0

say "a writer is told of the readers"
hold_as one build -s
readers=$pid
hold_as two build -s
readers="$readers $pid"
refused 75 'shared by ' lg exec -n build -- touch ran
expect_err 'and 1 more'
let_go one
let_go two
# shellcheck disable=SC2086
went_well $readers

say "the program's base name is published; all of it only with --publish-command"
mkfifo go
background lg exec --publish-command build -- sh -c 'read -r line <go' 'secret word'
wait_until is_held build
refused 75 "'secret word'" lg exec -n build -- true
echo >go
ended "$pid"
background lg exec build -- /bin/sh -c 'read -r line <go' secret
wait_until is_held build
refused 75 '(sh)' lg exec -n build -- true
! grep -q 'secret\|/bin/sh' err || fail "more than the base name was published"
echo >go
ended "$pid"
[ ! -e ran ] || fail "the command was run"
