// SPDX-License-Identifier: Apache-2.0
// lockgate doctor: what holds here, who said so, and what is to be mended.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/session.hpp"
#include "core/duration.hpp"

namespace lockgate {
namespace {

struct Line {
  std::string what;
  std::string value;
  std::string origin;
};

std::string text_of(const Timeout& timeout) {
  return timeout.limit ? format_duration(*timeout.limit) : "none";
}

std::vector<Line> effective_values(const Session& session) {
  const Settings& s = session.settings;
  std::vector<Line> lines = {{"backend", s.backend.value, s.backend.origin}};
  const auto add = [&lines](const char* what, const Setting<std::string>& setting) {
    lines.push_back({what, setting.value.empty() ? "none" : setting.value, setting.origin});
  };
  if (s.kind.value == BackendKind::file) {
    add("dir", s.dir);
  } else {
    add("url", s.server.url);
    add("token_file", s.server.token_file);
    add("ca_file", s.server.ca_file);
    add("cert_file", s.server.cert_file);
    add("key_file", s.server.key_file);
  }
  const bool by_lease = s.kind.value != BackendKind::file && s.kill_after.origin == "default";
  const std::vector<Line> rest = {
      {"timeout", text_of(s.timeout.value), s.timeout.origin},
      {"ttl", format_duration(s.ttl.value), s.ttl.origin},
      {"kill_after", by_lease ? "4s, or as the ttl allows" : format_duration(s.kill_after.value), s.kill_after.origin},
      {"conflict_exit_code", std::to_string(s.conflict_exit_code.value), s.conflict_exit_code.origin},
      {"on_lost", s.on_lost.value, s.on_lost.origin},
      {"color", s.color.value, s.color.origin}};
  lines.insert(lines.end(), rest.begin(), rest.end());
  return lines;
}

/// Tries a lock on a file without a name, which disturbs nobody. Empty if it works.
std::optional<std::string> try_lock_in(const std::string& dir) {
  const UniqueFd file(open(dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) {
    return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EACCES || errno == EROFS
               ? std::nullopt
               : std::optional(fmt::format("cannot make a file in {}: {}", quote(dir), errno_text(errno)));
  }
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return fmt::format("flock(2) does not work in {}: {}", quote(dir), errno_text(errno));
  }
  return std::nullopt;
}

std::vector<std::string> find_faults(Session& session) {
  std::vector<std::string> faults;
  try {
    connect(session);
    faults = session.backend->diagnose();
  } catch (const Error& error) {
    faults.push_back(error.what() + (error.next_step().empty() ? "" : "; " + error.next_step()));
  }
  if (session.settings.kind.value != BackendKind::file) {
    return faults;
  }
  if (const auto fault = try_lock_in(session.settings.dir.value)) {
    faults.push_back(*fault);
  }
  if (std::getenv("SUDO_USER") != nullptr && geteuid() == 0 && session.settings.dir.origin == "default") {
    faults.push_back(
        fmt::format("under sudo the locks are in {}, without it in the user's own directory: these are two "
                    "places that do not exclude each other; say --dir DIR in both",
                    session.settings.dir.value));
  }
  return faults;
}

}  // namespace

int run_doctor(Session& session) {
  const std::vector<Line> values = effective_values(session);
  const std::vector<std::string> faults = find_faults(session);
  const std::string config = session.settings.config_file.value_or("");
  if (session.flags().json) {
    nlohmann::ordered_json document;
    document["config_file"] = config.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(config);
    for (const Line& line : values) {
      document["settings"][line.what] = {{"value", line.value}, {"origin", line.origin}};
    }
    document["findings"] = faults;
    print(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else if (!session.flags().quiet) {
    std::string text = fmt::format("{:<20} {}\n", "configuration", config.empty() ? "none" : printable(config));
    for (const Line& line : values) {
      text += fmt::format("{:<20} {:<30} {}\n", line.what, printable(line.value), printable(line.origin));
    }
    print(text);
  }
  for (const std::string& fault : faults) {
    session.log.error(fault);
  }
  if (faults.empty()) {
    session.log.say("nothing to mend");
  }
  return to_int(faults.empty() ? ExitCode::done : ExitCode::no);
}

}  // namespace lockgate
