# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016  # programs for inner shells stand in single quotes
# What the shell tests share. A test is a story: a script that sources this, tells what it shows, and fails at the first
# thing that is not so. Each has a scratch folder of its own, which stays where the test fails.
#
# In: LOCKGATE, the binary. Nothing here or in a test sleeps to be in time: wait_until looks at a state, with a limit.

set -u
exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-  # what whoever runs the tests left open
: "${LOCKGATE:?the path of the lockgate binary}"

test_name=$(basename "$0" .sh)
test_file=$(cd "$(dirname "$0")" && pwd)/$test_name.sh
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lockgate-$test_name.XXXXXX")
HOME=$scratch/home
DIR=$scratch/locks
export HOME DIR LOCKGATE
unset LOCKGATE_BACKEND LOCKGATE_CONFIG LOCKGATE_DIR LOCKGATE_HELD LOCKGATE_NAME LOCKGATE_HANDLE LOCKGATE_TIMEOUT \
  LOCKGATE_TTL LOCKGATE_URL LOCKGATE_TOKEN_FILE LOCKGATE_DEBUG LOCKGATE_FD SUDO_USER XDG_STATE_HOME XDG_CONFIG_HOME
mkdir "$HOME"
cd "$scratch" || exit 99
started=''
on_finish=:  # a test may put here what is to be undone

# Everything that this test started and that still runs is ended with it, by its id: what it knows the id of, and what
# has this test's HOME in its environment (keepers, and commands whose lockgate was killed).
finish() {
  status=$?
  trap - EXIT
  [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || echo "left for a look: $scratch" >&2
  exec 2>/dev/null
  $on_finish
  for pid in $started; do
    kill -KILL "$pid"
  done
  grep -lsF "HOME=$HOME" /proc/[0-9]*/environ | while read -r entry; do
    pid=${entry#/proc/}
    kill -KILL "${pid%/environ}"
  done
  if [ "$status" -eq 0 ] || [ "$status" -eq 77 ]; then
    cd / && rm -rf "$scratch"
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

fail() {
  echo "FAILED: $*" >&2
  for file in out err; do
    [ -s "$scratch/$file" ] && head -c 2000 "$scratch/$file" | sed "s/^/  $file: /" >&2
  done
  exit 1
}

# For what a machine cannot have; says why.
skip() {
  echo "skipped: $*"
  exit 77
}

say() { echo "- $*"; }

# ---- what a test may need

needs() {
  for program in "$@"; do
    command -v "$program" >/dev/null || skip "$program is not installed"
  done
}

needs_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }

# The test goes on in a mount namespace of its own, where it may mount what it likes and nobody else sees it.
needs_own_mounts() {
  [ -z "${LOCKGATE_TEST_MOUNTS-}" ] || return 0
  needs_root
  needs unshare
  unshare -m true 2>/dev/null || skip "mount namespaces cannot be had here"
  cd / && rm -rf "$scratch"
  exec unshare -m env LOCKGATE_TEST_MOUNTS=1 sh "$test_file"
}

# Other users may run lockgate from here on, though the tree it was built in may be closed to them.
for_everyone() {
  chmod 755 "$scratch"
  cp "$LOCKGATE" "$scratch/lockgate"
  chmod 755 "$scratch/lockgate"
  LOCKGATE=$scratch/lockgate
}

# ---- running lockgate

# lockgate in this test's lock directory.
lg() { lg_command=$1 && shift && "$LOCKGATE" "$lg_command" --dir "$DIR" "$@"; }

# run COMMAND...: runs it with its output in the files out and err, and its exit status in $status.
run() {
  status=0
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

expect_status() { [ "$status" -eq "$1" ] || fail "exit status $status, not $1${2:+: $2}"; }
expect_out() { grep -qF -- "$1" "$scratch/out" || fail "standard output does not say: $1"; }
expect_err() { grep -qF -- "$1" "$scratch/err" || fail "standard error does not say: $1"; }
expect_silence() { cat "$scratch/out" "$scratch/err" | cmp -s - /dev/null || fail "it was not to say anything"; }
# An error as users want it: all of it on stderr, every line lockgate's, one for the thing and at most one for the next
# step.
expect_clear_error() {
  [ -s "$scratch/err" ] || fail "nothing says what is wrong"
  [ ! -s "$scratch/out" ] || fail "an error is not for standard output"
  ! grep -qv '^lockgate: ' "$scratch/err" || fail "a line is not lockgate's"
  [ "$(wc -l <"$scratch/err")" -le 2 ] || fail "that is too much to read"
}
expect_text() { [ "$1" = "$2" ] || fail "\"$1\" and not \"$2\"${3:+: $3}"; }

# refused STATUS TEXT COMMAND...: it ends with STATUS and a clear error that has TEXT in it.
refused() {
  refused_status=$1 refused_text=$2 && shift 2
  run "$@"
  expect_status "$refused_status" "$*"
  expect_clear_error
  expect_err "$refused_text"
}

# wait_until COMMAND...: until it succeeds, for at most half a minute or so.
wait_until() {
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 2000 ] || fail "waited in vain for: $*"
    sleep 0.01
  done
}

# True once the process has ended, collected or not.
gone() {
  case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) in
    '' | Z* | X*) return 0 ;;
  esac
  return 1
}
has_text() { grep -qsF -- "$2" "$1"; }
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
milliseconds() { echo "$(($(date +%s%N) / 1000000))"; }

