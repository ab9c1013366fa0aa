// SPDX-License-Identifier: Apache-2.0
// Getting a lock from a server that answers by script: what is a grant, what is not, and what is left behind.
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <set>

#include "tests/http/lock_client.hpp"

using namespace lock_client;
using namespace std::chrono_literals;
using scripted::Received;
using scripted::Reply;
using scripted::Server;

namespace {

/// What a try gets from a server that answers so.
Error error_of_try(const Reply& reply) {
  Server server([reply](const Received&) { return reply; });
  const auto backend = backend_at(server.url());
  return error_of([&] { static_cast<void>(acquire(*backend, 0s)); });
}

}  // namespace

TEST_CASE("a free lock is had and given back with two requests on one connection") {
  Server server(always(scripted::json(200, granted())));
  const auto backend = backend_at(server.url());
  const BootTime before = BootClock::now();
  const auto grant = std::get<Grant>(acquire(*backend, {}));
  CHECK(grant.handle == kHandle);
  CHECK(grant.token == 1760000000000000);
  REQUIRE(grant.lease);
  CHECK(grant.lease->ttl == 15s);
  CHECK(grant.lease->counted_from >= before);
  CHECK(grant.lease->counted_from <= BootClock::now());
  CHECK(backend->release(grant) == Released::done);
  const auto requests = server.received();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].connection == requests[1].connection);
}

TEST_CASE("a request for a lock says all that a server and its other users are to know") {
  Server server(always(scripted::json(200, granted())));
  Request request = request_for("a/b", 20s);
  request.mode = Mode::shared;
  request.ancestor_shares = true;
  request.published = {"make", "release", "v1"};
  acquire(*backend_at(server.url()), {}, request);
  const auto body = body_of(server.received().at(0));
  CHECK(body.at("name") == "a/b");
  CHECK(body.at("mode") == "shared");
  CHECK(body.at("ttl_ms") == 20000);
  CHECK(body.at("pass_queue") == true);
  CHECK(body.at("value") == "v1");
  CHECK(body.at("holder").at("command") == "make");
  CHECK(body.at("holder").at("reason") == "release");
  CHECK(body.at("holder").at("pid") == ::getpid());
  CHECK(body.at("request_id").get<std::string>().size() == 36);
  CHECK(body.at("acquirer_id").get<std::string>().size() == 36);
}

TEST_CASE("a try of a lock that is held is busy at once, and leaves nothing in the queue") {
  Server server(always(scripted::json(200, R"({"outcome":"wait","note":"started anew","grace_ms":41000})")));
  const auto busy = std::get<Busy>(acquire(*backend_at(server.url()), 0s));
  CHECK(busy.why == Busy::Why::held);
  CHECK(busy.note == "started anew");
  REQUIRE(server.received().size() == 1);
  CHECK(body_of(server.received()[0]).at("wait_ms") == 0);
}

TEST_CASE("a waiter comes back with the same ids until it has the lock, and confirms it") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return scripted::json(200, nth < 2 ? kWait : granted(R"(,"waited":true)"));
  }));
  const auto grant = std::get<Grant>(acquire(*backend_at(server.url()), {}));
  const auto acquired = server.received("/v1/acquire");
  REQUIRE(acquired.size() == 3);
  CHECK(request_ids(server).size() == 1);
  CHECK(body_of(acquired[0]).at("acquirer_id") == body_of(acquired[2]).at("acquirer_id"));
  CHECK(body_of(acquired[0]).at("wait_ms") == 2500);  // so that the first answer comes within five seconds
  CHECK(body_of(acquired[1]).at("wait_ms") == 30000);
  REQUIRE(server.received("/v1/renew").size() == 1);
  const auto renewed = body_of(server.received("/v1/renew")[0]);
  CHECK(renewed.at("handle") == kHandle);
  CHECK(renewed.at("mode") == "exclusive");
  CHECK(renewed.at("fencing_token") == grant.token);
}

TEST_CASE("a waiter hears why a server grants nothing; a try has it with its answer") {
  const std::string grace =
      R"({"outcome":"wait","position":1,"keep_ms":5000,"holders":[],"grace_ms":100,"note":"just begun"})";
  Server server(acquires([&](std::size_t nth, const Received&) {
    return scripted::json(200, nth == 0 ? kWait : nth < 3 ? grace : granted());
  }));
  const auto backend = backend_at(server.url());
  TestWaiting waiting({});
  CHECK(std::holds_alternative<Grant>(backend->acquire(request_for("deploy"), waiting)));
  CHECK(waiting.explained == std::vector<std::string>{"just begun", "just begun"});
  Server always_new(always(scripted::json(200, grace)));
  TestWaiting trying(0s);
  const auto busy = backend_at(always_new.url())->acquire(request_for("deploy"), trying);
  CHECK(std::get<Busy>(busy).note == "just begun");
  CHECK(trying.explained.empty());
}

