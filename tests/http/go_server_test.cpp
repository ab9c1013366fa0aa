// SPDX-License-Identifier: Apache-2.0
// Locks on a server of the Go library: how it is known, and what its answers mean.
#include <atomic>

#include "tests/http/lock_client.hpp"

using namespace lock_client;
using namespace std::chrono_literals;
using scripted::Received;
using scripted::Reply;
using scripted::Server;

namespace {

std::string go_error(const std::string& text) {
  return R"({"err":")" + text + R"("})";
}

std::string go_acquired(const std::string& name = "deploy", const std::string& handle = kHandle) {
  return R"({"lockHandle":{"uuid":")" + handle + R"(","lockName":")" + name + R"("},"err":""})";
}

std::string go_refused(const std::string& error) {
  return R"({"lockHandle":{"uuid":"","lockName":""},"err":")" + error + R"("})";
}

using Answer = std::function<Reply(std::size_t nth, const Received&)>;

/// A Go server whose acquire answers so; its release knows of the one handle, once.
Server::Script go_server(const Answer& acquire, const Answer& renew = {}, const Answer& release = {}) {
  auto acquired = std::make_shared<std::atomic<std::size_t>>(0);
  auto renewed = std::make_shared<std::atomic<std::size_t>>(0);
  auto released = std::make_shared<std::atomic<std::size_t>>(0);
  return [=](const Received& request) {
    if (request.path == "/acquire") {
      return acquire((*acquired)++, request);
    }
    if (request.path == "/renew-lease") {
      return renew ? renew((*renewed)++, request) : scripted::json(200, go_error(""));
    }
    if (request.path == "/release") {
      if (!has(request.body, kHandle)) {
        return scripted::json(200, go_error("no existing lock lease found"));
      }
      return release ? release((*released)++, request) : scripted::json(200, go_error(""));
    }
    return scripted::text(404, "404 page not found\n", "text/plain; charset=utf-8");
  };
}

Server::Script grants() {
  return go_server([](std::size_t, const Received&) { return scripted::json(200, go_acquired()); });
}

/// What a try gets from a server that answers these three so.
ExitCode try_at(const Reply& acquire, const Reply& info, const Reply& release) {
  Server server([=](const Received& request) {
    return request.path == "/v1/acquire" ? acquire
           : request.path == "/v1/"      ? info
           : request.path == "/release"  ? release
                                         : scripted::json(200, go_acquired());
  });
  const auto backend = backend_at(server.url());
  try {
    static_cast<void>(lock_client::acquire(*backend, 0s));
  } catch (const Error& error) {
    CHECK(server.received("/acquire").empty());
    return error.code();
  }
  return ExitCode::done;
}

}  // namespace

TEST_CASE("a Go server is known by a 404 and its word for a hold that it does not know, once a process") {
  Server server(grants());
  const auto backend = backend_at(server.url());
  const BootTime before = BootClock::now();
  const auto grant = std::get<Grant>(acquire(*backend, {}));
  CHECK(grant.handle == kHandle);
  CHECK(grant.token == 0);
  CHECK(grant.lease->ttl == 9s);
  CHECK(grant.lease->counted_from >= before);
  CHECK(backend->release(grant) == Released::done);
  CHECK(std::holds_alternative<Grant>(acquire(*backend, {})));
  CHECK(server.received("/v1/").size() == 1);
  CHECK(server.received("/v1/acquire").size() == 1);
}

TEST_CASE("the leases of a Go server have one length, and another one that somebody asked for is refused") {
  Server server(grants());
  const auto backend = backend_at(server.url());
  Request request = request_for("deploy", 30s);
  CHECK(std::holds_alternative<Grant>(acquire(*backend, 0s, request)));
  request.ttl_was_said = true;
  const Error error = error_of([&] { static_cast<void>(acquire(*backend, 0s, request)); });
  CHECK(error.code() == ExitCode::usage);
  CHECK(has(error.what(), "10s"));
  CHECK(has(error.what(), "30s"));
  CHECK(server.received("/acquire").size() == 1);
  request.ttl = 10s;
  CHECK(std::holds_alternative<Grant>(acquire(*backend, 0s, request)));
}

