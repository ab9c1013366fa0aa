#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is no lock name is refused by every command, with 64 and in plain words that do no harm to a terminal, before
# anything is made; and names that could turn a terminal's text round are shown escaped.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

lg exec job -- true
long=$(printf '%01024d' 0)
files=$(find "$DIR" | sort)
refuse() {
  for command in 'exec -n' 'acquire -n' release status 'status -q' 'release --force --yes'; do
    case $command in exec*) set -- "$1" "$2" true ;; *) set -- "$1" "$2" ;; esac
    # shellcheck disable=SC2086
    run lg $command -- "$2" ${3+"$3"}
    expect_status 64 "$command with $1"
    expect_clear_error
    expect_err name
    ! grep -q "$(printf '[\001-\011\013-\037\177]')" err || fail "a control character in the message on $1"
    iconv -f UTF-8 -t UTF-8 err >/dev/null || fail "the message on $1 is no UTF-8"
    expect_text "$(find "$DIR" | sort)" "$files" "files after $1"
  done
}
refuse empty ''
refuse '1025 bytes' "${long}0"
refuse 'a hundred kilobytes' "$(head -c 100000 /dev/zero | tr '\0' x)"
refuse 'a newline' "$(printf 'a\nb')"
refuse 'a tab' "$(printf 'a\tb')"
refuse 'an escape' "$(printf '\033[2J')"
refuse 'DEL' "$(printf 'a\177')"
refuse 'a C1 control' "$(printf 'a\302\205')"
refuse 'a lone byte' "$(printf 'a\377')"
refuse 'a cut sequence' "$(printf 'a\303')"
refuse 'an overlong slash' "$(printf '..\300\257')"
refuse 'a surrogate' "$(printf '\355\240\200')"
refuse 'beyond Unicode' "$(printf '\364\220\200\200')"

say "marks that turn the direction of text are shown escaped"
lg acquire --max-hold 100s "$(printf 'a\342\200\256b')" >handle || fail "acquire: $?"
lg status >out
! grep -q "$(printf '\342\200\256')" out || fail "the table is turned round"
