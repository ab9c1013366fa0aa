// SPDX-License-Identifier: Apache-2.0
#include "backends/http/diagnosis.hpp"

#include <fmt/format.h>

#include "backends/http/v1_calls.hpp"
#include "core/duration.hpp"
#include "core/handle.hpp"

namespace lockgate::http {
namespace {

constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::seconds kClockTolerance{2};

std::string as_line(const Error& error) {
  return error.what() + (error.next_step().empty() ? "" : " (" + error.next_step() + ")");
}

/// Tries what the roles of a token allow, with a hold that nobody has.
void try_roles(LockServer& server, HttpClient& client, std::vector<std::string>& lines) {
  const LockName name("lockgate-doctor");
  const HttpWait wait{.give_up = BootClock::now() + kPatience};
  const Grant nobodys{.name = name, .handle = new_handle(), .lease = {}};
  V1 v1(server, client);
  const auto line_for = [&](const std::string& what, const auto& attempt) {
    try {
      attempt();
    } catch (const Error& error) {
      lines.push_back(fmt::format("cannot {}: {}", what, as_line(error)));
    }
  };
  line_for("see locks (role read)", [&] { v1.list({name}, wait); });
  line_for("take locks (role lock)", [&] {
    const auto asked = v1.renew(nobodys, Duration(0), wait);
    if (const auto* setback = std::get_if<Setback>(&asked)) {
      throw setback->error;
    }
  });
}

}  // namespace

std::vector<std::string> diagnose_server(LockServer& server, HttpClient& client) {
  std::vector<std::string> lines = client.oddities();
  try {
    if (server.find_dialect(client, {.give_up = BootClock::now() + kPatience}) == Dialect::go) {
      lines.push_back(
          fmt::format("{} is a lock server of the Go library: no status, no values, no fencing tokens, and "
                      "a fixed lease of 10s",
                      server.url()));
    } else {
      try_roles(server, client, lines);
    }
  } catch (const Error& error) {
    lines.push_back(as_line(error));
  }
  if (const auto offset = client.clock_offset(); offset && std::chrono::abs(*offset) > kClockTolerance) {
    const auto whole = std::chrono::round<std::chrono::seconds>(std::chrono::abs(*offset));
    lines.push_back(fmt::format("the clock of {} is {} {} ours: locks do not mind, but times are shown wrong",
                                server.url(), format_duration(whole), *offset > Duration(0) ? "ahead of" : "behind"));
  }
  return lines;
}

}  // namespace lockgate::http
