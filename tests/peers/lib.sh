# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The scenarios that lockgate and another program go through at one lock, either of them holding it.
#
# A test sources this file, then describes two tools, `ours` and `theirs`, by functions of these names:
#   TOOL_hold MODE       takes the lock, prints a line that ends with the pid of whoever keeps it, reads one line, lets go
#   TOOL_try MODE HOW    `true` under the lock; HOW is nonblock, timed (0.7 s) or block
# and variables: TOOL_busy (the status for a lock that was not had), TOOL_survives (yes: the lock lives on with the
# command when the tool itself is killed), TOOL_queues (yes: it waits in the kernel; no: it says so in a line on stderr,
# which begins with "waiting" or with what TOOL_waits says).
# Nothing here waits for time to pass: programs answer through pipes, and the kernel is asked who waits.
set -uo pipefail

: "${LOCKGATE:?the lockgate executable to test}"
patience=${patience-20}  # seconds until a thing that does not happen is called a failure

work=$(mktemp -d)
passed=0 failed=0
jobs_started=()
clean_up() {
  local pid
  for pid in "${jobs_started[@]}"; do
    kill -KILL "$pid" 2>/dev/null
  done
  wait 2>/dev/null
  rm -rf "$work"
}
trap clean_up EXIT
export HOME=$work/home
mkdir "$HOME"
unset LOCKGATE_BACKEND LOCKGATE_CONFIG LOCKGATE_DIR LOCKGATE_HELD LOCKGATE_HANDLE LOCKGATE_NAME LOCKGATE_TIMEOUT \
  XDG_CONFIG_HOME XDG_STATE_HOME

not_run() {
  echo "not run: $*"
  exit 77
}

check() {  # check TEXT COMMAND...: one counted result
  local text=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok: $text"
  else
    failed=$((failed + 1))
    echo "FAILED: $text (${why:-$*})"
  fi
  why=
}

finish() {
  echo "$passed passed, $failed failed"
  [[ $failed == 0 && $passed != 0 ]]
  exit
}

# build_go FOLDER PROGRAM: the Go program in FOLDER, from the modules that its go.mod and go.sum name. Modules and what
# was compiled of them lie in Go's own caches, so that only the first time takes long.
build_go() {
  local log
  command -v go >/dev/null || not_run 'go is not installed'
  log=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/$1" && HOME=$(getent passwd "$(id -u)" | cut -d : -f 6) \
    go build -mod=readonly -o "$2" . 2>&1) && return
  case $log in
    *'not available'* | *'404 Not Found'* | *'410 Gone'* | *'403 Forbidden'* | *'dial tcp'*)
      not_run "a Go module cannot be had: $(grep -m 1 -E 'not available|404|410|403|dial tcp' <<<"$log")"
      ;;
  esac
  echo "$log"
  check "the Go program in $1 builds" false
  finish
}

# The command that a wrapping tool runs for as long as it shall hold the lock.
keep() { # keep TOOL ARG...: becomes that tool, running such a command
  # shellcheck disable=SC2016  # for the inner shell
  exec "$@" sh -c 'echo "held $$"; read -r _'
}

# bounded COMMAND...: becomes it, for as long as our patience lasts.
bounded() { exec timeout -k 1 "$patience" "$@"; }

serial=0
# start ROLE FUNCTION ARG...: in the background, with its stdin and stdout on pipes; sets ROLE_pid.
start() {
  local role=$1 pipe
  shift
  serial=$((serial + 1))
  pipe=$work/$serial
  mkfifo "$pipe.in" "$pipe.out"
  # Open both ends here: no open() can then block, whoever comes first.
  exec {in}<>"$pipe.in" {out}<>"$pipe.out"
  # Not the pipes of others: a tool must not keep them open.
  (eval "exec ${in}>&- ${out}>&-"; "$@") <"$pipe.in" >"$pipe.out" 2>"$pipe.err" &
  printf -v "${role}_pid" %s "$!"
  printf -v "${role}_in" %s "$in"
  printf -v "${role}_out" %s "$out"
  printf -v "${role}_err" %s "$pipe.err"
  jobs_started+=("$!")
}

# holds ROLE: its line has come; sets NAME_keeper to the pid in it.
holds() {
  local out=${1}_out err=${1}_err line
  if ! read -r -t "$patience" -u "${!out}" line; then
    why="no word from $1; stderr: $(<"${!err}")"
    return 1
  fi
  printf -v "${1}_keeper" %s "${line##* }"
}

is_silent() {  # is_silent ROLE: it has not got the lock so far
  local out=${1}_out
  ! read -r -t 0 -u "${!out}"
}

let_go() {
  local in=${1}_in
  echo >&"${!in}"
}

