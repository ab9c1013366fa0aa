#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Any UTF-8 text of 1 to 1024 bytes without control characters is a lock name, and never a path: what it looks like has
# no effect on where its file lies.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "names of all kinds: had, held, shown and free again; the only new file is the digest's"
long=$(printf '%01024d' 0)
umlauts=$(printf '\303\244%.0s' $(seq 512))
for name in a . .. / /etc/passwd ../../etc/passwd ../up 'a b' ' ' -x --help -- --dir=/tmp '*' '$(id)' '%2f' 'a\b' '"' "'" \
  .lockgate con 'naïve café' '日本語' '🔒' "$long" "$umlauts"; do
  run lg exec -n -- "$name" sh -c "printenv LOCKGATE_NAME >name; '$LOCKGATE' status --dir '$DIR' -q -- \"\$LOCKGATE_NAME\""
  expect_status 0 "$name"
  expect_text "$(cat name)" "$name"
  [ -f "$(lock_file "$name")" ] || fail "the file of $name is elsewhere"
done
rm name
expect_text "$(find . -mindepth 1 | grep -cv '^\./\(home\|out\|err\|locks\(/\.lockgate\)\{0,1\}\(/[0-9a-f]\{64\}\)\{0,1\}\)$')" 0 \
  "$(find .)"
expect_text "$(find "$DIR" -maxdepth 1 -type f | wc -l)" 26 "lock files"
expect_text "$(find "$DIR" -type f -maxdepth 1 -size +0 | wc -l)" 0 "lock files with something in them"

say "names that only look the same are not"
lg exec "$(printf 'caf\303\251')" -- "$LOCKGATE" exec --dir "$DIR" -n "$(printf 'cafe\314\201')" -- true || fail "status $?"
lg exec Job -- "$LOCKGATE" exec --dir "$DIR" -n job -- true || fail "status $?"
lg exec 'a' -- "$LOCKGATE" exec --dir "$DIR" -n 'a ' -- true || fail "status $?"

say "acquire and release take them, too"
for name in ../../etc/passwd -x 'a b' "$long" '🔒'; do
  handle=$(lg acquire -- "$name") || fail "acquire $name: $?"
  lg status --json -- "$name" >out
  expect_out '"state": "held"'
  lg release -- "$name" "$handle" || fail "release $name: $?"
done
