// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>
#include <optional>

#include "backends/http/server/acquire_wait.hpp"
#include "backends/http/server/asio.hpp"  // first, for clang

namespace lockgate::server {
namespace {

namespace asio = boost::asio;

/// Counts how often it is woken; is never parked.
class DeafExchange final : public Exchange {
 public:
  [[nodiscard]] const HttpRequest& request() const override { return request_; }
  std::string take_body() override { return {}; }
  asio::awaitable<Unparked> park(std::optional<BootTime> /*until*/, bool /*watch_client*/) override {
    co_return Unparked::woken;
  }
  bool is_connected() override { return true; }
  void wake() override { ++woken; }
  asio::awaitable<bool> begin_stream(std::string /*content_type*/) override { co_return false; }
  asio::awaitable<bool> write(std::string /*data*/) override { co_return false; }

  int woken = 0;

 private:
  HttpRequest request_;
};

TEST_CASE("an answer of the table wakes the handler that waits for it, and is what it gets") {
  DeafExchange exchange;
  PendingAnswer<int> pending(exchange);
  pending.heard()(7);
  CHECK(exchange.woken == 1);
  asio::io_context loop;
  std::optional<int> got;
  asio::co_spawn(
      loop, [&]() -> asio::awaitable<void> { got = co_await pending.wait(); }, asio::detached);
  loop.run();
  CHECK(got == 7);
}

TEST_CASE("an answer that comes after its handler has gone wakes nobody") {
  DeafExchange exchange;
  std::function<void(int)> heard;
  {
    const PendingAnswer<int> pending(exchange);
    heard = pending.heard();
  }
  heard(7);
  CHECK(exchange.woken == 0);
}

}  // namespace
}  // namespace lockgate::server
