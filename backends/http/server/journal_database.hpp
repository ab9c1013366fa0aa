// SPDX-License-Identifier: Apache-2.0
// The SQLite file behind the durable journal. Only its .cpp knows SQLite.
#pragma once

#include <memory>
#include <string>

#include "backends/http/server/journal.hpp"

namespace lockgate::server {

/// One thread at a time. Everything throws Error: io_error where the disk does not do what it should.
class JournalDatabase {
 public:
  /// Opens `path`, or makes it (0600, its folder 0700), and keeps every other server out. Throws Error: not_understood
  /// for what is no journal of ours or of a newer version (it stays as it is), conflict where another server has it,
  /// cannot_create, not_allowed.
  explicit JournalDatabase(const std::string& path);
  ~JournalDatabase();
  JournalDatabase(const JournalDatabase&) = delete;
  JournalDatabase& operator=(const JournalDatabase&) = delete;

  [[nodiscard]] JournalContent load();
  void begin();
  void write(const JournalEntry& entry);
  void commit();  // durable when it returns
  void roll_back() noexcept;

 private:
  struct Sqlite;
  std::unique_ptr<Sqlite> sqlite_;
};

}  // namespace lockgate::server
