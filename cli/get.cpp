// SPDX-License-Identifier: Apache-2.0
// lockgate get: what holders have published as the value of their hold.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/session.hpp"
#include "cli/status_output.hpp"
#include "core/error.hpp"

namespace lockgate {

int run_get(Session& session) {
  const LockName name(session.line.names.at(0));
  const LockState lock = session.backend->list({name}).front();
  if (lock.state == LockState::State::unknown && lock.holders.empty()) {
    throw Error(ExitCode::unavailable, fmt::format("it cannot be told who holds {}", where(session, name)));
  }
  std::string lines;
  if (lock.state != LockState::State::expired) {
    // On a terminal, what others have published could be more than text.
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    for (const HolderInfo& holder : lock.holders) {
      if (const auto& value = holder.published.value) {
        lines += (terminal ? printable(*value) : *value) + "\n";
      }
    }
  }
  if (lines.empty()) {
    session.log.verbose(fmt::format("{} is {}{}", where(session, name), to_string(lock.state),
                                    lock.state == LockState::State::held ? ", without a value" : ""));
    return to_int(ExitCode::no);
  }
  print(session.flags().json ? values_to_json(lock) : lines);
  return to_int(ExitCode::done);
}

}  // namespace lockgate
