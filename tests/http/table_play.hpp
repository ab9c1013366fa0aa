// SPDX-License-Identifier: Apache-2.0
// A lock table in a world that tests turn by hand: its clocks, its alarm, and a journal that answers when it is told
// to.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/http/server/lock_table.hpp"

namespace lockgate::server {

/// Remembers what it is given, and calls back when a test says how it went.
class HeldJournal final : public Journal {
 public:
  explicit HeldJournal(JournalContent content = {}) : content_(std::move(content)) {}

  JournalContent load() override { return content_; }
  void append(JournalEntry entry, std::function<void(Durability)> done) override {
    entries.push_back(std::move(entry));
    waiting_.push_back(std::move(done));
    if (at_once) {
      finish(Durability::durable);
    }
  }
  [[nodiscard]] bool healthy() const override { return is_healthy; }
  [[nodiscard]] bool durable() const override { return is_durable; }
  void flush() override { finish(Durability::durable); }
  [[nodiscard]] Counters counters() const override { return {}; }

  void finish(Durability how) {
    for (auto& done : std::exchange(waiting_, {})) {
      if (done) {
        done(how);
      }
    }
  }
  /// The oldest that has not been told of.
  void finish_next(Durability how) {
    const auto done = std::move(waiting_.front());
    waiting_.pop_front();
    if (done) {
      done(how);
    }
  }
  /// Those of one kind, oldest first.
  template <class Kind>
  [[nodiscard]] std::vector<Kind> of() const {
    std::vector<Kind> found;
    for (const JournalEntry& entry : entries) {
      if (const auto* one = std::get_if<Kind>(&entry)) {
        found.push_back(*one);
      }
    }
    return found;
  }

  bool at_once = true;
  bool is_healthy = true;
  bool is_durable = true;
  std::vector<JournalEntry> entries;

 private:
  JournalContent content_;
  std::deque<std::function<void(Durability)>> waiting_;
};

struct TablePlay {
  explicit TablePlay(JournalContent content = {}, TableLimits with = {}) : journal(std::move(content)), limits(with) {}

  LockTable& table() {
    if (!table_) {
      table_.emplace(journal, limits,
                     TableWorld{[this] { return now; }, [this] { return wall; },
                                [this](std::optional<BootTime> when) { alarm = when; }});
    }
    return *table_;
  }

  /// Turns the clocks on, and does on the way what the alarm was set for.
  void advance(Duration by) {
    const BootTime end = now + by;
    while (alarm && *alarm <= end) {
      wall += std::chrono::duration_cast<std::chrono::microseconds>(std::max(Duration(0), Duration(*alarm - now)));
      now = std::max(now, *alarm);
      alarm.reset();
      table().expire_due();
    }
    wall += std::chrono::duration_cast<std::chrono::microseconds>(end - now);
    now = end;
  }

  static AcquireOrder order(const std::string& who, Mode mode, AcquireOrder::Wait wait) {
    LeaseWish wish;
    wish.acquirer_id = who;
    wish.mode = mode;
    wish.ttl = std::chrono::seconds(10);
    wish.keep_place = wait == AcquireOrder::Wait::park ? std::chrono::seconds(5) : std::chrono::seconds(0);
    return {LockName("lock"), std::move(wish), "", wait};
  }
  /// A try: the answer, empty where it is not there yet.
  std::optional<AcquireAnswer> ask(AcquireOrder wanted) {
    std::optional<AcquireAnswer>& answer = answers_.emplace_back();
    table().acquire(std::move(wanted), [&answer](const AcquireAnswer& what) { answer = what; });
    return answer;
  }
  std::optional<AcquireAnswer> ask(const std::string& who, Mode mode = Mode::exclusive) {
    return ask(order(who, mode, AcquireOrder::Wait::no));
  }
  HandleAnswer release(const std::string& handle, const std::string& request = "") {
    std::optional<HandleAnswer>& answer = release_answers_.emplace_back();
    table().release({LockName("lock"), handle, request, ""}, [&answer](HandleAnswer what) { answer = what; });
    return answer.value_or(HandleAnswer::not_durable);
  }
  HandleAnswer renew(const std::string& handle) {
    return table().renew({LockName("lock"), handle, "", {}, {}, {}}).answer;
  }

  BootTime now{std::chrono::hours(1)};
  WallTime wall{std::chrono::hours(500'000)};
  std::optional<BootTime> alarm;
  HeldJournal journal;
  TableLimits limits;

 private:
  // They may come when nobody looks any more.
  std::deque<std::optional<AcquireAnswer>> answers_;
  std::deque<std::optional<HandleAnswer>> release_answers_;
  std::optional<LockTable> table_;
};

/// One who waits: its ticket, and its answer when it has come.
struct Parked {
  Parked(TablePlay& play, AcquireOrder order) {
    ticket = play.table().acquire(std::move(order), [this](const AcquireAnswer& what) { answer = what; });
  }
  Parked(TablePlay& play, const std::string& who, Mode mode = Mode::exclusive)
      : Parked(play, TablePlay::order(who, mode, AcquireOrder::Wait::park)) {}
  Parked(const Parked&) = delete;
  Parked& operator=(const Parked&) = delete;

  [[nodiscard]] bool granted() const { return answer && answer->kind == AcquireAnswer::Kind::granted; }
  Ticket ticket = 0;
  std::optional<AcquireAnswer> answer;
};

inline bool is_granted(const std::optional<AcquireAnswer>& answer) {
  return answer && answer->kind == AcquireAnswer::Kind::granted;
}

}  // namespace lockgate::server
