// SPDX-License-Identifier: Apache-2.0
// lockgate and lockgate-net: the only place where errors become exit statuses.
#include <fcntl.h>
#include <unistd.h>

#include <exception>

#include "backends/registry.hpp"
#include "cli/program.hpp"
#include "cli/serve.hpp"
#include "cli/session.hpp"
#include "core/error.hpp"

namespace lockgate {
namespace {

/// Whatever is opened while one of the standard descriptors is closed would take its place, and be written to or handed
/// to the command as such. So they are filled, with what cannot be written to: a handle that nobody gets is an error.
/// The command still gets them closed.
void fill_standard_descriptors() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) {
      // The lowest free number is `fd` itself. It stays open for as long as lockgate runs.
      [[maybe_unused]] const int filled = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
  }
}

/// Commands that go to a backend.
int run_placed(CommandLine line, const Start& start) {
  Settings settings = resolve_settings(line.flags, Surroundings::of_this_process());
  const std::string kind(to_string(settings.kind.value));
  const bool needs_backend = line.command != CommandKind::complete || line.names.at(0) != "profiles";
  if (needs_backend && find_backend(kind) == nullptr) {
    hand_over(start, kind);
  }
  Session session = open_session(std::move(line), std::move(settings));
  if (session.line.command == CommandKind::doctor) {
    return run_doctor(session);
  }
  if (session.line.command == CommandKind::complete) {
    return run_complete(session);
  }
  connect(session);
  switch (session.line.command) {
    case CommandKind::exec:
      return run_exec(session, start.signals);
    case CommandKind::acquire:
      return run_acquire(session);
    case CommandKind::release:
      return run_release(session);
    case CommandKind::renew:
      return run_renew(session);
    case CommandKind::status:
      return run_status(session);
    case CommandKind::get:
      return run_get(session);
    case CommandKind::set:
      return run_set(session);
    default:
      return run_watch(session);
  }
}

int run(CommandLine line, const Start& start) {
  switch (line.command) {
    case CommandKind::help:
    case CommandKind::version:
      print(line.program_help);
      return to_int(ExitCode::done);
    case CommandKind::overview: {
      [[maybe_unused]] const ssize_t shown = write(STDERR_FILENO, line.program_help.data(), line.program_help.size());
      return to_int(ExitCode::usage);
    }
    case CommandKind::serve:
      return line.flags.new_token ? run_new_token(line) : run_serve(line, start);
    default:
      return run_placed(std::move(line), start);
  }
}

int run_and_report(int argc, char** argv) {
  const Log log(Log::Level::normal);
  try {
    const Signals signals;
    check_caller();
    return run(parse_command_line(argc, argv), {argv, signals});
  } catch (const Cancelled& cancelled) {
    die_of(cancelled.signal);
  } catch (const Error& error) {
    log.error(error);
    return to_int(error.code());
  } catch (const std::exception& error) {
    log.error(std::string("internal error: ") + error.what());
    log.error("this is a bug in lockgate; please report it with the command line and this message");
    return to_int(ExitCode::internal);
  }
}

}  // namespace
}  // namespace lockgate

int main(int argc, char** argv) {
  lockgate::fill_standard_descriptors();
  // Not by exit(): nothing here waits to be written, and tidying up the libraries' globals would only cost time.
  _exit(lockgate::run_and_report(argc, argv));
}