ended() { # ended ROLE: it has ended, and well
  local pid=${1}_pid err=${1}_err status=0
  wait "${!pid}" || status=$?
  why="$1 ended with $status; stderr: $(<"${!err}")"
  [[ $status == 0 ]]
}

killed() { # killed ROLE PID...
  local pid=${1}_pid
  shift
  kill -KILL "$@"
  wait "${!pid}" 2>/dev/null
  return 0
}

status_is() { # status_is N FUNCTION ARG...
  local expected=$1 status=0 output
  shift
  output=$( ("$@") 2>&1 </dev/null) || status=$?
  why="status $status, not $expected; output: $output"
  [[ $status == "$expected" ]]
}

# waits_in_kernel PID: it, or a process below it, is in the kernel's queue for a lock.
waits_in_kernel() {
  local deadline=$((SECONDS + patience)) family
  while ((SECONDS < deadline)); do
    family=$1,$(ps -o pid= --ppid "$1" | tr -s ' \n' ',')
    grep -qE -- "-> FLOCK .* (${family//,/|}) " <(sed 's/$/ /' /proc/locks) && return
    read -r -t 0.02 <> <(:)  # a short rest between two looks
  done
  why="process $1 never queued for the lock"
  return 1
}

waits() { # waits TOOL ROLE: the started waiter has reached its queue
  local queues=$1_queues line=$1_waits pid=$2_pid err=$2_err deadline=$((SECONDS + patience))
  if [[ ${!queues} == yes ]]; then
    waits_in_kernel "${!pid}"
    return
  fi
  while ((SECONDS < deadline)); do
    grep -qs "^${!line-waiting}" "${!err}" && return
    read -r -t 0.02 <> <(:)
  done
  why="$2 never said that it waits"
  return 1
}

milliseconds() {
  local now=$EPOCHREALTIME
  echo $((${now/[.,]/} / 1000))
}

takes_its_time() { # the timeout of 0.7 s was waited for, and not far beyond
  local began took
  began=$(milliseconds)
  status_is "$@" || return
  took=$(($(milliseconds) - began))
  why="gave up after $took ms"
  ((took >= 650 && took < 10000))
}

# both_ways_round: every scenario, with `holder` and `other` being either of the two.
both_ways_round() {
  one_way ours theirs
  one_way theirs ours
}

one_way() {
  local h=$1 o=$2 busy=$2_busy survives=$1_survives
  local -A call=([ours]=lockgate [theirs]=$peer)
  local H=${call[$h]} O=${call[$o]}
  busy=${!busy}

  start holder "${h}_hold" exclusive
  check "$H takes the free lock" holds holder
  check "$H holds it: $O, not waiting, is refused" status_is "$busy" "${o}_try" exclusive nonblock
  check "$H holds it: $O, not waiting, is refused as a reader too" status_is "$busy" "${o}_try" shared nonblock
  check "$H holds it: $O waits for its timeout, then is refused" takes_its_time "$busy" "${o}_try" exclusive timed
  start waiter "${o}_hold" exclusive
  check "$H holds it: $O queues" waits "$o" waiter
  check "$H holds it: $O does not get it meanwhile" is_silent waiter
  let_go holder
  check "$H lets go and ends well" ended holder
  check "$H has let go: the waiting $O gets it" holds waiter
  let_go waiter
  check "the waiting $O ends well" ended waiter

  start holder "${h}_hold" shared
  check "$H takes it as a reader" holds holder
  check "$H reads: $O reads too" status_is 0 "${o}_try" shared nonblock
  check "$H reads: $O, not waiting, may not write" status_is "$busy" "${o}_try" exclusive nonblock
  start waiter "${o}_hold" exclusive
  check "$H reads: $O queues to write" waits "$o" waiter
  let_go holder
  check "$H, the reader, ends well" ended holder
  check "$H has read: the writing $O gets it" holds waiter
  let_go waiter
  check "the writing $O ends well" ended waiter

  start holder "${h}_hold" exclusive
  check "$H takes it again" holds holder
  start waiter "${o}_hold" exclusive
  check "$O queues again" waits "$o" waiter
  # shellcheck disable=SC2154  # set by start and holds
  if [[ ${!survives} == yes ]]; then
    check "$H is killed, its command is not" killed holder "$holder_pid"
    check "$H was killed: its command still has the lock" status_is "$busy" "${o}_try" exclusive nonblock
    check "$H was killed: the waiting $O still waits" is_silent waiter
    kill -KILL "$holder_keeper"
  else
    check "$H is killed" killed holder "$holder_pid"
  fi
  check "$H crashed and nothing of it is left: the waiting $O gets it" holds waiter
  let_go waiter
  check "the $O that waited for a crashed $H ends well" ended waiter
  check "$H takes the lock after the crash" status_is 0 "${h}_try" exclusive block
}
