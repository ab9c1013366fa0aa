// SPDX-License-Identifier: Apache-2.0
// Waiting for the table's answers inside a handler's coroutine.
#include <optional>

#include "backends/http/server/routes.hpp"

namespace lockgate::server {
namespace {

/// A wish that is parked at the table. If its handler goes before there is an answer (the client hung up), nobody
/// waits.
class ParkedWish {
 public:
  ParkedWish(Exchange& exchange, LockTable& table, AcquireOrder order) : table_(table) {
    ticket_ = table.acquire(std::move(order), [this, &exchange](const AcquireAnswer& answer) {
      answer_ = answer;
      exchange.wake();
    });
  }
  ParkedWish(const ParkedWish&) = delete;
  ParkedWish& operator=(const ParkedWish&) = delete;
  ~ParkedWish() {
    if (!answer_) {
      table_.abandon(ticket_);
    }
  }

  [[nodiscard]] const std::optional<AcquireAnswer>& answer() const { return answer_; }
  void end_wait() { table_.end_wait(ticket_); }

 private:
  LockTable& table_;
  Ticket ticket_ = 0;
  std::optional<AcquireAnswer> answer_;
};

}  // namespace

boost::asio::awaitable<AcquireAnswer> acquire_and_wait(Exchange& exchange, LockTable& table, AcquireOrder order,
                                                       BootTime until) {
  ParkedWish wish(exchange, table, std::move(order));
  std::optional<BootTime> limit = until;
  bool may_end = true;
  while (!wish.answer()) {
    const Unparked why = co_await exchange.park(limit, may_end);
    // The answer and the hang-up may have come together.
    if (why == Unparked::hung_up || (why == Unparked::woken && !exchange.is_connected())) {
      break;
    }
    if (why != Unparked::woken) {
      limit.reset();
      wish.end_wait();
      // Without an answer now, it is a grant that is being made durable: the loop has to go on to hear of that, and a
      // park that ends because the server stops would end at once, again and again.
      may_end = why != Unparked::stopping;
    }
  }
  AcquireAnswer answer;
  answer.kind = AcquireAnswer::Kind::stopping;
  if (wish.answer()) {
    answer = *wish.answer();
  }
  co_return answer;
}

boost::asio::awaitable<HandleAnswer> release_and_wait(Exchange& exchange, LockTable& table, ReleaseOrder order) {
  std::optional<HandleAnswer> answer;
  table.release(order, [&answer, &exchange](HandleAnswer what) {
    answer = what;
    exchange.wake();
  });
  // Until it is durable, which takes a commit: a client that hangs up meanwhile changes nothing.
  while (!answer) {
    co_await exchange.park(std::nullopt, false);
  }
  co_return *answer;
}

}  // namespace lockgate::server
