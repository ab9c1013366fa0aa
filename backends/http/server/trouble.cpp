// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/trouble.hpp"

#include <fmt/format.h>

#include <utility>

namespace lockgate::server {
namespace {

constexpr Duration kWindow = std::chrono::seconds(10);
constexpr unsigned kLinesPerWindow = 3;

}  // namespace

void Trouble::tell(Topic topic, const std::string& line) noexcept {
  if (!hear_) {
    return;
  }
  Quota& quota = quotas_.at(static_cast<std::size_t>(topic));
  const BootTime now = BootClock::now();
  if (now - quota.since >= kWindow) {
    quota.since = now;
    quota.told = 0;
  }
  if (quota.told == kLinesPerWindow) {
    ++quota.kept_back;
    return;
  }
  ++quota.told;
  const unsigned kept_back = std::exchange(quota.kept_back, 0);
  try {
    hear_(kept_back == 0 ? line : fmt::format("{} (and {} more like it before)", line, kept_back));
  } catch (...) {
    // A log that fails is no reason to stop serving.
    ++quota.kept_back;
  }
}

}  // namespace lockgate::server
