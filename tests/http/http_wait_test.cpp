// SPDX-License-Identifier: Apache-2.0
// How a wait for a lock of a server goes on and comes to its end, whatever becomes of server, time and user.
#include "tests/http/lock_client.hpp"

using namespace lock_client;
using namespace std::chrono_literals;
using scripted::Received;
using scripted::Reply;
using scripted::Server;

namespace {

/// Called off when the first request is at the server.
void wait_until_called_off(Server& server) {
  const auto backend = backend_at(server.url());
  TestWaiting waiting({});
  const std::jthread caller([&] {
    server.wait_for(1);
    waiting.say(WaitVerdict::cancelled);
  });
  CHECK_THROWS_AS(static_cast<void>(backend->acquire(request_for("deploy"), waiting)), Cancelled);
}

}  // namespace

TEST_CASE("F13: a waiter comes back as the server wishes, within bounds") {
  for (const auto* retry_after : {"0", "soon", "-1", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT"}) {
    Server server(acquires([&](std::size_t nth, const Received&) {
      return nth == 0   ? scripted::json(200, kWait)
             : nth == 1 ? scripted::json(503, "<html>", std::string("Retry-After: ") + retry_after + "\r\n")
                        : scripted::json(200, granted());
    }));
    const BootTime begin = BootClock::now();
    CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), {})));
    CHECK(BootClock::now() - begin < 2s);
  }
  Server server(acquires([&](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::json(503, "", "Retry-After: 1\r\n") : scripted::json(200, granted());
  }));
  const BootTime begin = BootClock::now();
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), {})));
  CHECK(BootClock::now() - begin > 1s);
}

TEST_CASE("a server that cannot be reached is unavailable, within the timeout where that is shorter") {
  const std::string url = Server(always({})).url();
  const BootTime begin = BootClock::now();
  const Error error = error_of([&] { static_cast<void>(acquire(*backend_at(url), 300ms)); });
  CHECK(error.code() == ExitCode::unavailable);
  CHECK(has(error.what(), "onnection refused"));
  CHECK(BootClock::now() - begin < 2s);
  CHECK(error_of([&] { static_cast<void>(acquire(*backend_at(url), 0s)); }).code() == ExitCode::unavailable);
}

TEST_CASE("a first contact that fails for five seconds is the end of a wait without a limit") {
  const std::string url = Server(always({})).url();
  const BootTime begin = BootClock::now();
  CHECK(error_of([&] { static_cast<void>(acquire(*backend_at(url), {})); }).code() == ExitCode::unavailable);
  const Duration took = BootClock::now() - begin;
  CHECK(took > 4500ms);
  CHECK(took < 6500ms);
}

TEST_CASE("D13: a wait that is over tries once more, and has the lock if it is free now") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::silent) : scripted::json(200, granted());
  }));
  const BootTime begin = BootClock::now();
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), 300ms)));
  CHECK(BootClock::now() - begin < 1500ms);
  CHECK(body_of(server.received("/v1/acquire").at(1)).at("wait_ms") == 0);
}

TEST_CASE("a wait that is over in vain leaves the queue and is busy") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::silent) : scripted::json(200, kWait);
  }));
  const auto busy = std::get<Busy>(acquire(*backend_at(server.url()), 300ms));
  CHECK(busy.why == Busy::Why::timed_out);
  REQUIRE(server.received("/v1/leave").size() == 1);
  CHECK(body_of(server.received("/v1/leave")[0]).at("acquirer_id") ==
        body_of(server.received("/v1/acquire").at(0)).at("acquirer_id"));
}

TEST_CASE("F10: a wait that is over while the server is out of reach says that, not busy") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::json(200, kWait) : scripted::json(502, "<html>");
  }));
  CHECK(error_of([&] { static_cast<void>(acquire(*backend_at(server.url()), 500ms)); }).code() ==
        ExitCode::unavailable);
}

TEST_CASE("a wait that is called off leaves the queue") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::silent) : scripted::json(200, kWait);
  }));
  wait_until_called_off(server);
  CHECK(server.received("/v1/leave").size() == 1);
}

TEST_CASE("a hold that was granted as the wait was called off is given back") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::silent) : scripted::json(200, granted());
  }));
  wait_until_called_off(server);
  CHECK(request_ids(server).size() == 1);
  REQUIRE(server.received("/v1/release").size() == 1);
  CHECK(body_of(server.received("/v1/release")[0]).at("handle") == kHandle);
}

TEST_CASE("a waiter that is stopped leaves the queue first, and begins anew when it is continued") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::silent) : scripted::json(200, nth == 1 ? kWait : granted());
  }));
  const auto backend = backend_at(server.url());
  TestWaiting waiting({});
  std::size_t left_when_stopped = 0;
  waiting.on_suspend = [&] { left_when_stopped = server.received("/v1/leave").size(); };
  const std::jthread caller([&] {
    server.wait_for(1);
    waiting.say(WaitVerdict::suspend);
  });
  CHECK(std::holds_alternative<Grant>(backend->acquire(request_for("deploy"), waiting)));
  CHECK(left_when_stopped == 1);
  CHECK(request_ids(server).size() == 2);
}
