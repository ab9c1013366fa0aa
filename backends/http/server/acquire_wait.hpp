// SPDX-License-Identifier: Apache-2.0
// What a handler asks of the table and has to wait for.
#pragma once

#include <memory>

#include "backends/http/server/engine.hpp"
#include "backends/http/server/lock_table.hpp"

namespace lockgate::server {

/// A wish at the table, and in the end its answer. If it goes before there is one (the client hung up), nobody waits.
/// Thousands of them are parked at a time: all that is big is at the table.
class PendingWish {
 public:
  PendingWish(Exchange& exchange, LockTable& table, AcquireOrder order);
  PendingWish(const PendingWish&) = delete;
  PendingWish& operator=(const PendingWish&) = delete;
  ~PendingWish();

  /// For the answer, until `until` in the way that suits the order. To be awaited once.
  boost::asio::awaitable<void> wait(BootTime until);
  /// After that. `stopping` also where the client hung up: nobody hears it then.
  [[nodiscard]] AcquireAnswer answer() const;

 private:
  Exchange& exchange_;
  LockTable& table_;
  Ticket ticket_ = 0;
  std::unique_ptr<AcquireAnswer> answer_;
};

/// Gives a hold back, and waits until that is durable.
boost::asio::awaitable<HandleAnswer> release_and_wait(Exchange& exchange, LockTable& table, ReleaseOrder order);

}  // namespace lockgate::server
