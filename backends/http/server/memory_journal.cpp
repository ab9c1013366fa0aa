// SPDX-License-Identifier: Apache-2.0
// A journal for a server that may forget: everything counts as written, and nothing is kept.
#include "backends/http/server/journal.hpp"

namespace lockgate::server {
namespace {

class MemoryJournal final : public Journal {
 public:
  JournalContent load() override { return {}; }
  void append(JournalEntry /*entry*/, std::function<void(Durability)> done) override {
    if (done) {
      done(Durability::durable);
    }
  }
  [[nodiscard]] bool healthy() const override { return true; }
  [[nodiscard]] bool durable() const override { return false; }
  void flush() override {}
  [[nodiscard]] Counters counters() const override { return {}; }
};

}  // namespace

std::unique_ptr<Journal> make_memory_journal() {
  return std::make_unique<MemoryJournal>();
}

}  // namespace lockgate::server
