// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace lockgate::server {
namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string head(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class Number>
std::string single(std::string_view name, std::string_view type, std::string_view help, Number value) {
  return head(name, type, help) + fmt::format("{} {}\n", name, value);
}

}  // namespace

void Histogram::add(Duration duration) {
  const double value = seconds(duration);
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin();
  ++counts_.at(static_cast<std::size_t>(bucket));
  sum_ += value;
}

std::string Histogram::text(std::string_view name, std::string_view labels) const {
  std::string lines;
  std::uint64_t so_far = 0;
  const std::string before = labels.empty() ? "" : std::string(labels) + ",";
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    so_far += counts_.at(i);
    lines += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, before, kBounds.at(i), so_far);
  }
  so_far += counts_.back();
  const std::string braces = labels.empty() ? "" : fmt::format("{{{}}}", labels);
  return lines + fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n{}_sum{} {}\n{}_count{} {}\n", name, before, so_far, name,
                             braces, sum_, name, braces, so_far);
}

void Metrics::on_request(std::string_view route, int status, Duration took) {
  ++requests_[{std::string(route), status}];
  latencies_[std::string(route)].add(took);
}

std::string Metrics::text(const Now& now) const {
  const TableCounters& table = now.table;
  std::string text = single("lockgate_ready", "gauge", "1 while the server grants locks.", now.grants() ? 1 : 0);
  text += single("lockgate_locks_held", "gauge", "Locks that somebody holds.", table.locks_held);
  text += single("lockgate_holders", "gauge", "Holds; shared locks have several.", table.holders);
  text += single("lockgate_waiters", "gauge", "Places in the queues of all locks.", table.waiters);
  text += single("lockgate_connections", "gauge", "Open connections.", now.connections);
  text += single("lockgate_parked_requests", "gauge", "Requests that wait for a lock or for events.", now.parked);
  text += single("lockgate_grants_total", "counter", "Locks granted.", table.grants);
  text += single("lockgate_conflicts_total", "counter", "Wishes that could not be granted at once.", table.conflicts);
  text += single("lockgate_renewals_total", "counter", "Leases renewed.", table.renewals);
  text += single("lockgate_releases_total", "counter", "Holds given back.", table.releases);
  text += single("lockgate_expirations_total", "counter", "Holds that nobody renewed in time.", table.expirations);
  text += single("lockgate_breaks_total", "counter", "Holds ended by force.", table.breaks);
  text += single("lockgate_journal_commits_total", "counter", "Commits of the journal.", table.commits);
  text += single("lockgate_journal_commit_failures_total", "counter", "Commits that failed.", table.commit_failures);
  text += head("lockgate_requests_total", "counter", "HTTP requests by route and status.");
  for (const auto& [key, count] : requests_) {
    text += fmt::format("lockgate_requests_total{{route=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
  }
  text += head("lockgate_request_seconds", "histogram", "From the request to its answer, waiting included.");
  for (const auto& [route, latency] : latencies_) {
    text += latency.text("lockgate_request_seconds", fmt::format("route=\"{}\"", route));
  }
  text += head("lockgate_wait_seconds", "histogram", "From the wish to the grant.") +
          waits_.text("lockgate_wait_seconds", "");
  text += head("lockgate_hold_seconds", "histogram", "From the grant to its end.") +
          holds_.text("lockgate_hold_seconds", "");
  return text;
}

}  // namespace lockgate::server
