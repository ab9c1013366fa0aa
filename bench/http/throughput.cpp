// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "../report.hpp"
#include "../samples.hpp"
#include "contender.hpp"
#include "measures.hpp"

namespace bench {
namespace {

constexpr int kCrowd = 64;  // clients

std::string language(Protocol protocol) {
  return protocol == Protocol::go ? "Go library's" : "/v1/";
}

struct Servers {
  explicit Servers(const Setting& setting)
      : memory(lockgate_server(setting, Store::memory)), journal(lockgate_server(setting, Store::journal)) {
    if (!setting.go_server.empty()) {
      go = std::make_unique<Server>(go_server(setting));
    }
  }
  Server memory, journal;
  std::unique_ptr<Server> go;
};

void judge_crowd(const std::vector<Contender>& contenders, Page& page) {
  const auto& memory = contenders[0];
  const auto& journal = contenders[1];
  const auto& go = contenders.back();
  const auto ratio = [&](const Contender& ours) { return median(ours.pairs_per_second) / median(go.pairs_per_second); };
  const double p99 = quantile(memory.took, 0.99), go_p99 = quantile(go.took, 0.99);
  page.judge("P4: pairs/s in memory, 64 clients", "2x the Go server, p99 no worse",
             number(ratio(memory)) + "x, p99 " + milliseconds(p99) + " ms against " + milliseconds(go_p99) + " ms",
             ratio(memory) >= 2 && p99 <= go_p99);
  page.judge("P5: pairs/s with the journal, 64 clients", "1x the Go server in memory", number(ratio(journal)) + "x",
             ratio(journal) >= 1);
}

}  // namespace

void measure_throughput(const Setting& setting, Page& page) {
  const Servers servers(setting);
  std::vector<Contender> start{{&servers.memory, Protocol::go},
                               {&servers.journal, Protocol::go},
                               {&servers.memory, Protocol::v1},
                               {&servers.journal, Protocol::v1}};
  if (servers.go) {
    start.push_back({servers.go.get(), Protocol::go});
  }
  for (const int clients : {1, kCrowd}) {
    auto contenders = start;
    take_turns(contenders, clients, setting.quick ? 3 : 7, setting.seconds(1, 0.3));
    Sheet sheet{"Taking a lock and giving it back, pairs per second, " + std::to_string(clients) +
                    (clients == 1 ? " client" : " clients"),
                {"server", "language", "pairs/s (median)", "to Go", "p50 (ms)", "p99 (ms)", "CPU a pair (us)"},
                {}};
    for (const auto& one : contenders) {
      const double pairs = median(one.pairs_per_second);
      const auto to_go = servers.go ? number(pairs / median(contenders.back().pairs_per_second)) : "";
      sheet.rows.push_back({one.server->name(), language(one.protocol), number(pairs), to_go,
                            milliseconds(median(one.took)), milliseconds(quantile(one.took, 0.99)),
                            number(median(one.cpu_per_pair))});
    }
    page.add(std::move(sheet));
    if (servers.go && clients == kCrowd) {
      judge_crowd(contenders, page);
    }
  }
}

}  // namespace bench
