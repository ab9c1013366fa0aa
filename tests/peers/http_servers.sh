# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The two HTTP servers that the tests start: ours and that of the Go library. Sourced after lib.sh; each sets url, port
# and server_pid, and is ended by kill_server or with the test.
# shellcheck disable=SC2034  # variables that the test reads

server_log=${work:?}/server.log

# serve_ours STORE [PORT | OPTION]...
serve_ours() {
  local store=$1 option options=() wanted=0
  shift
  for option in "$@"; do
    if [[ $option == [0-9]* ]]; then wanted=$option; else options+=("$option"); fi
  done
  : >"$server_log"  # not in the background: the line of the server before is not to be taken for this one's
  "$LOCKGATE" serve --listen "127.0.0.1:$wanted" --store "$store" "${options[@]}" 2>"$server_log" </dev/null &
  server_started "$!"
}

# serve_theirs [PORT]: a new server at a port of an old one
serve_theirs() {
  : >"$server_log"
  GO_HTTP_PORT=${1-} "$work/peer" server >"$server_log" 2>&1 </dev/null &
  server_started "$!"
}

server_started() {
  local deadline=$((SECONDS + ${patience:?})) line=
  server_pid=$1
  jobs_started+=("$1")
  while ((SECONDS < deadline)) && kill -0 "$server_pid" 2>/dev/null; do
    line=$(grep -o -m 1 'http://127.0.0.1:[0-9]*' "$server_log") && break
    read -r -t 0.02 <> <(:)
  done
  if [[ -z $line ]]; then
    echo "FAILED: a server did not start: $(<"$server_log")"
    exit 1
  fi
  url=$line port=${line##*:}
}

kill_server() {
  kill -KILL "$server_pid"
  wait "$server_pid" 2>/dev/null
  return 0
}
