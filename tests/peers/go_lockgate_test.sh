#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Go library github.com/werf/lockgate and lockgate at the same lock directory. The program around the library
# is in go/ and is built here, wherever the Go module can be had.
# shellcheck source-path=SCRIPTDIR
. "$(dirname -- "$0")/lib.sh"

command -v go >/dev/null || not_run 'go is not installed'
# go.mod names no version of the library: take what the module proxy calls the latest.
cp -R "$(dirname -- "$0")/go" "$(dirname -- "$0")/go-flock" "$work/"
if ! log=$(cd "$work/go" && HOME=$(getent passwd "$(id -u)" | cut -d : -f 6) &&
    go get github.com/werf/lockgate@latest 2>&1 && go mod tidy 2>&1 && go build -o "$work/peer" . 2>&1); then
  case $log in
    *'not available'* | *'404 Not Found'* | *'410 Gone'* | *'403 Forbidden'*)
      echo 'not available: the module proxy does not give out github.com/werf/lockgate'
      exit 78
      ;;
  esac
  echo "$log"
  check 'the program around the library builds' false
  finish
fi
. "$(dirname -- "$0")/go_scenarios.sh"
