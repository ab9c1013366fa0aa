#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# lckdo of moreutils locks by fcntl(2), which flock(2) does not see: the two do not exclude each other, and nobody
# shall believe that they do. What must hold: a file that lckdo has locked neither stops lockgate nor breaks it.
# shellcheck disable=SC2317  # functions that lib.sh calls
# shellcheck source-path=SCRIPTDIR
. "$(dirname -- "$0")/lib.sh"

command -v lckdo >/dev/null || not_run 'lckdo is not installed'
file=$work/a.lock

lckdo_hold() { keep lckdo -w "$1" "$file"; }
lockgate_try() { bounded "$LOCKGATE" exec "$@" --nonblock --path "$file" -- true; }

for kind in -x -s; do
  start holder lckdo_hold "$kind"
  check "lckdo $kind takes the file" holds holder
  check "lockgate runs at a file that lckdo $kind has locked" status_is 0 lockgate_try
  check "lockgate runs as a reader at a file that lckdo $kind has locked" status_is 0 lockgate_try --shared
  let_go holder
  check "lckdo $kind ends well" ended holder
done
finish