# background COMMAND...: starts it; its id is in $pid, and it is ended with the test. With the signals of a foreground:
# the shell would have it ignore SIGINT and SIGQUIT.
background() {
  if [ "$1" = lg ]; then
    lg_command=$2 && shift 2
    set -- "$LOCKGATE" "$lg_command" --dir "$DIR" "$@"
  fi
  env --default-signal=INT,QUIT "$@" &
  pid=$!
  started="$started $pid"
}

# ended PID: waits for a background process of this test; its exit status is in $status.
ended() {
  wait_until gone "$1"
  status=0
  wait "$1" || status=$?
  started=$(echo "$started " | sed "s/ $1 / /;s/ \$//")  # the number may go to another process now
}
# went_well PID...: waits for each, and all of them end with 0.
went_well() {
  for went in "$@"; do
    ended "$went"
    expect_status 0 "process $went"
  done
}
is_between() { [ "$1" -ge "$2" ] && [ "$1" -lt "$3" ]; }

# hold_as TAG NAME [OPTION...]: a lockgate that holds NAME until let_go TAG. Its id is in $pid.
hold_as() {
  hold_tag=$1 hold_name=$2 && shift 2
  mkfifo "$scratch/$hold_tag.fifo"
  background lg exec "$@" "$hold_name" -- sh -c 'echo $$ >"$1.held"; read -r line <"$1.fifo"' sh "$scratch/$hold_tag"
  wait_until test -s "$scratch/$hold_tag.held"
}
hold() { hold_what=$1 && shift && hold_as "$hold_what" "$hold_what" "$@"; }

# The process that runs under the hold TAG.
command_of() { cat "$scratch/$1.held"; }

let_go() {
  timeout 40 sh -c 'echo go >"$1"' sh "$scratch/$1.fifo" || fail "the holder $1 is not there any more"
  rm -f "$scratch/$1.fifo" "$scratch/$1.held"
}

is_held() { lg status -q "$1"; }
# What status says of a lock file that nobody holds. In a container somebody outside could hold it, and none could see.
# shellcheck disable=SC2034  # also for the tests
if [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ]; then
  free=free free_status=1
else
  free=unknown free_status=69
fi
is_free() {
  free_found=0
  lg status -q "$1" || free_found=$?
  [ "$free_found" -eq 1 ] || { [ "$free_found" -eq "$free_status" ] && can_be_locked "$(lock_file "$1")"; }
}
# By its descriptor: flock FILE opens it with O_CREAT, which fs.protected_regular refuses with another user's file.
can_be_locked() { (flock -n 9) 9<"$1"; }
waiters_of() { lg status --json "$1" | grep -c '"position"'; }
has_waiters() { [ "$(waiters_of "$1")" -eq "$2" ]; }
lock_file() { echo "$DIR/$(printf %s "$1" | sha256sum | cut -d' ' -f1)"; }
# json_of NAME KEY: the first value of KEY in the state of the lock.
json_of() { lg status --json "$1" | sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" | head -n 1; }