TEST_CASE("a grant that is gone when it is to be confirmed is no grant, and the wait goes on with a new wish") {
  std::atomic<int> renewals = 0;
  Server server([&](const Received& request) {
    if (request.path == "/v1/acquire") {
      return scripted::json(200, granted(R"(,"waited":true)"));
    }
    return renewals++ == 0 ? scripted::json(410, kGone) : scripted::json(200, kRenewed);
  });
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), {})));
  CHECK(request_ids(server).size() == 2);
}

TEST_CASE("D12: a grant that comes late is confirmed, and counts from that") {
  Server server(acquires([](std::size_t, const Received&) {
    Reply late = scripted::json(200, granted());
    late.before_each_byte = std::chrono::milliseconds(1100 / late.bytes.size() + 1);
    return late;
  }));
  const BootTime begin = BootClock::now();
  const auto grant = std::get<Grant>(acquire(*backend_at(server.url()), {}));
  CHECK(server.received("/v1/renew").size() == 1);
  CHECK(grant.lease->counted_from - begin > 1s);
}

TEST_CASE("a grant that was waited for longer than its lease lasts is confirmed, not thrown away") {
  Server server(acquires([](std::size_t, const Received&) {
    Reply late = scripted::json(200, granted(R"(,"waited":true)", 300));
    late.before_each_byte = std::chrono::milliseconds(450 / late.bytes.size() + 1);
    return late;
  }));
  const auto grant = std::get<Grant>(acquire(*backend_at(server.url()), {}));
  CHECK(grant.handle == kHandle);
  CHECK(server.received("/v1/acquire").size() == 1);
  CHECK(server.received("/v1/renew").size() == 1);
}

TEST_CASE("F10: a grant that came and went while its client was cut off is no answer, and another is asked for") {
  for (const std::optional<Duration> limit : {std::optional<Duration>(), std::optional<Duration>(0s)}) {
    Server server(acquires([](std::size_t nth, const Received&) {
      return nth == 0 ? scripted::json(410, kGone) : scripted::json(200, granted());
    }));
    const auto grant = std::get<Grant>(acquire(*backend_at(server.url()), limit));
    CHECK(grant.handle == kHandle);
    CHECK(request_ids(server).size() == 2);
    const auto acquired = server.received("/v1/acquire");
    REQUIRE(acquired.size() == 2);
    CHECK(body_of(acquired[0]).at("acquirer_id") == body_of(acquired[1]).at("acquirer_id"));
  }
}

TEST_CASE("F11: a grant whose answer was lost is asked for again by its id, and is one hold") {
  for (const auto then : {Reply::Then::reset, Reply::Then::close}) {
    Server server(acquires([=](std::size_t nth, const Received&) {
      return nth == 0 ? scripted::cut(then, "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"outco")
                      : scripted::json(200, granted("", 14900));
    }));
    const auto grant = std::get<Grant>(acquire(*backend_at(server.url()), {}));
    CHECK(grant.handle == kHandle);
    CHECK(server.received("/v1/acquire").size() == 2);
    CHECK(request_ids(server).size() == 1);
  }
}

TEST_CASE("F11: a grant whose answer was lost for so long that it is over is asked for anew") {
  for (const std::optional<Duration> limit : {std::optional<Duration>(), std::optional<Duration>(0s)}) {
    Server server(acquires([](std::size_t nth, const Received&) {
      return nth == 0 ? scripted::cut(Reply::Then::reset)
                      : scripted::json(nth == 1 ? 410 : 200, nth == 1 ? kGone : granted());
    }));
    CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), limit)));
    const auto acquired = server.received("/v1/acquire");
    REQUIRE(acquired.size() == 3);
    CHECK(body_of(acquired[0]).at("request_id") == body_of(acquired[1]).at("request_id"));
    CHECK(body_of(acquired[1]).at("request_id") != body_of(acquired[2]).at("request_id"));
    CHECK(body_of(acquired[0]).at("acquirer_id") == body_of(acquired[2]).at("acquirer_id"));
  }
  Server late(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::silent)
                    : scripted::json(nth == 1 ? 410 : 200, nth == 1 ? kGone : granted());
  }));
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(late.url()), 300ms)));
  Server mad(always(scripted::json(410, kGone)));
  CHECK(error_of([&] { static_cast<void>(acquire(*backend_at(mad.url()), {})); }).code() == ExitCode::not_understood);
  CHECK(mad.received("/v1/acquire").size() == 2);
}

