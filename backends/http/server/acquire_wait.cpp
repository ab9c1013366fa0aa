// SPDX-License-Identifier: Apache-2.0
// Waiting for the table's answers inside a handler's coroutine.
#include "backends/http/server/acquire_wait.hpp"

#include <optional>
#include <utility>

namespace lockgate::server {

PendingWish::PendingWish(Exchange& exchange, LockTable& table, AcquireOrder order)
    : exchange_(exchange), table_(table) {
  ticket_ = table.acquire(std::move(order), [this](const AcquireAnswer& answer) {
    answer_ = std::make_unique<AcquireAnswer>(answer);
    exchange_.wake();
  });
}

PendingWish::~PendingWish() {
  if (!answer_) {
    table_.abandon(ticket_);
  }
}

boost::asio::awaitable<void> PendingWish::wait(BootTime until) {
  std::optional<BootTime> limit = until;
  bool may_end = true;
  while (!answer_) {
    const Unparked why = co_await exchange_.park(limit, may_end);
    // The answer and the hang-up may have come together.
    if (why == Unparked::hung_up || (why == Unparked::woken && !exchange_.is_connected())) {
      break;
    }
    if (why != Unparked::woken) {
      limit.reset();
      table_.end_wait(ticket_);
      // Without an answer now, it is a grant that is being made durable: the loop has to go on to hear of that, and a
      // park that ends because the server stops would end at once, again and again.
      may_end = why != Unparked::stopping;
    }
  }
}

AcquireAnswer PendingWish::answer() const {
  if (answer_) {
    return *answer_;
  }
  AcquireAnswer nobody_hears;
  nobody_hears.kind = AcquireAnswer::Kind::stopping;
  return nobody_hears;
}

}  // namespace lockgate::server
