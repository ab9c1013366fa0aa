# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the stories about leases share: a lockgate whose lock server is the folder $LEASES, see fake_backend.cpp.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

LEASES=$scratch/leases
export LEASES
mkdir "$LEASES"
unset LOCKGATE_NET_VERSION

lg() { lg_command=$1 && shift && "$LOCKGATE" "$lg_command" -b http://fake.test "$@"; }
# background_lg COMMAND...: the same in the background; its id is in $pid.
background_lg() {
  lg_command=$1 && shift
  background "$LOCKGATE" "$lg_command" -b http://fake.test "$@"
}
# expect_log WORD...: exactly these calls, but for renewals.
expect_log() { expect_text "$(grep -v renew "$LEASES/log" | tr '\n' ' ')" "$* " "the calls"; }
is_held() { lg status -q "$1"; }
is_free() { ! lg status -q "$1"; }
# A command of three processes that do not want to go: one ignores TERM, one has a session of its own.
# shellcheck disable=SC2016,SC2034
stubborn='echo $$ >>tree; trap "" TERM
  setsid -f sh -c "trap \"\" TERM; echo \$\$ >>tree; while :; do sleep 1000; done"
  sh -c "trap \"\" TERM; echo \$\$ >>tree; while :; do sleep 1000; done" &
  while :; do sleep 1000; done'
tree_is_gone() {
  while read -r member; do
    gone "$member" || return 1
  done <tree
}