TEST_CASE("F11: a try whose answer was lost is settled too") {
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::cut(Reply::Then::reset) : scripted::json(200, granted());
  }));
  CHECK(std::holds_alternative<Grant>(acquire(*backend_at(server.url()), 0s)));
  CHECK(request_ids(server).size() == 1);
}

TEST_CASE("a repeated answer with a lease that has nearly run out is renewed before it is relied on") {
  Server server(always(scripted::json(200, granted("", 3000))));
  const auto grant = std::get<Grant>(acquire(*backend_at(server.url()), {}));
  CHECK(server.received("/v1/renew").size() == 1);
  CHECK(grant.lease->ttl == 15s);
}

TEST_CASE("D8: nothing but a grant is a grant") {
  const std::string handle = kHandle;
  for (const std::string& body :
       {std::string("{}"), std::string("[]"), std::string("null"), std::string("<html>login</html>"), std::string(),
        std::string(R"({"outcome":"granted"})"),
        std::string(R"({"outcome":"granted","handle":"","fencing_token":1,"ttl_ms":15000})"),
        std::string(R"({"outcome":"granted","handle":"a b c d e f g h","fencing_token":1,"ttl_ms":15000})"),
        R"({"outcome":"granted","handle":")" + handle + R"(","fencing_token":1})",
        R"({"outcome":"granted","handle":")" + handle + R"(","fencing_token":1,"ttl_ms":0})",
        R"({"outcome":"granted","handle":")" + handle + R"(","fencing_token":1,"ttl_ms":15001})",
        R"({"outcome":"granted","handle":")" + handle + R"(","fencing_token":-1,"ttl_ms":15000})",
        R"({"outcome":"granted","handle":")" + handle + R"(","fencing_token":1e30,"ttl_ms":15000})",
        R"({"outcome":"granted","handle":")" + handle + R"(","handle":"x","fencing_token":1,"ttl_ms":15000})",
        granted() + "x", granted().substr(0, granted().size() - 1), std::string(20, '[') + std::string(20, ']')}) {
    CAPTURE(body);
    const Error error = error_of_try(scripted::json(200, body));
    CHECK(error.code() == ExitCode::not_understood);
  }
}

TEST_CASE("what cannot be understood is named with its URL and its beginning") {
  const Error error = error_of_try(scripted::text(200, "<html>\x1b[31mplease log in", "text/html"));
  CHECK(has(error.what(), "http://127.0.0.1:"));
  CHECK(has(error.what(), "text/html"));
  CHECK(has(error.what(), R"("<html>\x1b[31mplease log in")"));
  CHECK(has(error.next_step(), "--url"));
}

TEST_CASE("F23: a redirect is told with its host and not followed") {
  const Error error =
      error_of_try(scripted::json(307, "", "Location: https://evil.example/v1/acquire?token=canary\r\n"));
  CHECK(error.code() == ExitCode::not_understood);
  CHECK(has(error.what(), R"("https://evil.example")"));
  CHECK_FALSE(has(error.what(), "canary"));
}

TEST_CASE("F13: a server that is in trouble fails a try with its own words") {
  for (const int status : {429, 500, 502, 503, 504, 507}) {
    const Error error =
        error_of_try(scripted::json(status, R"({"error":{"code":"stopping","message":"the server stops"}})"));
    CHECK(error.code() == ExitCode::unavailable);
    CHECK(has(error.what(), "the server stops"));
  }
}

TEST_CASE("F14: a 401 ends a wait at once, naming the token's file and not the token") {
  const std::string token = "/tmp/lockgate-test-token-" + std::to_string(::getpid());
  std::ofstream(token) << "canary";
  ::chmod(token.c_str(), 0600);
  Server server(acquires([](std::size_t nth, const Received&) {
    return nth == 0 ? scripted::json(200, kWait)
                    : scripted::json(401, R"({"error":{"code":"unauthorized","message":"no valid token"}})");
  }));
  const Error error = error_of([&] { static_cast<void>(acquire(*backend_at(server.url(), token), {})); });
  ::unlink(token.c_str());
  CHECK(error.code() == ExitCode::not_allowed);
  CHECK(has(error.what(), token));
  CHECK(has(error.what(), "no valid token"));
  CHECK_FALSE(has(error.what() + error.next_step(), "canary"));
}

TEST_CASE("what the server's bounds do not allow is a fault of usage, in the server's words") {
  const Error error = error_of_try(scripted::json(
      422, R"({"error":{"code":"bad_value","message":"ttl_ms is at most 60000","hint":"ask for less","member":"x"}})"));
  CHECK(error.code() == ExitCode::usage);
  CHECK(has(error.what(), "ttl_ms is at most 60000"));
  CHECK(error.next_step() == "ask for less");
}
