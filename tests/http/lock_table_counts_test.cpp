// SPDX-License-Identifier: Apache-2.0
// What the lock table tells operators of itself.
#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <tuple>

#include "tests/http/table_play.hpp"

namespace lockgate::server {

TEST_CASE("the sums that are told are those of what is there, whatever happens") {
  TablePlay play;
  std::mt19937 dice(7);
  std::vector<std::string> handles;
  std::deque<Parked> parked;
  const auto order_of = [&dice](AcquireOrder::Wait wait) {
    auto order = TablePlay::order(std::to_string(dice() % 20), dice() % 2 == 0 ? Mode::shared : Mode::exclusive, wait);
    order.name = LockName("lock " + std::to_string(dice() % 3));
    return order;
  };
  for (int i = 0; i < 3000; ++i) {
    const LockName name("lock " + std::to_string(dice() % 3));
    switch (dice() % 7) {
      case 0:
      case 1:
        if (const auto answer = play.ask(order_of(AcquireOrder::Wait::no)); is_granted(answer)) {
          handles.push_back(answer->holder.handle);
        }
        break;
      case 2:
        parked.emplace_back(play, order_of(AcquireOrder::Wait::park));
        break;
      case 3:
        for (const std::string& handle : handles) {
          play.table().release({name, handle, "", ""}, [](HandleAnswer) {});
        }
        break;
      case 4:
        play.table().leave(name, std::to_string(dice() % 20), "");
        break;
      case 5:
        play.table().break_holds(name, std::nullopt, [](HandleAnswer, const std::vector<HolderInfo>&) {});
        break;
      default:
        play.advance(std::chrono::milliseconds(dice() % 4000));
    }
    std::size_t held = 0, holders = 0, waiters = 0;
    for (const LockState& lock : play.table().list({}, "")) {
      held += lock.holders.empty() ? 0 : 1;
      holders += lock.holders.size();
      waiters += lock.waiters.size();
    }
    const TableCounters counters = play.table().counters();
    REQUIRE(std::tuple(counters.locks_held, counters.holders, counters.waiters) == std::tuple(held, holders, waiters));
  }
}

}  // namespace lockgate::server
