// SPDX-License-Identifier: Apache-2.0
// What operators watch: counters and histograms, in the text format of Prometheus.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "backends/http/server/lock_table.hpp"
#include "core/clock.hpp"

namespace lockgate::server {

/// How many of some durations were at most so long. Fixed bounds, from 1 ms to an hour.
class Histogram {
 public:
  void add(Duration duration);
  /// Its lines, without HELP and TYPE. `labels`: `route="x"`, or nothing.
  [[nodiscard]] std::string text(std::string_view name, std::string_view labels) const;

 private:
  static constexpr std::array<double, 12> kBounds = {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30, 60, 300, 1200, 3600};
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

/// One thread.
class Metrics {
 public:
  /// `route`: of a fixed few, never what the client sent.
  void on_request(std::string_view route, int status, Duration took);
  void on_wait(Duration waited) { waits_.add(waited); }
  void on_hold(Duration held) { holds_.add(held); }

  struct Now {
    TableCounters table;
    std::size_t connections = 0;
    std::size_t parked = 0;
    bool journal_healthy = true;
    Duration grace_left{};  // of a memory store that was started anew
    [[nodiscard]] bool grants() const { return journal_healthy && grace_left == Duration::zero(); }
  };
  [[nodiscard]] std::string text(const Now& now) const;

 private:
  std::map<std::pair<std::string, int>, std::uint64_t, std::less<>> requests_;
  std::map<std::string, Histogram, std::less<>> latencies_;
  Histogram waits_;
  Histogram holds_;
};

}  // namespace lockgate::server
