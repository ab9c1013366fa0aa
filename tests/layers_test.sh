#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The directions of dependency, read from the #include lines: cli -> backends -> core, no backend sees another, and
# each third-party library stays where it belongs.
set -u

cd "${SOURCE_DIR:?the root of the sources}" || exit
bad=0

# forbid WHY FILES INCLUDED [EXCEPT]: no file whose path matches FILES includes what matches INCLUDED, but for EXCEPT.
forbid() {
  found=$(find core backends cli -name '*.[ch]pp' | grep -E "$2" | grep -vE "${4:-^$}" | sort |
    xargs -r grep -nHE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($3)") || return 0
  printf '%s:\n%s\n' "$1" "$found"
  bad=1
}

forbid 'core knows nothing above it' '^core/' '(\.\./)*(backends|cli)/'
forbid 'backends know nothing above them' '^backends/' '(\.\./)*cli/'
# http_client is no backend, but what those that talk to something have in common.
for folder in backends/*/; do
  name=$(basename "$folder")
  for other in backends/*/; do
    # What all of them speak HTTP with is no backend.
    [ "$folder" = "$other" ] || [ "$other" = backends/http_client/ ] || forbid "backend $name knows nothing of the others" "^$folder" "(\.\./)*$other"
  done
done
forbid 'includes are written from the root' '' '\.\./'
forbid 'CLI11 stays in the options' '' 'CLI/' '^cli/(options|command_line)'
forbid 'yaml-cpp stays in the configuration' '' 'yaml-cpp/' '^cli/config'
forbid 'nlohmann-json stays out of headers, but for its names' '\.hpp$' 'nlohmann/json\.hpp'
forbid 'libcurl stays in the HTTP client' '' 'curl/' '^backends/http_client/'
forbid 'Boost and OpenSSL stay in the HTTP server' '' 'boost/|openssl/' '^backends/http/server/'
forbid 'SQLite stays in the journal' '' 'sqlite3' '^backends/http/server/(sqlite_journal|journal_database)'
forbid 'the HTTP server and its client know nothing of each other' '^backends/http/server/' 'backends/http_client/'
forbid 'core is std, fmt and POSIX' '^core/' 'nlohmann/|CLI/|yaml-cpp/|curl/|openssl/|boost/|sqlite3'

[ -n "$(find core backends cli -name '*.cpp')" ] || { echo 'no sources found'; bad=1; }
exit "$bad"
