// SPDX-License-Identifier: Apache-2.0
// The help texts, laid out by hand. tests/surface holds them together with the table of options and the man pages.
#include "cli/help.hpp"

namespace lockgate {
namespace {

constexpr std::string_view kOverview = R"(Usage: lockgate COMMAND [OPTION]... [NAME]...

  exec     NAME [--] COMMAND [ARG]...: run COMMAND while holding the lock NAME
  acquire  take the lock, leave it held, print its handle
  release  give back what acquire took
  renew    have a hold last for another lease
  status   show who holds what, and who waits
  get      print the value of a held lock
  set      change the value without letting the lock go
  watch    print a line for each change
  serve    be the lock server
  doctor   check configuration, backend and permissions; say what to mend

  -b, --backend BACKEND  file, http, a URL, or a profile of the configuration
      --config FILE      read this configuration, not ~/.config/lockgate/...
      --dir DIR          where lock files are    --allow-insecure-dir
      --url URL          of the lock server      --token-file FILE
      --cacert FILE      whom to trust           --cert FILE   --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --json
  -h, --help             also "lockgate CMD --help"      --version

A --value or --reason is published to everyone who may see the lock.
Exit status: COMMAND's; 75: the lock was not had; 64: usage; all: lockgate(1).
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
      --ttl D            lease length (15s)    --on-lost terminate|continue
      --value TEXT, --reason TEXT    published to all who may see the lock
      --publish-command  publish all of COMMAND ARG..., not just its name
      --id ID            the acquirer's id (random)
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

D: 250ms, 10s, 1m30s, 2h, or seconds; --timeout also takes none (the default).
)";

constexpr std::string_view kAcquire = R"(Usage: lockgate acquire [OPTION]... NAME
Takes the lock NAME and leaves it held in the background, until "lockgate
release NAME". Prints the handle, which can release it.

  -s, --shared           many at once          -x, --exclusive  alone (default)
  -n, --nonblock         do not wait           -w, --timeout D  wait at most D
  -E, --conflict-exit-code N  status where the lock was not had (75)
      --owner-pid PID    give it back when process PID ends
      --max-hold D       give it back after D
      --path             NAME is the file or directory itself, as in flock(1)
      --ttl D            lease length (15s)
      --on-lost terminate|continue   what becomes of PID when the lock is lost
      --value TEXT, --reason TEXT    published to all who may see the lock
      --publish-command  publish the acquirer's whole command line
      --id ID            the acquirer's id (random)
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
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
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

Exit status: 0 given back; 76 there is no such hold, or it was lost before;
64 it cannot be told which one; 75 the holder is another program than lockgate.
)";

constexpr std::string_view kRenew = R"(Usage: lockgate renew [OPTION]... NAME HANDLE
Has the hold with that handle last for another lease, wherever it was taken.
Prints nothing; with -v, until when.

      --keep             renew until stopped, for a hold that was handed over
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

Exit status: 0 renewed; 76 the hold is gone; 69 there was no clear answer.
--keep ends with 76, or by a signal, which leaves the hold as it is.
)";

constexpr std::string_view kStatus = R"(Usage: lockgate status [OPTION]... [NAME]...
Shows who holds each lock, since when, until when, and who waits. Never
disturbs a lock.

      --json             print JSON, times in UTC
      --watch            redraw the table as things change
  -q, --quiet            print nothing; exit 0: NAME is held, 1 free, 69 unknown
      --path             NAME is the file or directory itself, as in flock(1)
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -v, --verbose   --color auto|always|never   --version   -h, --help

Values and reasons of holders are shown to everyone who may see the lock.
)";

constexpr std::string_view kGet = R"(Usage: lockgate get [OPTION]... NAME
Prints the value that the holder of NAME has published: a line for each holder
that has one, oldest first.

      --json             print JSON
      --path             NAME is the file or directory itself, as in flock(1)
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

Exit status: 0 printed; 1 the lock is free, or held without a value.
)";

constexpr std::string_view kSet = R"(Usage: lockgate set [OPTION]... NAME VALUE
Changes the value of a hold of NAME without letting it go. Which hold is meant
is told as for "lockgate release"; inside "lockgate exec", that of exec.

      --handle HANDLE    the hold with this handle, wherever it was taken
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

A value is published to everyone who may see the lock.
Exit status: 0 set; 76 the hold is gone; 64 it cannot be told which one.
)";

constexpr std::string_view kWatch = R"(Usage: lockgate watch [OPTION]... [NAME]...
Prints how the locks NAME are, or all locks, and then a line for each change,
until it is interrupted.

      --name-prefix P    locks whose names begin with P, too; may be repeated
      --until STATE      end when the one NAME is held, free, or has value=TEXT
      --json             print a JSON document a line
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
  -q, --quiet  -v, --verbose  --color auto|always|never  --version  -h, --help

Exit status: 0 it is as --until says.
Files tell of no changes: "lockgate status" can look at them again and again.
)";

constexpr std::string_view kServe = R"(Usage: lockgate serve [OPTION]...
       lockgate serve --new-token --name NAME [--role read|lock|admin]
                      [--name-prefix P]... [--tokens FILE]
Serves locks over HTTP.

      --listen WHERE     ADDR:PORT (127.0.0.1:55589) or unix:PATH
      --store STORE      sqlite:PATH (/var/lib/lockgate/locks.db) or memory
      --tls-cert FILE    --tls-key FILE        serve https
      --client-ca FILE   clients need a certificate that it signed
      --tokens FILE      clients need a token  --insecure  or nothing at all
      --max-ttl D        longest lease: 1h; 60s with --store memory
      --no-restart-grace grant at once after a restart of a memory store
      --max-body N       --max-connections N   --max-connections-per-address N
      --max-waiters N    of one lock           --max-locks N
      --log-format text|json
      --new-token        make a token, print it; add its line to --tokens FILE
      --name NAME        --role read|lock|admin (lock)   of the new token
      --name-prefix P    it is for locks whose names begin with P; repeatable
  -q, --quiet  -v, --verbose  --version  -h, --help

-v logs each request. SIGHUP: read certificates and tokens again.
)";

constexpr std::string_view kDoctor = R"(Usage: lockgate doctor [OPTION]...
Checks the configuration and the backend (directory, permissions, filesystem;
server, certificates, token, clock), and says what to mend.

      --json             print JSON
  -b, --backend BACKEND  --config FILE  --dir DIR  --allow-insecure-dir
      --url URL  --token-file FILE  --cacert FILE  --cert FILE  --key FILE
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
    case CommandKind::renew:
      return kRenew;
    case CommandKind::status:
      return kStatus;
    case CommandKind::get:
      return kGet;
    case CommandKind::set:
      return kSet;
    case CommandKind::watch:
      return kWatch;
    case CommandKind::serve:
      return kServe;
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
