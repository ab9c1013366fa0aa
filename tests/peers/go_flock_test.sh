#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OUR OWN stand-in for the Go library (go-flock/) and lockgate at the same lock directory. It shares the library's
# files and its way of polling, but none of its code: it cannot show that the library itself gets along with lockgate.
# shellcheck source-path=SCRIPTDIR
. "$(dirname -- "$0")/lib.sh"

command -v go >/dev/null || not_run 'go is not installed'
log=$(cd "$(dirname -- "$0")/go-flock" && HOME=$(getent passwd "$(id -u)" | cut -d : -f 6) &&
  go build -o "$work/peer" . 2>&1)
check 'the stand-in builds' test -x "$work/peer"
[[ -x $work/peer ]] || { echo "$log"; finish; }
. "$(dirname -- "$0")/go_scenarios.sh"
