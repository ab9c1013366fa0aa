// SPDX-License-Identifier: Apache-2.0
// The rules of a leased lock against a second, slow and simple telling of them, over thousands of random steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "core/lease_rules.hpp"

using namespace lockgate;
using namespace std::chrono_literals;

namespace {

/// What the rules are meant to do, looked up by walking through everything.
struct Model {
  struct Hold {
    std::string handle;
    Mode mode;
    StoreTime expires;
  };
  struct Wait {
    std::string id;
    Mode mode;
    StoreTime expires;
  };
  std::vector<Hold> holds;
  std::vector<Wait> waits;

  void expire(StoreTime now) {
    std::erase_if(holds, [now](const Hold& hold) { return hold.expires <= now; });
    std::erase_if(waits, [now](const Wait& wait) { return wait.expires <= now; });
  }
  auto place_of(const std::string& id) {
    return std::find_if(waits.begin(), waits.end(), [&](const Wait& wait) { return wait.id == id; });
  }
  bool grants(const LeaseWish& wish) {
    const auto excludes = [&](const Hold& hold) {
      return hold.mode == Mode::exclusive || wish.mode == Mode::exclusive;
    };
    const auto blocks = [&](const Wait& wait) {
      return wait.mode == Mode::exclusive || wish.mode == Mode::exclusive || wish.acquirer_id.empty();
    };
    const bool passes = wish.pass_queue && wish.mode == Mode::shared && !holds.empty();
    return std::none_of(holds.begin(), holds.end(), excludes) &&
           (passes || std::none_of(waits.begin(), place_of(wish.acquirer_id), blocks));
  }
  void grant(const LeaseWish& wish, StoreTime now) {
    std::erase_if(waits, [&](const Wait& wait) { return wait.id == wish.acquirer_id; });
    holds.push_back({wish.handle, wish.mode, now + wish.ttl});
  }
  std::size_t queue(const LeaseWish& wish, StoreTime now) {
    auto place = place_of(wish.acquirer_id);
    if (!wish.acquirer_id.empty() && wish.keep_place > 0s) {
      if (place == waits.end()) {
        place = waits.insert(place, {wish.acquirer_id, wish.mode, now});
      }
      place->mode = wish.mode;
      place->expires = now + wish.keep_place;
    }
    return static_cast<std::size_t>(place - waits.begin());
  }
};

class Play {
 public:
  explicit Play(unsigned seed) : random_(seed) {}

  void step() {
    now_ += std::chrono::milliseconds(pick(300));
    expire(lock_, now_);
    model_.expire(now_);
    switch (pick(10)) {
      case 0:
        return give_back();
      case 1:
        return renew_one();
      case 2:
        return leave_queue();
      default:
        return ask();
    }
  }

  void check_holds() {
    REQUIRE(lock_.holders.size() == model_.holds.size());
    std::size_t at = 0;
    for (const auto& [place, holder] : lock_.holders.in_order()) {
      REQUIRE(holder.handle == model_.holds[at].handle);
      REQUIRE(holder.expires == model_.holds[at].expires);
      REQUIRE((holder.mode == Mode::shared || lock_.holders.size() == 1));
      ++at;
    }
  }

  void check_queue() {
    REQUIRE(lock_.queue.size() == model_.waits.size());
    std::size_t at = 0;
    for (const auto& [place, waiter] : lock_.queue.in_order()) {
      REQUIRE(waiter.acquirer_id == model_.waits[at].id);
      REQUIRE(waiter.expires == model_.waits[at].expires);
      REQUIRE(lock_.queue.ahead_of(waiter.acquirer_id) == at);
      ++at;
    }
  }

 private:
  unsigned pick(unsigned count) { return std::uniform_int_distribution<unsigned>(0, count - 1)(random_); }

  void ask() {
    LeaseWish wish;
    wish.handle = std::to_string(++made_);
    const unsigned who = pick(400);
    wish.acquirer_id = who < 20 ? "" : "id" + std::to_string(who);
    wish.mode = pick(4) == 0 ? Mode::exclusive : Mode::shared;
    wish.ttl = std::chrono::milliseconds(1 + pick(2000));
    wish.keep_place = std::chrono::milliseconds(pick(5) == 0 ? 0 : 1 + pick(60'000));
    wish.pass_queue = pick(20) == 0;
    const bool granted = model_.grants(wish);
    const auto answer = acquire(lock_, wish, now_, pick(2) == 0 ? 0 : made_ * 2);
    REQUIRE(std::holds_alternative<LeaseHolder>(answer) == granted);
    if (!granted) {
      REQUIRE(std::get<Queued>(answer).ahead == model_.queue(wish, now_));
      return;
    }
    model_.grant(wish, now_);
    const std::uint64_t token = std::get<LeaseHolder>(answer).token;
    REQUIRE((wish.mode == Mode::shared ? token == last_token_ : token > last_token_));
    last_token_ = token;
  }

  std::string some_handle() { return std::to_string(made_ - std::min<std::uint64_t>(made_, pick(12))); }

  void give_back() {
    const std::string handle = some_handle();
    const auto gone = std::erase_if(model_.holds, [&](const auto& hold) { return hold.handle == handle; });
    REQUIRE(release(lock_, handle, now_).has_value() == (gone == 1));
  }

  void renew_one() {
    const std::string handle = some_handle();
    const LeaseHolder* renewed = renew(lock_, handle, now_, 1500ms);
    const auto hold =
        std::find_if(model_.holds.begin(), model_.holds.end(), [&](const auto& held) { return held.handle == handle; });
    REQUIRE((renewed != nullptr) == (hold != model_.holds.end()));
    if (renewed != nullptr) {
      hold->expires = now_ + 1500ms;
    }
  }

  void leave_queue() {
    const std::string id = "id" + std::to_string(pick(400));
    const auto gone = std::erase_if(model_.waits, [&](const auto& wait) { return wait.id == id; });
    REQUIRE(leave(lock_, id) == (gone == 1));
  }

  std::mt19937 random_;
  LeaseLock lock_;
  Model model_;
  StoreTime now_ = 0s;
  std::uint64_t made_ = 0;
  std::uint64_t last_token_ = 0;
};

unsigned seed_of_today() {
  const char* given = std::getenv("LOCKGATE_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
}

}  // namespace

TEST_CASE("twenty thousand random steps: no two that exclude each other, tokens grow, nobody is overtaken") {
  const unsigned seed = seed_of_today();
  MESSAGE("LOCKGATE_TEST_SEED=" << seed);
  CAPTURE(seed);
  Play play(seed);
  for (int i = 0; i < 20'000; ++i) {
    CAPTURE(i);
    play.step();
    play.check_holds();
    play.check_queue();
  }
}
