// SPDX-License-Identifier: Apache-2.0
// The journal in SQLite: a table of live holds, one of ended ones that may be asked about again, and the token floor.
// One thread writes. While it commits, what comes in gathers, and is committed together: the group commit.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "backends/http/server/failpoint.hpp"
#include "backends/http/server/journal.hpp"
#include "backends/http/server/journal_database.hpp"
#include "core/error.hpp"

namespace lockgate::server {
namespace {

constexpr std::chrono::seconds kRetryEvery{1};

struct Pending {
  JournalEntry entry;
  std::function<void(Durability)> done;  // empty once it was told of a failure
};

class SqliteJournal final : public Journal {
 public:
  SqliteJournal(const std::string& path, Post post) : database_(path), post_(std::move(post)) {
    writer_ = std::jthread([this](const std::stop_token& stop) { write_until(stop); });
  }
  SqliteJournal(const SqliteJournal&) = delete;
  SqliteJournal& operator=(const SqliteJournal&) = delete;
  ~SqliteJournal() override {
    flush();
    writer_.request_stop();
    work_.notify_all();
  }

  JournalContent load() override {
    const std::lock_guard lock(mutex_);
    return database_.load();
  }
  void append(JournalEntry entry, std::function<void(Durability)> done) override {
    const std::lock_guard lock(mutex_);
    incoming_.push_back({std::move(entry), std::move(done)});
    work_.notify_one();
  }
  [[nodiscard]] bool healthy() const override { return healthy_; }
  [[nodiscard]] bool durable() const override { return true; }
  void flush() override {
    std::unique_lock lock(mutex_);
    // A second try is owed to what failed; if that fails too, there is nothing more to wait for.
    const auto failures = counters_.failures;
    idle_.wait(lock, [&] { return (incoming_.empty() && !writing_) || counters_.failures > failures; });
  }
  [[nodiscard]] Counters counters() const override {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  void write_until(const std::stop_token& stop);
  void commit(std::deque<Pending> batch);
  void tell(std::deque<Pending>& batch, Durability how);

  JournalDatabase database_;  // used by the writer alone, but for load() before there is anything to write
  Post post_;
  mutable std::mutex mutex_;  // guards: incoming_, writing_, counters_
  std::condition_variable_any work_;
  std::condition_variable idle_;
  std::deque<Pending> incoming_;
  bool writing_ = false;
  Counters counters_;
  std::atomic<bool> healthy_ = true;
  std::jthread writer_;  // last: it uses all of the above
};

void SqliteJournal::write_until(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!healthy_) {
      // Not at once again: a full disk stays full for a while, however much comes in.
      work_.wait_for(lock, stop, kRetryEvery, [] { return false; });
    } else {
      work_.wait(lock, stop, [this] { return !incoming_.empty(); });
    }
    if (incoming_.empty()) {
      continue;
    }
    writing_ = true;
    std::deque<Pending> batch = std::exchange(incoming_, {});
    lock.unlock();
    commit(std::move(batch));
    lock.lock();
    writing_ = false;
    idle_.notify_all();
  }
}

void SqliteJournal::commit(std::deque<Pending> batch) {
  bool committed = false;
  try {
    database_.begin();
    failpoint("journal:begun");
    for (const Pending& pending : batch) {
      database_.write(pending.entry);
      failpoint("journal:entry");
    }
    failpoint("journal:written");
    database_.commit();
    failpoint("journal:committed");
    committed = true;
  } catch (const Error&) {
    database_.roll_back();
  }
  healthy_ = committed;
  tell(batch, committed ? Durability::durable : Durability::failed);
  const std::lock_guard lock(mutex_);
  ++(committed ? counters_.commits : counters_.failures);
  counters_.entries += committed ? batch.size() : 0;
  if (!committed) {
    // First in line again: what comes later may undo it, and must come after it.
    std::move(incoming_.begin(), incoming_.end(), std::back_inserter(batch));
    incoming_ = std::move(batch);
  }
}

/// One message to the loop for all of them.
void SqliteJournal::tell(std::deque<Pending>& batch, Durability how) {
  std::vector<std::function<void(Durability)>> all;
  for (Pending& pending : batch) {
    if (pending.done) {
      all.push_back(std::exchange(pending.done, nullptr));
    }
  }
  if (!all.empty()) {
    post_([all = std::move(all), how] {
      for (const auto& done : all) {
        done(how);
      }
    });
  }
}

}  // namespace

std::unique_ptr<Journal> make_sqlite_journal(const std::string& path, Post post) {
  return std::make_unique<SqliteJournal>(path, std::move(post));
}

}  // namespace lockgate::server
