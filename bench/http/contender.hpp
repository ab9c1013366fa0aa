// SPDX-License-Identifier: Apache-2.0
// Servers that take turns under the same load.
#pragma once

#include "../samples.hpp"
#include "load.hpp"

namespace bench {

/// One server in one language, and what it gave in all of its turns.
struct Contender {
  const Server* server;
  Protocol protocol;
  std::vector<double> pairs_per_second = {}, cpu_per_pair = {};  // of each turn
  std::vector<double> took = {};                                 // by each pair, us

  void run(int clients, double seconds) {
    auto load = run_pairs(*server, protocol, clients, seconds);
    pairs_per_second.push_back(load.pairs_per_second);
    cpu_per_pair.push_back(load.cpu_per_pair);
    took.insert(took.end(), load.took.begin(), load.took.end());
  }
};

inline void take_turns(std::vector<Contender>& contenders, int clients, int rounds, double seconds) {
  std::mt19937 random(1);  // NOLINT: the same order in every run is wanted
  std::vector<Contender*> order;
  for (auto& contender : contenders) {
    order.push_back(&contender);
  }
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (Contender* contender : order) {
      contender->run(clients, seconds);
    }
  }
}

}  // namespace bench
