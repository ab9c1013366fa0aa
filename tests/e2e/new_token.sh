#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A token for the lock server: it goes to standard output and nowhere else; the server's file has its digest only.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
needs sha256sum

digest_of() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

say "the token is printed, and its line for the server is told on standard error"
run "$LOCKGATE" serve --new-token --name ci
expect_status 0
token=$(cat out)
case $token in
  lg_*[!0-9a-f]*) fail "$token is no token" ;;
  lg_*) ;;
  *) fail "$token is no token" ;;
esac
expect_text "${#token}" 67
expect_err "$(digest_of "$token") ci lock *"
! has_text err "$token" || fail "the token is on standard error, too"

say "no two are the same"
run "$LOCKGATE" serve --new-token --name ci
[ "$(cat out)" != "$token" ] || fail "twice the same token"

say "with --tokens the line is added to the file, which is for its owner alone"
(umask 022 && "$LOCKGATE" serve --new-token --name ci --role read --name-prefix ci/ --name-prefix cd/ \
  --tokens tokens >first 2>err) || fail "it was not made"
expect_text "$(cat tokens)" "$(digest_of "$(cat first)") ci read ci/,cd/"
expect_text "$(stat -c %a tokens)" 600
run "$LOCKGATE" serve --new-token --name boss --role admin --tokens tokens
expect_status 0
expect_text "$(sed -n 2p tokens)" "$(digest_of "$(cat out)") boss admin *"
expect_text "$(wc -l <tokens)" 2

say "a last line without an end gets one first"
printf '# by hand' >open
run "$LOCKGATE" serve --new-token --name ci --tokens open
expect_text "$(sed -n 1p open)" '# by hand'
expect_text "$(wc -l <open)" 2

say "what cannot be added to is named, and no token is given out"
refused 73 'Is a directory' "$LOCKGATE" serve --new-token --name ci --tokens .
refused 73 'not a regular file' "$LOCKGATE" serve --new-token --name ci --tokens /dev/null
refused 73 'nowhere' "$LOCKGATE" serve --new-token --name ci --tokens nowhere/tokens
refused 64 '--name' "$LOCKGATE" serve --new-token
