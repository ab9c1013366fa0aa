// SPDX-License-Identifier: Apache-2.0
// The help texts, laid out by hand. tests/surface holds them together with the table of options and the man pages.
#include "cli/help.hpp"

namespace lockgate {
namespace {

constexpr std::string_view kOverview = R"(Usage: lockgate exec    [OPTION]... NAME [--] COMMAND [ARG]...
       lockgate acquire [OPTION]... NAME
       lockgate release [OPTION]... NAME [HANDLE]
       lockgate status  [OPTION]... [NAME]...
       lockgate doctor  [OPTION]...

  exec     run COMMAND while holding the lock NAME
  acquire  take the lock, leave it held, print its handle
  release  give back what acquire took
  status   show who holds what, and who waits
  doctor   check configuration, directory and permissions; say what to mend

  -b, --backend BACKEND  file, file:///DIR, or a profile of the configuration
      --config FILE      read this configuration, not ~/.config/lockgate/...
      --dir DIR          where the lock files are    --allow-insecure-dir
  -q, --quiet            say nothing but errors      -v, --verbose  say more
      --color WHEN       auto, always, never         --json  (status, doctor)
  -h, --help             also "lockgate CMD --help"  --version  print version

A --value or --reason is published to everyone who may see the lock.
Exit status: that of COMMAND; 75: the lock was not had; 64: usage. lockgate(1)
lists them all.
)";

constexpr std::string_view kExec = R"(Usage: lockgate exec [OPTION]... NAME [--] COMMAND [ARG]...
       lockgate exec [OPTION]... NAME -c STRING
Runs COMMAND while holding the lock NAME.

  -s, --shared           many at once          -x, --exclusive  alone (default)
  -n, --nonblock         do not wait           -w, --timeout D  wait at most D
  -E, --conflict-exit-code N  status where the lock was not had (75)
  -c, --shell STRING     run STRING with $SHELL -c or /bin/sh -c
      --path             NAME is the file or directory itself, as in flock(1)
  -o, --close            COMMAND does not inherit the lock's descriptor
      --max-hold D       end COMMAND after D   --kill-after D  TERM, D, KILL
      --wait-tree        wait for COMMAND's descendants too
      --reentrant        pass where an ancestor already holds the lock
      --on-lost terminate|continue   --ttl D   no meaning for files
      --value TEXT, --reason TEXT    published to all who may see the lock
      --publish-command  publish all of COMMAND ARG..., not just its name
      --id ID            the acquirer's id (random)
  -b, --backend BACKEND  --config FILE         --dir DIR  --allow-insecure-dir
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

D: 250ms, 10s, 1m30s, 2h, or seconds; --timeout also takes none (the default).
)";

constexpr std::string_view kAcquire = R"(Usage: lockgate acquire [OPTION]... NAME
Takes the lock NAME and leaves it held in the background, until "lockgate
release NAME". Prints the handle, which can release it from anywhere on this
host.

  -s, --shared           many at once          -x, --exclusive  alone (default)
  -n, --nonblock         do not wait           -w, --timeout D  wait at most D
  -E, --conflict-exit-code N  status where the lock was not had (75)
      --owner-pid PID    give it back when process PID ends
      --max-hold D       give it back after D
      --path             NAME is the file or directory itself, as in flock(1)
      --on-lost terminate|continue   what becomes of PID when the lock is lost
      --ttl D            lease length; no meaning for files
      --value TEXT, --reason TEXT    published to all who may see the lock
      --publish-command  publish the acquirer's whole command line
      --id ID            the acquirer's id (random)
  -b, --backend BACKEND  --config FILE         --dir DIR  --allow-insecure-dir
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

D: 250ms, 10s, 1m30s, 2h, or seconds; --timeout also takes none (the default).
)";

constexpr std::string_view kRelease = R"(Usage: lockgate release [OPTION]... NAME [HANDLE]
Gives back what "lockgate acquire NAME" took. Without HANDLE: the hold whose
acquiring process is an ancestor of this one, else the only one whose acquiring
process has ended.

      --mine             all of this user's holds of NAME on this host
      --force            break another's hold: shows it and asks
      --yes              with --force: do not ask
      --path             NAME is the file or directory itself, as in flock(1)
  -b, --backend BACKEND  --config FILE         --dir DIR  --allow-insecure-dir
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

Exit status: 0 given back; 76 there is no such hold, or it was lost before;
64 it cannot be told which one; 75 the holder is another program than lockgate.
)";

constexpr std::string_view kStatus = R"(Usage: lockgate status [OPTION]... [NAME]...
Shows who holds each lock, since when, and who waits. Never disturbs a lock.

      --json             print JSON, times in UTC
      --watch            redraw the table as things change
  -q, --quiet            print nothing; exit 0: NAME is held, 1 free, 69 unknown
      --path             NAME is the file or directory itself, as in flock(1)
  -b, --backend BACKEND  --config FILE         --dir DIR  --allow-insecure-dir
  -v, --verbose   --color auto|always|never   --version   -h, --help

Values and reasons of holders are shown to everyone who may see the lock.
)";

constexpr std::string_view kDoctor = R"(Usage: lockgate doctor [OPTION]...
Checks the configuration, the lock directory, its permissions and its
filesystem, and says what to mend.

      --json             print JSON
  -b, --backend BACKEND  --config FILE         --dir DIR  --allow-insecure-dir
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

Exit status: 0 all is well; 1 something was found.
)";

}  // namespace

std::string_view help_text(CommandKind kind) {
  switch (kind) {
    case CommandKind::exec:
      return kExec;
    case CommandKind::acquire:
      return kAcquire;
    case CommandKind::release:
      return kRelease;
    case CommandKind::status:
      return kStatus;
    case CommandKind::doctor:
      return kDoctor;
    case CommandKind::complete:
    case CommandKind::help:
    case CommandKind::version:
    case CommandKind::overview:
      return kOverview;
  }
  return kOverview;
}

}  // namespace lockgate
