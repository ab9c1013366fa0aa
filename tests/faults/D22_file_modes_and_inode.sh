#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The file of a lock: named by the SHA-256 of the lock's name, made with the permissions that the directory asks for
# whatever the umask, never written, never emptied, never removed, and checked to be still the one at its path.
# shellcheck disable=SC2016
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

say "its name"
lg exec job -- true
expect_text "$(cd "$DIR" && echo *)" "$(printf job | sha256sum | cut -d' ' -f1)"

say "its permissions"
for mode in 700 755 1777 2770 770; do
  for umask in 000 022 077; do
    DIR=$scratch/$mode.$umask
    mkdir "$DIR"
    chmod $mode "$DIR"
    case $mode in 1777) want=666 ;; *770) want=660 ;; *) want=600 ;; esac
    (umask $umask && lg exec job -- true) || fail "exec: $?"
    expect_text "$(stat -c %a "$(lock_file job)")" $want "in $mode with umask $umask"
  done
done
DIR=$scratch/kept
mkdir -m 755 kept
lg exec job -- true
chmod 640 "$(lock_file job)"
lg exec job -- true
expect_text "$(stat -c %a "$(lock_file job)")" 640 "what somebody set stays"

say "the directory's, as the umask says"
(umask 077 && lg exec --dir "$scratch/private/deep" job -- true)
expect_text "$(stat -c %a private private/deep | tr '\n' ' ')" '700 700 '

say "its content, its age and its inode"
printf 'somebody wrote this' >"$(lock_file job)"
touch -d 2001-01-01 "$(lock_file job)"
before=$(stat -c '%i %s %Y %a %u' "$(lock_file job)")
lg exec --value v job -- true || fail "exec: $?"
lg exec -s job -- true || fail "exec: $?"
lg exec --max-hold 100ms job -- sleep 1000
handle=$(lg acquire job)
lg exec -w 200ms job -- true 2>err
lg status >out
lg release job "$handle" || fail "release: $?"
expect_text "$(stat -c '%i %s %Y %a %u' "$(lock_file job)")" "$before"
expect_text "$(cat "$(lock_file job)")" 'somebody wrote this'

say "names that the old 32-bit digest confused are two locks"
lg exec outer -- "$LOCKGATE" exec --dir "$DIR" -n inner -- true || fail "status $?"
