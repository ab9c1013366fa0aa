#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A lock server takes all the descriptors that it may have, and says where those are too few.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs python3

# serve_with HARD [OPTION...]: a server whose soft limit is 100 and whose hard one is HARD.
# shellcheck disable=SC3045  # dash has ulimit -S and -H
serve_with() {
  hard=$1 && shift
  rm -f server.err  # that of the server before also says where it listens
  (
    ulimit -Sn 100 && ulimit -Hn "$hard" || exit 1
    exec "$LOCKGATE" serve --listen 127.0.0.1:0 --store memory --no-restart-grace "$@" 2>server.err
  ) &
  server=$!
  started="$started $server"
  wait_until has_text server.err 'listening on '
  url=$(sed -n 's/.*listening on \(http:[^ ]*\)$/\1/p' server.err)
}
soft_limit() { awk '/^Max open files/ { print $4 }' "/proc/$server/limits"; }
stop() {
  kill -TERM "$server"
  ended "$server"
  expect_status 0 "the server"
}

say "the soft limit is raised to the hard one"
serve_with 1000 --max-connections 500
expect_text "$(soft_limit)" 1000
! has_text server.err descriptors || fail "it complains without a cause: $(cat server.err)"
stop

say "where that is too little, the log says so, and who comes too late is told"
serve_with 300
has_text server.err 'room for 172 connections, not 20000' || fail "nothing is said: $(cat server.err)"
cat >connect.py <<'END'
import socket, sys
host, port = sys.argv[1].removeprefix("http://").split(":")
clients = [socket.create_connection((host, int(port)), timeout=20) for _ in range(190)]
for client in clients:
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
answers = [client.recv(100).split(b" ")[1].decode() for client in clients]
print(answers.count("200"), answers.count("503"))
END
expect_text "$(python3 connect.py "$url")" '172 18' "answers of 190 clients"
! has_text server.err 'accept' || fail "it ran out of descriptors: $(cat server.err)"
stop
