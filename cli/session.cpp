// SPDX-License-Identifier: Apache-2.0
#include "cli/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "backends/registry.hpp"
#include "cli/describe.hpp"
#include "core/duration.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

/// The word that the shell would need quotes for, in quotes.
std::string shell_word(const std::string& word) {
  constexpr auto kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/=:@%+,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
    return word;
  }
  std::string quoted = "'";
  for (const char c : word) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return quoted + "'";
}

std::string published_command(const Flags& flags, const std::vector<std::string>& program) {
  if (program.empty()) {
    return "";
  }
  if (!flags.publish_command) {
    return program[0].substr(program[0].rfind('/') + 1);
  }
  std::string line;
  for (const std::string& word : program) {
    line += (line.empty() ? "" : " ") + shell_word(word);
  }
  constexpr std::size_t kLongest = 4096;
  return line.substr(0, kLongest);
}

std::string own_host() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  return gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "";
}

/// The one lock of that name as it is now; empty where it cannot be looked at: these lines are only for people.
std::optional<LockState> look(Session& session, const LockName& name) {
  try {
    return session.backend->list({name}).front();
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

Log::Level log_level(const Flags& flags) {
  const char* debug = std::getenv("LOCKGATE_DEBUG");
  if (flags.verbose > 1 || (debug != nullptr && std::string_view(debug) == "1")) {
    return Log::Level::debug;
  }
  return flags.quiet ? Log::Level::quiet : flags.verbose == 1 ? Log::Level::verbose : Log::Level::normal;
}

Session open_session(CommandLine line, Settings settings) {
  const Log log(log_level(line.flags));
  for (const std::string& text : settings.passed_over) {
    log.verbose(text);
  }
  const bool files = settings.kind.value == BackendKind::file;
  const Setting<std::string>& place = files ? settings.dir : settings.server.url;
  log.debug(fmt::format("backend {} ({}), {} {} ({})", settings.backend.value, settings.backend.origin,
                        files ? "directory" : "URL", quote(place.value), place.origin));
  return {std::move(line), std::move(settings), log, nullptr};
}

void connect(Session& session) {
  const Settings& settings = session.settings;
  Flags& flags = session.line.flags;
  if (settings.kind.value != BackendKind::file) {
    if (flags.path) {
      throw Error(ExitCode::usage,
                  fmt::format("--path locks a file itself, and the backend is {} ({})", settings.backend.value,
                              settings.backend.origin),
                  "leave it away, or choose files with -b file");
    }
    if (flags.close) {
      session.log.verbose("--close has no meaning for a lock server: there is no descriptor");
    }
  }
  if (flags.path) {
    for (std::string& name : session.line.names) {
      // The keeper works in another directory.
      name = name.empty() ? name : absolute_path(name, Surroundings::of_this_process().current_dir);
    }
  }
  const BackendEntry* entry = find_backend(to_string(settings.kind.value));
  if (entry == nullptr) {
    throw Error(ExitCode::config, fmt::format("this build has no {} backend", to_string(settings.kind.value)));
  }
  const ServerSettings& server = settings.server;
  session.backend = entry->make(
      {.file = {.dir = settings.dir.value,
                .insecure_dir = settings.allow_insecure_dir.value ? InsecureDir::allow : InsecureDir::refuse,
                .name_is = flags.path ? NameIs::path : NameIs::key},
       .http = {.url = server.url.value,
                .token_file = server.token_file.value,
                .ca_file = server.ca_file.value,
                .cert_file = server.cert_file.value,
                .key_file = server.key_file.value}});
}

Request make_request(const Session& session, const std::vector<std::string>& program) {
  const Flags& flags = session.flags();
  return {.name = LockName(session.line.names.at(0)),
          .mode = flags.mode,
          .acquirer_id = flags.id.value_or(""),
          .published = {published_command(flags, program), flags.reason.value_or(""), flags.value},
          .ttl = session.settings.ttl.value,
          .ttl_was_said = session.settings.ttl.origin != "default",
          .ancestor_shares = false};
}

std::string where(const Session& session, const LockName& name) {
  return session.flags().path ? name.quoted() : fmt::format("{} in {}", name.quoted(), session.backend->place());
}

std::string waiting_line(Session& session, const LockName& name, pid_t self) {
  try {
    const LockState lock = session.backend->list({name}).front();
    return fmt::format("waiting for {}: {}{}", where(session, name), describe_holders(lock, wall_now()),
                       describe_place_in_queue(lock, {own_host(), self}));
  } catch (const Error& error) {
    return waiting_line(session, name, error.what());
  }
}

std::string waiting_line(const Session& session, const LockName& name, const std::string& why) {
  return fmt::format("waiting for {}: {}", where(session, name), printable(why));
}

std::string busy_line(Session& session, const LockName& name, const Busy& busy) {
  const auto lock = look(session, name);
  const std::string limit =
      busy.why == Busy::Why::timed_out && session.settings.timeout.value.limit
          ? fmt::format("not free within {}", format_duration(*session.settings.timeout.value.limit))
          : "not free";
  const std::string note = printable(busy.note);
  if (lock && lock->state == LockState::State::free && !note.empty()) {
    return fmt::format("{} is {}: {}", where(session, name), limit, note);  // it is free, and yet not to be had
  }
  return fmt::format("{} is {}: {}{}", where(session, name), limit,
                     lock ? describe_holders(*lock, wall_now()) : "held by another", note.empty() ? "" : "; " + note);
}

}  // namespace lockgate
