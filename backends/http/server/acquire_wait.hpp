// SPDX-License-Identifier: Apache-2.0
// What a handler asks of the table and has to wait for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

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

/// One answer of the table that comes when it is durable, which takes a commit: a client that hangs up meanwhile
/// changes nothing. The table may tell it when this is gone, because the server did not wait for it to the end.
template <class Answer>
class PendingAnswer {
 public:
  explicit PendingAnswer(Exchange& exchange) : state_(std::make_shared<State>(State{&exchange, {}})) {}
  PendingAnswer(const PendingAnswer&) = delete;
  PendingAnswer& operator=(const PendingAnswer&) = delete;
  ~PendingAnswer() { state_->exchange = nullptr; }

  /// To be called with it, on the loop's thread.
  [[nodiscard]] std::function<void(Answer)> heard() const {
    return [state = state_](Answer answer) {
      state->answer = std::move(answer);
      if (state->exchange != nullptr) {
        state->exchange->wake();
      }
    };
  }

  boost::asio::awaitable<Answer> wait() {
    while (!state_->answer) {
      co_await state_->exchange->park(std::nullopt, false);
    }
    co_return std::move(*state_->answer);
  }

 private:
  struct State {
    Exchange* exchange;  // null: nobody waits any more
    std::optional<Answer> answer;
  };
  std::shared_ptr<State> state_;
};

}  // namespace lockgate::server