TEST_CASE("nothing else is a Go server") {
  const Reply not_found = scripted::text(404, "404 page not found\n", "text/plain");
  const Reply no_lease = scripted::json(200, go_error("no existing lock lease found"));
  const Reply html = scripted::text(200, "<html>", "text/html");
  CHECK(try_at(not_found, not_found, no_lease) == ExitCode::done);
  CHECK(try_at(html, html, no_lease) == ExitCode::not_understood);
  CHECK(try_at(not_found, scripted::json(200, "{}"), no_lease) == ExitCode::not_understood);
  CHECK(try_at(not_found, not_found, scripted::json(200, "{}")) == ExitCode::not_understood);
  CHECK(try_at(not_found, not_found, html) == ExitCode::not_understood);
  CHECK(try_at(not_found, not_found, scripted::json(200, go_error(""))) == ExitCode::not_understood);
  CHECK(try_at(not_found, not_found, scripted::json(404, go_error("no existing lock lease found"))) ==
        ExitCode::not_understood);
  CHECK(try_at(not_found, scripted::json(500, ""), no_lease) == ExitCode::unavailable);
  CHECK(try_at(not_found, not_found, scripted::json(502, "")) == ExitCode::unavailable);
  CHECK(try_at(not_found, scripted::json(401, ""), no_lease) == ExitCode::not_allowed);
  CHECK(try_at(scripted::json(503, ""), not_found, no_lease) == ExitCode::unavailable);
  CHECK(try_at(scripted::json(403, ""), not_found, no_lease) == ExitCode::not_allowed);
  CHECK(try_at(not_found, scripted::json(200, R"({"service":"lockgate","version":"9","api":2})"), no_lease) ==
        ExitCode::not_understood);
}

TEST_CASE("D10: the words for a lock that changes under the server's eyes mean: try again") {
  Server server(go_server([](std::size_t nth, const Received&) {
    return scripted::json(200, nth == 0   ? go_refused("should wait")
                               : nth == 1 ? go_refused("lock already leased")
                               : nth == 2 ? go_refused("no existing lock lease found")
                                          : go_acquired());
  }));
  const BootTime begin = BootClock::now();
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), {})));
  const auto asked = server.received("/acquire");
  REQUIRE(asked.size() == 4);
  CHECK(body_of(asked[0]).at("opts").at("acquirerId") == body_of(asked[3]).at("opts").at("acquirerId"));
  CHECK(BootClock::now() - begin > 700ms);  // with pauses
}

TEST_CASE("a try at a Go server has no id, so that it leaves no place in the queue") {
  Server server(go_server([](std::size_t, const Received&) { return scripted::json(200, go_refused("should wait")); }));
  Request request = request_for("deploy");
  request.mode = Mode::shared;
  CHECK(std::get<Busy>(acquire(*backend_at(server.url()), 0s, request)).why == Busy::Why::held);
  const auto body = body_of(server.received("/acquire").at(0));
  CHECK(body.at("lockName") == "deploy");
  CHECK(body.at("opts").at("shared") == true);
  CHECK(body.at("opts").at("acquirerId") == "");
}

TEST_CASE("D13: a wait at a Go server that is over tries once more") {
  Server server(go_server([](std::size_t nth, const Received&) {
    return scripted::json(200, nth == 0 ? go_refused("should wait") : go_acquired());
  }));
  const BootTime begin = BootClock::now();
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), 100ms)));
  CHECK(BootClock::now() - begin < 300ms);
}

TEST_CASE("D8: a Go server's `{}`, an empty uuid or another lock's handle is no grant") {
  for (const std::string& body :
       {std::string("{}"), go_refused(""), go_acquired("another"), std::string(R"({"lockHandle":null,"err":""})"),
        std::string(R"({"lockHandle":{"uuid":"6f1f0f6e-0000-4000-8000-000000000001","lockName":"deploy"}})"),
        std::string("<html>")}) {
    CAPTURE(body);
    Server server(go_server([&](std::size_t, const Received&) { return scripted::json(200, body); }));
    CHECK(error_of([&] { static_cast<void>(acquire(*backend_at(server.url()), 0s)); }).code() ==
          ExitCode::not_understood);
  }
}

TEST_CASE("D12: a Go server's grant that came late is confirmed, and given up where it is gone") {
  const auto late = [](std::size_t nth, const Received&) {
    Reply reply = scripted::json(200, nth == 0 ? go_acquired() : go_refused("should wait"));
    reply.before_each_byte = std::chrono::milliseconds(nth == 0 ? 1100 / reply.bytes.size() + 1 : 0);
    return reply;
  };
  Server good(go_server(late));
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(good.url()), {})));
  CHECK(good.received("/renew-lease").size() == 1);
  Server bad(go_server(
      late, [](std::size_t, const Received&) { return scripted::json(200, go_error("lock already leased")); }));
  CHECK(std::holds_alternative<Busy>(acquire(*backend_at(bad.url()), 2s)));
}

