#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OUR OWN stand-in for the Go library (go-flock/) and lockgate at the same lock directory. It shares the library's
# files and its way of polling, but none of its code: it cannot show that the library itself gets along with lockgate.
# shellcheck source-path=SCRIPTDIR
. "$(dirname -- "$0")/lib.sh"

build_go go-flock "$work/peer"
. "$(dirname -- "$0")/go_scenarios.sh"
