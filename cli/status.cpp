// SPDX-License-Identifier: Apache-2.0
// lockgate status: who holds what, and what the shell completions ask.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "cli/session.hpp"
#include "cli/status_output.hpp"

namespace lockgate {
namespace {

constexpr std::chrono::seconds kRedrawEvery{1};

std::vector<LockName> wanted_names(const Session& session) {
  std::vector<LockName> names;
  names.reserve(session.line.names.size());
  for (const std::string& name : session.line.names) {
    names.emplace_back(name);
  }
  return names;
}

Style style_of(const Session& session) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool refused = no_color != nullptr && *no_color != '\0';
  const bool automatic = isatty(STDOUT_FILENO) == 1 && !refused;
  const std::string& said = session.settings.color.value;
  return said == "always" || (said == "auto" && automatic) ? Style::colour : Style::plain;
}

std::string render(Session& session, const std::vector<LockName>& names, Layout layout) {
  const std::vector<LockState> locks = session.backend->list(names);
  if (session.flags().json) {
    return to_json({std::string(to_string(session.settings.kind.value)), session.backend->url()}, locks, layout);
  }
  return to_table(locks, wall_now(), style_of(session), names.empty() ? ShowFree::no : ShowFree::yes);
}

/// For `if lockgate status -q NAME`: held, free, or not to be told. With several names: held if one is.
int answer_quietly(Session& session, const std::vector<LockName>& names) {
  int answer = to_int(ExitCode::no);
  for (const LockState& lock : session.backend->list(names)) {
    if (lock.state == LockState::State::held || lock.state == LockState::State::expired) {
      return to_int(ExitCode::done);
    }
    if (lock.state == LockState::State::unknown) {
      answer = to_int(ExitCode::unavailable);
    }
  }
  return answer;
}

/// Draws again every second, as top(1) does, until a signal ends it; as JSON, a document a line for each change.
int watch(Session& session, const std::vector<LockName>& names) {
  let_keyboard_stop();
  const UniqueFd signals = Signals::open({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE});
  std::string previous;
  while (true) {
    const std::string text = render(session, names, Layout::one_line);
    if (session.flags().json) {
      print(text == previous ? "" : text);
    } else if (isatty(STDOUT_FILENO) == 1) {
      print(fmt::format("\x1b[H\x1b[2Jlockgate: {}, {}\n\n{}", session.backend->place(), rfc3339(wall_now()),
                        text.empty() ? "no lock is held\n" : text));
    } else if (text != previous) {
      print(text + "\n");
    }
    previous = text;
    pollfd wake{signals.get(), POLLIN, 0};
    poll(&wake, 1, poll_timeout(BootClock::now() + kRedrawEvery, BootClock::now()));
    if (const auto number = Signals::next(signals)) {
      die_of(*number);
    }
  }
}

}  // namespace

int run_status(Session& session) {
  const std::vector<LockName> names = wanted_names(session);
  if (session.flags().quiet && !names.empty()) {
    return answer_quietly(session, names);
  }
  if (session.flags().watch) {
    return watch(session, names);
  }
  const std::string text = render(session, names, Layout::indented);
  print(text);
  if (text.empty()) {
    session.log.say(fmt::format("no lock is held in {}", session.backend->place()));
  }
  return to_int(ExitCode::done);
}

int run_complete(Session& session) {
  std::string lines;
  if (session.line.names.at(0) == "profiles") {
    for (const std::string& profile : session.settings.profile_names) {
      lines += profile + "\n";
    }
  } else {
    connect(session);
    for (const LockState& lock : session.backend->list({})) {
      lines += lock.name ? *lock.name + "\n" : "";
    }
  }
  print(lines);
  return to_int(ExitCode::done);
}

}  // namespace lockgate
