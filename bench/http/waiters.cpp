// SPDX-License-Identifier: Apache-2.0
// Many that wait for one lock, within this process.
#include "../report.hpp"
#include "../samples.hpp"
#include "load.hpp"
#include "measures.hpp"
#include "queue.hpp"

namespace bench {
namespace {

constexpr double kFlat = 1.25;  // times the hand-off with 8 waiters: what counts as flat

struct CrowdPlan {
  Store store;
  Channel channel;
  double most_mib;  // of the target
};

/// What a crowd of waiters costs one kind of server.
struct Crowd {
  std::vector<std::pair<double, double>> mib;  // by the number of waiters
  std::vector<double> idle, woken, readers_woken, parked_pairs, woken_pairs;
  bool in_order = true;
};

double idle_share(const Server& server, double seconds) {
  rest(kSecond / 2);
  const auto cpu = server.cpu(), start = now();
  rest(static_cast<Nanoseconds>(seconds * kSecond));
  return static_cast<double>(server.cpu() - cpu) / static_cast<double>(now() - start);
}

Queue::Wake wake(const Server& server, Queue& queue, std::vector<double>& others) {
  Bystander bystander(server, kSecond / 1000);
  auto result = queue.release_all();
  const auto took = bystander.stop();
  if (took.empty()) {
    fail("a client beside the waiters was not served");
  }
  others.insert(others.end(), took.begin(), took.end());
  return result;
}

void run_crowd(const Setting& setting, const CrowdPlan& plan, int waiters, Crowd& crowd) {
  const Server server(lockgate_server(setting, plan.store, plan.channel));
  crowd.mib.clear();
  crowd.mib.emplace_back(1, server.resident_mib());
  {
    Queue queue(server, "crowd", Mode::exclusive);
    int parked = 0;
    for (const int size : {100, 1'000, 3'000, 10'000}) {
      if (size <= waiters) {
        queue.park(size - parked);
        parked = size;
        crowd.mib.emplace_back(size, server.resident_mib());
      }
    }
    crowd.idle.push_back(idle_share(server, setting.seconds(3, 1)));
    Bystander bystander(server, kSecond / 1000);
    rest(kSecond / 2);
    const auto took = bystander.stop();
    crowd.parked_pairs.insert(crowd.parked_pairs.end(), took.begin(), took.end());
    const auto woken = wake(server, queue, crowd.woken_pairs);
    crowd.woken.push_back(woken.seconds);
    crowd.in_order = crowd.in_order && woken.in_order;
  }
  Queue readers(server, "readers", Mode::shared);
  readers.park(waiters);
  crowd.readers_woken.push_back(wake(server, readers, crowd.woken_pairs).seconds);
}

void judge_crowd(const std::string& name, const CrowdPlan& plan, int waiters, const Crowd& crowd, Page& page) {
  const auto what = "P7: " + std::to_string(waiters) + " waiters, " + name + ": ";
  const double mib = crowd.mib.back().second, idle = median(crowd.idle), woken = median(crowd.woken);
  const double p99 = quantile(crowd.woken_pairs, 0.99) / 1000;
  page.judge(what + "memory", "at most " + number(plan.most_mib) + " MiB", number(mib) + " MiB", mib <= plan.most_mib);
  page.judge(what + "CPU when idle", "none (below 1 % of a core)", number(100 * idle) + " %", idle < 0.01);
  page.judge(what + "all woken in order, each gives back at once", "0.5 s",
             number(woken) + " s, " + (crowd.in_order ? "in order" : "not in order"), woken <= 0.5 && crowd.in_order);
  page.judge(what + "others' pairs meanwhile", "p99 under 100 ms", number(p99) + " ms", p99 < 100);
}

}  // namespace

void measure_crowd(const Setting& setting, Page& page) {
  const int waiters = setting.quick ? 1'000 : 10'000;
  Sheet sheet{std::to_string(waiters) + " waiters for one lock, each with a request that is held back",
              {"server", "MiB before", "MiB with them", "KiB a waiter", "CPU when idle (%)", "all woken (s)",
               "us a hand-off", "all readers woken (s)", "others' p99, parked (ms)", "others' p99, woken (ms)"},
              {}};
  Plot memory{"Resident memory (MiB)", "waiters", {}};
  for (const auto& plan : {CrowdPlan{Store::memory, Channel::plain, 64}, CrowdPlan{Store::journal, Channel::plain, 64},
                           CrowdPlan{Store::memory, Channel::tls, 256}}) {
    Crowd crowd;
    const auto enough = now() + static_cast<Nanoseconds>(setting.seconds(30, 0) * kSecond);
    for (int round = 0; round == 0 || (round < 3 && now() < enough); ++round) {
      run_crowd(setting, plan, waiters, crowd);
    }
    const auto name = lockgate_server(setting, plan.store, plan.channel).name;
    const double before = crowd.mib.front().second, with = crowd.mib.back().second;
    const double woken = median(crowd.woken);
    sheet.rows.push_back({name, number(before), number(with), number((with - before) * 1024 / waiters),
                          number(100 * median(crowd.idle)), number(woken), number(woken * 1e6 / waiters),
                          number(median(crowd.readers_woken)), number(quantile(crowd.parked_pairs, 0.99) / 1000),
                          number(quantile(crowd.woken_pairs, 0.99) / 1000)});
    judge_crowd(name, plan, waiters, crowd, page);
    memory.curves.push_back({name, crowd.mib});
  }
  page.add(std::move(sheet));
  page.plots.push_back(std::move(memory));
  page.notes.emplace_back(
      "All woken: one after the other, each gives the lock back as soon as it has it, by a request of its own; the "
      "order is compared with the queue as the server told it. All readers woken: by a single release.");
  page.notes.emplace_back("Others: a client with a lock of its own, which it takes and gives back every millisecond.");
}

void measure_hand_offs(const Setting& setting, Page& page) {
  const std::vector<int> sizes{8, 64, 256, 1'000};
  Sheet sheet{"Hand-off between waiters in one process: a release is sent, the next has its grant",
              {"server", "waiters", "p50 (us)", "p99 (us)", "hand-offs/s"},
              {}};
  Plot throughput{"Hand-offs per second", "waiters", {}}, slowest{"p99 of a hand-off (ms)", "waiters", {}};
  for (const Store store : {Store::memory, Store::journal}) {
    const Server server(lockgate_server(setting, store));
    throughput.curves.push_back({server.name(), {}});
    slowest.curves.push_back({server.name(), {}});
    std::vector<std::vector<double>> took(sizes.size());
    const int rounds = setting.quick ? 1 : 3;
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        wait_for_metric(server.address(), "lockgate_waiters", 0);  // those of the last one are let go
        Queue queue(server, "round-" + std::to_string(sizes[i]) + "-" + std::to_string(round), Mode::exclusive);
        queue.park(sizes[i]);
        const auto some = queue.go_round(setting.seconds(0.7, 0.3));
        took[i].insert(took[i].end(), some.begin(), some.end());
      }
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const double p99 = quantile(took[i], 0.99);
      const double per_second = static_cast<double>(took[i].size()) / rounds / setting.seconds(0.7, 0.3);
      sheet.rows.push_back(
          {server.name(), std::to_string(sizes[i]), number(median(took[i])), number(p99), number(per_second)});
      throughput.curves.back().points.emplace_back(sizes[i], per_second);
      slowest.curves.back().points.emplace_back(sizes[i], p99 / 1000);
    }
    const double growth = median(took.back()) / median(took.front());
    page.judge("P11: hand-off, 8 to 1000 waiters, " + server.name(), "flat: at most " + number(kFlat) + "x",
               number(growth) + "x", growth <= kFlat);
  }
  page.add(std::move(sheet));
  page.plots.push_back(std::move(throughput));
  page.plots.push_back(std::move(slowest));
}

}  // namespace bench
