#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What needs a network lockgate leaves to lockgate-net, which it becomes: with the same words, the same process, and the
# signals as they were. Here a script takes lockgate-net's place and tells what it was given.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

mkdir -p place/bin place/libexec/lockgate
cp "$LOCKGATE" place/bin/lockgate
here=$(pwd -P)/place

stand_in() {
  cat >"$1" <<'END'
#!/bin/sh
echo "at $0"
echo "version $LOCKGATE_NET_VERSION"
echo "pid $$"
for word; do echo "word <$word>"; done
grep -E '^Sig(Blk|Ign):' /proc/self/status
END
  chmod 755 "$1"
}

say "where there is no lockgate-net it is said where it was looked for"
refused 69 'needs lockgate-net' place/bin/lockgate -b http exec job -- touch ran
expect_err "\"$here/bin/lockgate-net\", \"$here/libexec/lockgate/lockgate-net\""
refused 69 'lockgate serve needs lockgate-net' place/bin/lockgate serve
[ ! -e ran ] || fail "it was run"

say "files need none of it"
run place/bin/lockgate --dir "$DIR" exec job -- echo well
expect_status 0
expect_out well
run place/bin/lockgate serve --help
expect_status 0

say "installed, it is below libexec"
stand_in place/libexec/lockgate/lockgate-net
run place/bin/lockgate --url http://localhost:1 exec -n 'a b' -- echo '' '*'
expect_status 0
expect_out "at $here/libexec/lockgate/lockgate-net"

say "in a build, it is beside lockgate"
stand_in place/bin/lockgate-net
run place/bin/lockgate --url http://localhost:1 exec -n 'a b' -- echo '' '*'
expect_out "at $here/bin/lockgate-net"
expect_text "$(sed -n 's/^word //p' out | tr '\n' ' ')" '<--url> <http://localhost:1> <exec> <-n> <a b> <--> <echo> <> <*> '
expect_text "$(sed -n 's/^version //p' out)" "$("$LOCKGATE" --version | cut -d ' ' -f 2)"

say "each way to choose a server leads there"
for choice in '-b http' '-b https://locks.example.com' '-b unix:/run/s' '--url http://h'; do
  # shellcheck disable=SC2086  # two words
  run place/bin/lockgate $choice status
  expect_out "at $here/bin/lockgate-net"
done
LOCKGATE_URL=http://h run place/bin/lockgate status
expect_out "at $here/bin/lockgate-net"
LOCKGATE_BACKEND=http run place/bin/lockgate doctor
expect_out "at $here/bin/lockgate-net"
run place/bin/lockgate serve --listen 127.0.0.1:0
expect_out "at $here/bin/lockgate-net"

say "it is the same process, and no signal is blocked or ignored that was not"
run sh -c 'grep -E "^Sig(Blk|Ign):" /proc/self/status >before; echo $$ >pid; exec "$@"' - place/bin/lockgate -b http status
expect_text "$(grep -E '^Sig' out)" "$(cat before)"
expect_out "pid $(cat pid)"
run sh -c 'trap "" HUP CHLD; grep -E "^Sig(Blk|Ign):" /proc/self/status >before; exec "$@"' - place/bin/lockgate serve
expect_text "$(grep -E '^Sig' out)" "$(cat before)"

say "one that cannot be run is named"
chmod 644 place/bin/lockgate-net
refused 69 "cannot run \"$here/bin/lockgate-net\", which the http backend needs" place/bin/lockgate -b http status

if [ "$(id -u)" -eq 0 ]; then
  say "one that a stranger put there is not run, also by root"
  chmod 755 place/bin/lockgate-net
  chown 12345 place/bin/lockgate-net
  refused 77 'belongs to neither root nor you' place/bin/lockgate -b http status
fi

say "the names of profiles need no server"
mkdir -p home/.config/lockgate
echo 'backend: web
backends: {web: {kind: http, url: "https://locks.example.com"}}' >home/.config/lockgate/config.yaml
run place/bin/lockgate __complete profiles
expect_status 0
expect_out web
