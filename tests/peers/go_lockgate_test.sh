#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Go library github.com/werf/lockgate and lockgate at the same lock directory. The program around the library
# is in go/, its version in go/go.mod.
# shellcheck source-path=SCRIPTDIR
. "$(dirname -- "$0")/lib.sh"

build_go go "$work/peer"
. "$(dirname -- "$0")/go_scenarios.sh"
