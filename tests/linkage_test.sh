#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the executables ask of the dynamic loader, which costs time at every start, and how they are hardened.
set -u

: "${LOCKGATE:?the lockgate executable to test}"
bad=0
fail() {
  echo "$*"
  bad=1
}

dynamic=$(LC_ALL=C readelf -W -d "$LOCKGATE") || exit 1
for library in $(printf '%s\n' "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
  fail "needs $library: nothing is to be loaded, not even libc"
done
case $dynamic in *'(RPATH)'* | *'(RUNPATH)'*) fail 'has a run path' ;; esac
case $dynamic in *'(TEXTREL)'*) fail 'has text relocations' ;; esac
case $dynamic in *BIND_NOW* | *'Flags: '*NOW*) ;; *) fail 'is not linked with -z now' ;; esac
case $(LC_ALL=C readelf -W -h "$LOCKGATE") in *'DYN ('*) ;; *) fail 'is not position-independent' ;; esac
segments=$(LC_ALL=C readelf -W -l "$LOCKGATE")
case $segments in *GNU_RELRO*) ;; *) fail 'is not linked with -z relro' ;; esac
case $segments in *INTERP*) fail 'needs the dynamic loader' ;; esac

# What every command with a network has to load, and to map for each fork. OpenSSL is the system's, which mends it.
if [ "${CURL_ARCHIVE:-}" = 1 ]; then
  for library in $(LC_ALL=C readelf -W -d "$LOCKGATE-net" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
    case $library in
      libssl.* | libcrypto.* | libm.* | libc.* | ld-linux*) ;;
      *) fail "lockgate-net needs $library: only OpenSSL and libc are to be loaded" ;;
    esac
  done
fi
exit "$bad"