TEST_CASE("a request at a Go server is not cut off while it may be granted, and what comes is given back") {
  Server server(go_server([](std::size_t, const Received&) {
    Reply reply = scripted::json(200, go_acquired());
    reply.before_each_byte = std::chrono::milliseconds(300 / reply.bytes.size() + 1);
    return reply;
  }));
  const auto backend = backend_at(server.url());
  TestWaiting waiting({});
  const std::jthread caller([&] {
    server.wait_for(4);
    waiting.say(WaitVerdict::cancelled);
  });
  CHECK_THROWS_AS(static_cast<void>(backend->acquire(request_for("deploy"), waiting)), Cancelled);
  CHECK(server.received("/release").size() == 2);  // the one that found out what it is, and this
}

TEST_CASE("D18: a Go server's own errors are not taken for an answer") {
  Server server(go_server(
      [](std::size_t nth, const Received&) {
        return nth == 0 ? scripted::json(200, go_refused("Precondition failed")) : scripted::json(200, go_acquired());
      },
      [](std::size_t, const Received&) { return scripted::json(200, go_error("Precondition failed")); }));
  const auto backend = backend_at(server.url());
  const auto grant = std::get<Grant>(acquire(*backend, {}));
  const Attempt attempt{.give_up = BootClock::now() + 5s};
  const Error error = error_of([&] { static_cast<void>(backend->renew(grant, attempt)); });
  CHECK(error.code() == ExitCode::unavailable);
  CHECK(has(error.what(), "Precondition failed"));
}

TEST_CASE("D5: a Go server's renewal is renewed, lost, or neither") {
  Server server(go_server([](std::size_t, const Received&) { return scripted::json(200, go_acquired()); },
                          [](std::size_t nth, const Received&) {
                            return nth == 0   ? scripted::json(200, go_error(""))
                                   : nth == 1 ? scripted::json(200, go_error("lock already leased"))
                                   : nth == 2 ? scripted::json(200, go_error("no existing lock lease found"))
                                   : nth == 3 ? scripted::json(503, "")
                                              : scripted::json(200, "{}");
                          }));
  const auto backend = backend_at(server.url());
  const auto grant = std::get<Grant>(acquire(*backend, {}));
  const auto renew = [&] { return backend->renew(grant, {.give_up = BootClock::now() + 5s}); };
  CHECK(renew().lease.ttl == 9s);
  CHECK(renew().result == Renewal::Result::lost);
  CHECK(renew().result == Renewal::Result::lost);
  CHECK(error_of(renew).code() == ExitCode::unavailable);
  CHECK(error_of(renew).code() == ExitCode::not_understood);
}

TEST_CASE("D15: a Go server's release is tried again, and was done if only its answer was lost") {
  Server server(go_server([](std::size_t, const Received&) { return scripted::json(200, go_acquired()); }, {},
                          [](std::size_t nth, const Received&) {
                            return nth == 0 ? scripted::cut(Reply::Then::reset)
                                            : scripted::json(200, go_error("no existing lock lease found"));
                          }));
  const auto backend = backend_at(server.url());
  const auto grant = std::get<Grant>(acquire(*backend, {}));
  CHECK(backend->release(grant) == Released::done);
}

TEST_CASE("D3: a reader's release is not sent to a Go server twice, for it would count twice") {
  Server server(go_server([](std::size_t, const Received&) { return scripted::json(200, go_acquired()); }, {},
                          [](std::size_t, const Received&) { return scripted::cut(Reply::Then::reset); }));
  const auto backend = backend_at(server.url());
  Request request = request_for("deploy");
  request.mode = Mode::shared;
  const auto grant = std::get<Grant>(acquire(*backend, {}, request));
  CHECK(error_of([&] { static_cast<void>(backend->release(grant)); }).code() == ExitCode::unavailable);
  std::size_t sent = 0;
  for (const Received& received : server.received("/release")) {
    sent += has(received.body, kHandle) ? 1 : 0;
  }
  CHECK(sent == 1);
}

TEST_CASE("what a Go server cannot do is said, and its locks are unknown") {
  Server server(grants());
  const auto backend = backend_at(server.url());
  const auto grant = std::get<Grant>(acquire(*backend, {}));
  const auto locks = backend->list({LockName("a")});
  REQUIRE(locks.size() == 1);
  CHECK(locks[0].state == LockState::State::unknown);
  CHECK(locks[0].name == "a");
  CHECK(backend->list({}).empty());
  const auto hear = [](const LockEvent&) { return Hearing::enough; };
  CHECK(error_of([&] { static_cast<void>(backend->set_value(grant, "v")); }).code() == ExitCode::usage);
  CHECK(error_of([&] { backend->watch({}, -1, hear); }).code() == ExitCode::usage);
  const Error error = error_of([&] { static_cast<void>(backend->break_holds(LockName("a"), 1s)); });
  CHECK(error.code() == ExitCode::usage);
  CHECK(has(error.what(), "Go library"));
}
