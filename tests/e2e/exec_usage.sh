#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is wrong with a command line is said in a line or two on stderr, with status 64, and nothing is made or run.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "each of these is a usage error"
usage() {
  refused 64 "$@"
  [ ! -e "$DIR" ] || fail "something was made"
}
usage 'COMMAND' lg exec job
usage 'COMMAND' lg exec job --
usage '--shell' lg exec job -c 'true' -- true
usage '--no-such' lg exec --no-such job -- true
usage '--shred' lg exec --shred job -- true
usage '--timeout' lg exec -w soon job -- true
usage '-w needs a value' lg exec job2 -w
usage '--conflict-exit-code' lg exec -E 256 job -- true
usage '--conflict-exit-code' lg exec -E -1 job -- true
usage '--conflict-exit-code' lg exec -E x job -- true
usage '--ttl' lg exec --ttl 1s job -- true
usage '--ttl' lg exec --ttl none job -- true
usage '--on-lost' lg exec --on-lost panic job -- true
usage '--max-hold' lg exec --max-hold 0 job -- true
usage '--max-hold' lg exec --max-hold later job -- true
usage '--kill-after' lg exec --kill-after -1s job -- true
usage '--owner-pid' lg exec --owner-pid 1 job -- true
usage '--reason' lg exec --reason "$(printf 'a\nb')" job -- true
usage '--close' lg acquire --close job
usage '--owner-pid' lg acquire --owner-pid 0 job
usage '--owner-pid' lg acquire --owner-pid 2147483647 job
usage 'no lock name' lg acquire
usage 'job2' lg acquire job job2
usage 'no lock name' lg release
usage 'execute' "$LOCKGATE" execute job -- true
usage 'HANDLE' lg renew job
usage 'VALUE' lg set job
usage '--dir and --url are two places' lg exec --url http://localhost job -- true
usage '--kubeconfig' lg exec --kubeconfig x job -- true

say "and so is no command at all, which gets the overview"
run "$LOCKGATE"
expect_status 64
expect_err 'Usage: lockgate COMMAND'
[ ! -s out ] || fail "on standard output"

say "help and version go to standard output"
for command in exec acquire release renew status get set watch serve doctor; do
  run "$LOCKGATE" $command --help
  expect_status 0
  expect_out "Usage: lockgate $command"
  [ ! -s err ] || fail "on standard error"
done
run "$LOCKGATE" --version
expect_status 0
expect_out 'lockgate'

say "a near miss is named"
run "$LOCKGATE" exce job -- true
expect_err '"exec"'
run lg exec --shraed job -- true
expect_err 'shared'

say "global options before the command's name, and options after NAME up to COMMAND"
run "$LOCKGATE" -q --dir "$DIR" exec job -- echo well
expect_status 0
expect_out well
run lg exec job -s -w 1 -- printenv LOCKGATE_MODE
expect_out shared
run lg exec -s -x job -- printenv LOCKGATE_MODE
expect_out exclusive
run lg exec -nE7 job -- true
expect_status 0
