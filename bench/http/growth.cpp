// SPDX-License-Identifier: Apache-2.0
// What a server costs when many locks are held.
#include <memory>

#include "../report.hpp"
#include "contender.hpp"
#include "measures.hpp"

namespace bench {
namespace {

constexpr int kCrowd = 64;         // clients
constexpr double kFlat = 1.25;     // times the cost with one lock: what counts as flat
constexpr int kRenewTtl = 15'000;  // ms, what `lockgate exec` asks for

/// One kind of server: a server for each number of locks, so that all can take turns.
struct Kind {
  std::string name;
  Protocol protocol;
  std::function<Server::Plan()> plan;
  std::vector<std::unique_ptr<Server>> servers = {};
  std::vector<double> mib = {};
};

std::vector<Kind> make_kinds(const Setting& setting, const std::vector<int>& sizes) {
  std::vector<Kind> kinds;
  for (const Store store : {Store::memory, Store::journal}) {
    kinds.push_back({"lockgate, " + name_of(store), Protocol::v1, [=] { return lockgate_server(setting, store); }});
  }
  if (!setting.go_server.empty()) {
    kinds.push_back({"Go, memory", Protocol::go, [=] { return go_server(setting); }});
  }
  for (auto& kind : kinds) {
    for (const int locks : sizes) {
      kind.servers.push_back(std::make_unique<Server>(kind.plan()));
      hold_locks(*kind.servers.back(), kind.protocol, 0, locks);
      kind.mib.push_back(kind.servers.back()->resident_mib());
    }
  }
  return kinds;
}

std::vector<Contender> contenders_of(const std::vector<Kind>& kinds) {
  std::vector<Contender> result;
  for (const auto& kind : kinds) {
    for (const auto& server : kind.servers) {
      result.push_back({server.get(), kind.protocol});
    }
  }
  return result;
}

void judge_growth(const std::vector<int>& sizes, const std::vector<Contender>& alone, Page& page) {
  for (std::size_t kind = 0; kind < 2; ++kind) {  // ours
    const auto& first = alone[kind * sizes.size()];
    const auto& last = alone[(kind + 1) * sizes.size() - 1];
    const double time = median(last.took) / median(first.took);
    const double cpu = median(last.cpu_per_pair) / median(first.cpu_per_pair);
    page.judge(
        "P11: acquire and release, 1 to " + std::to_string(sizes.back()) + " live locks, " + first.server->name(),
        "flat: at most " + number(kFlat) + "x", number(time) + "x the time, " + number(cpu) + "x the CPU",
        time <= kFlat && cpu <= kFlat);
  }
}

}  // namespace

void measure_live_locks(const Setting& setting, Page& page) {
  std::vector<int> sizes{1, 1'000, 10'000};
  if (!setting.quick) {
    sizes.push_back(100'000);
  }
  const auto kinds = make_kinds(setting, sizes);
  auto alone = contenders_of(kinds), crowded = alone;
  const int rounds = setting.quick ? 1 : 3;
  take_turns(alone, 1, rounds, setting.seconds(0.5, 0.2));
  take_turns(crowded, kCrowd, rounds, setting.seconds(0.7, 0.2));
  Sheet sheet{"Taking a lock and giving it back while others are held",
              {"server", "locks held", "1 client: p50 (ms)", "CPU a pair (us)", "64: pairs/s", "64: p99 (ms)", "MiB"},
              {}};
  Plot throughput{"Pairs per second, 64 clients", "locks held", {}};
  Plot slowest{"p99 of a pair (ms), 64 clients", "locks held", {}};
  Plot memory{"Resident memory (MiB)", "locks held", {}};
  for (std::size_t i = 0; i < alone.size(); ++i) {
    const auto& kind = kinds[i / sizes.size()];
    const auto size = i % sizes.size();
    if (size == 0) {
      for (Plot* plot : {&throughput, &slowest, &memory}) {
        plot->curves.push_back({kind.name, {}});
      }
    }
    const double pairs = median(crowded[i].pairs_per_second), p99 = quantile(crowded[i].took, 0.99) / 1000;
    throughput.curves.back().points.emplace_back(sizes[size], pairs);
    slowest.curves.back().points.emplace_back(sizes[size], p99);
    memory.curves.back().points.emplace_back(sizes[size], kind.mib[size]);
    sheet.rows.push_back({kind.name, std::to_string(sizes[size]), milliseconds(median(alone[i].took)),
                          number(median(alone[i].cpu_per_pair)), number(pairs), number(p99), number(kind.mib[size])});
  }
  page.add(std::move(sheet));
  judge_growth(sizes, alone, page);
  for (auto& plot : {throughput, slowest, memory}) {
    page.plots.push_back(plot);
  }
  page.notes.emplace_back(
      "Locks held: MiB is what the server has right after they were taken. The leases of the Go library are 10 s: "
      "those of its server run out while the others are measured, and stay in its table.");
}

void measure_renewals(const Setting& setting, Page& page) {
  const int count = setting.quick ? 1'000 : 10'000;
  Sheet sheet{
      "Renewals of " + std::to_string(count) + " holders, each with a connection of its own, at a third of 15 s",
      {"server", "renewals/s", "share of one core (%)", "p50 (ms)", "p99 (ms)"},
      {}};
  for (const Store store : {Store::memory, Store::journal}) {
    const Server server(lockgate_server(setting, store));
    Holders holders(server, count, kRenewTtl);
    const auto renewals = holders.renew(setting.seconds(10, 2));
    sheet.rows.push_back({server.name(), number(renewals.per_second), number(100 * renewals.share),
                          milliseconds(median(renewals.took)), milliseconds(quantile(renewals.took, 0.99))});
    page.judge("P11: renewals of " + std::to_string(count) + " holders, " + server.name(), "under 10 % of one core",
               number(100 * renewals.share) + " %", renewals.share < 0.1);
  }
  page.add(std::move(sheet));
}

}  // namespace bench
