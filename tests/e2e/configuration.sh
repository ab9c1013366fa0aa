#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A flag wins over a variable, a variable over the configuration, that over the default; doctor says which it was. A
# mistake in the configuration is named with file, line and column, and the nearest word that would be right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

config=$HOME/.config/lockgate/config.yaml
mkdir -p "$HOME/.config/lockgate"
cat >"$config" <<END
backend: mine
defaults: {timeout: 7s, conflict_exit_code: 9}
backends:
  mine:
    kind: file
    dir: $scratch/from-config
  yours: {kind: file, dir: $scratch/yours}
  web: {kind: http, url: https://locks.example.com}
END
unset DIR
# effective WHAT [ENVIRONMENT OPTION...]: the value and where it comes from.
effective() {
  effective_what=$1 && shift
  run "$LOCKGATE" doctor "$@"
  sed -n "s/^$effective_what  *//p" "$scratch/out" | tr -s ' '
}

say "each overrides the next"
expect_text "$(effective dir)" "$scratch/from-config $config:6:10"
expect_text "$(effective backend)" "mine $config:1:10"
expect_text "$(effective dir -b yours)" "$scratch/yours $config:7:28"
expect_text "$(LOCKGATE_BACKEND=yours effective dir)" "$scratch/yours $config:7:28"
expect_text "$(LOCKGATE_BACKEND=yours effective backend)" "yours LOCKGATE_BACKEND"
expect_text "$(LOCKGATE_DIR=$scratch/var effective dir)" "$scratch/var LOCKGATE_DIR"
expect_text "$(LOCKGATE_DIR=$scratch/var effective dir --dir "$scratch/flag")" "$scratch/flag --dir"
expect_text "$(LOCKGATE_BACKEND=yours effective dir -b "file://$scratch/url")" "$scratch/url --backend"
expect_text "$(effective timeout)" "7s $config:2:21"
expect_text "$(LOCKGATE_TIMEOUT=3s effective timeout)" "3s LOCKGATE_TIMEOUT"
expect_text "$(effective conflict_exit_code)" "9 $config:2:45"
expect_text "$(effective configuration)" "$config"
printf 'backends: {}\n' >other.yaml
expect_text "$(effective configuration --config other.yaml)" "other.yaml"
expect_text "$(LOCKGATE_CONFIG=$scratch/other.yaml effective configuration)" "$scratch/other.yaml"
expect_text "$(LOCKGATE_CONFIG=$scratch/other.yaml effective timeout)" "none default"
expect_text "$(LOCKGATE_CONFIG=$scratch/other.yaml effective configuration --config "$config")" "$config"
expect_text "$(XDG_CONFIG_HOME=${config%/lockgate/*} HOME=/nowhere effective timeout)" "7s $config:2:21"
LOCKGATE_CONFIG=$scratch/other.yaml run "$LOCKGATE" doctor --json --dir "$scratch/x"
expect_out "\"value\": \"$scratch/x\""
expect_out '"origin": "--dir"'

say "and they are acted on"
"$LOCKGATE" exec job -- sh -c "'$LOCKGATE' exec -b yours -n job -- true && env -u LOCKGATE_HELD '$LOCKGATE' exec -n job -- true"
expect_text "$?" 9
[ -d from-config ] || fail "not in the configured directory"
[ -d yours ] || fail "not in the other directory"

say "what is wrong in it: 78, the place, and what would be right"
# wrong PLACE WORDS CONFIGURATION
wrong() {
  printf '%b' "$3" >bad.yaml
  refused 78 "bad.yaml:$1: " "$LOCKGATE" --config bad.yaml exec --dir "$scratch/locks" job -- touch ran
  expect_err "$2"
}
wrong 2:1 'backend' 'backends: {}\nbakend: x\n'
wrong 1:12 'timeout' 'defaults: {timout: 3s}\n'
wrong 1:21 'soon' 'defaults: {timeout: soon}\n'
wrong 3:14 'file' 'backends:\n  one:\n    {  kind: flie}\n'
wrong 1:11 'list' 'defaults: [a]\n'
wrong 2:9 'dir' 'backends:\n  one: {dirr: /x, kind: file}\n'
wrong 2:1 'YAML' 'defaults: {timeout: 3s\n'
wrong 2:1 'defaults' 'defaults: {}\ndefaults: {}\n'
wrong 1:32 'ttl' 'defaults: {color: always, ttl: 1s}\n'
refused 78 nowhere.yaml "$LOCKGATE" --config nowhere.yaml exec job -- touch ran
LOCKGATE_CONFIG=nowhere.yaml refused 78 nowhere.yaml "$LOCKGATE" exec job -- touch ran
refused 78 "$scratch" "$LOCKGATE" --config "$scratch" exec job -- touch ran
mkfifo pipe.yaml
refused 78 pipe.yaml timeout 20 "$LOCKGATE" --config pipe.yaml exec job -- touch ran

say "backends that there are not: 64 where the command line says so, else 78"
refused 64 '"yuors"' "$LOCKGATE" -b yuors exec job -- touch ran
expect_err '"yours"'
LOCKGATE_BACKEND=yuors refused 78 'LOCKGATE_BACKEND' "$LOCKGATE" exec job -- touch ran
LOCKGATE_TIMEOUT=soon refused 78 'LOCKGATE_TIMEOUT' "$LOCKGATE" exec job -- touch ran
refused 64 'password' "$LOCKGATE" -b 'http://me:canary@host' exec job -- touch ran
! has_text err canary || fail "the password is shown"
for backend in k8s etcd://localhost:1; do
  run "$LOCKGATE" -b "$backend" exec job -- touch ran
  expect_status 78
  expect_clear_error
done
[ ! -e ran ] || fail "it was run"

say "relative paths are relative to where they are said"
expect_text "$(cd home && effective dir --dir sub/../x//)" "$scratch/home/sub/../x --dir"
