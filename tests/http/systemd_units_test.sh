#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The units are understood by systemd, and leave the server little that it could do beside serving locks.
# In: UNITS, the folder with the units as they are installed.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
: "${UNITS:?the folder of the units}"
needs systemd-analyze

mkdir -p units
# Where lockgate will be, there is none yet: systemd wants to see an executable.
sed "s|^ExecStart=[^ ]*|ExecStart=$LOCKGATE|" "$UNITS/lockgate.service" >units/lockgate.service
cp "$UNITS/lockgate.socket" units/
! grep -q '@[A-Z_]*@' "$UNITS/lockgate.service" || fail "a placeholder is left"
grep -q '^ExecStart=/' "$UNITS/lockgate.service" || fail "it does not start an absolute path"

say "systemd finds nothing wrong with them"
SYSTEMD_UNIT_PATH=$scratch/units: systemd-analyze verify --man=no units/lockgate.service units/lockgate.socket >said 2>&1 || {
  cat said >&2
  fail "systemd-analyze verify"
}
# It also tells of the units of this machine that it comes by.
! grep 'lockgate\.' said >&2 || fail "systemd-analyze verify has something to say"

say "the server can do little beside its work"
# An exposure of 1.5 of 10: sockets of the network and of UNIX, and what @system-service allows.
if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
  systemd-analyze security --offline=yes --no-pager --threshold=15 units/lockgate.service >exposure 2>&1 || {
    cat exposure >&2
    fail "it is exposed more than it need be"
  }
  tail -n 1 exposure
else
  echo "not checked: this systemd-analyze has no security --offline"
fi

say "the command line in it is one that lockgate understands, and its calls to the kernel are among the allowed ones"
needs strace
mkdir state credentials
"$LOCKGATE" serve --new-token --name ops --role admin --tokens credentials/tokens >token 2>err || fail "no token"
export STATE_DIRECTORY="$scratch/state" CREDENTIALS_DIRECTORY="$scratch/credentials"
command=$(sed -n 's/^ExecStart=//p' units/lockgate.service)
# shellcheck disable=SC2086,SC2154  # words; the variables are those of the unit
eval "set -- $command"
strace -f -c -S name -U name -o calls "$@" --listen 127.0.0.1:0 2>server.err &
tracer=$!
started="$started $tracer"
wait_until has_text server.err 'listening on http://'
url=$(sed -n 's/.*listening on \(http:[^ ]*\)$/\1/p' server.err)
if command -v curl >/dev/null; then
  curl -sSf -o reply -H "Authorization: Bearer $(cat token)" --data '{"name":"a","request_id":"1"}' "$url/v1/acquire" || fail "no lock"
fi
server=$(pgrep -P "$tracer" -f serve) || fail "where is the server?"
kill -TERM "$server"
ended "$tracer"
systemd-analyze syscall-filter --no-pager >sets 2>/dev/null
# The names in a set, those of the sets in it too.
members() {
  awk -v set="$1" '$0 == set { on = 1; next } /^[^ ]/ { on = 0 } on && $1 !~ /^#/ { print $1 }' sets |
    while read -r entry; do
      case $entry in
        @*) (members "$entry") ;;
        *) echo "$entry" ;;
      esac
    done
}
members @system-service | sort -u >allowed
{ members @privileged; members @resources; } | sort -u >taken
comm -23 allowed taken >left
[ "$(wc -l <left)" -gt 100 ] || fail "the sets cannot be read"
awk 'NR > 1 && $NF != "total" && $NF !~ /^-/ { print $NF }' calls | grep -x '[a-z0-9_]*' | sort -u >made
[ "$(wc -l <made)" -gt 20 ] || fail "the calls cannot be read"
# SQLite calls fchown as root only, which the service is not.
comm -23 made left | grep -vx fchown >refused
[ ! -s refused ] || { cat refused >&2; fail "calls that the unit does not allow"; }
