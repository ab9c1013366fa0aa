// SPDX-License-Identifier: Apache-2.0
// What is done with a hold on a server, and what is asked about it.
#include <atomic>
#include <set>

#include "core/handle.hpp"
#include "tests/http/lock_client.hpp"

using namespace lock_client;
using namespace std::chrono_literals;
using scripted::Received;
using scripted::Reply;
using scripted::Server;

namespace {

Grant grant_of(Mode mode = Mode::exclusive) {
  return {.name = LockName("deploy"),
          .mode = mode,
          .handle = kHandle,
          .token = 1760000000000000,
          .lifeline = -1,
          .lease = Lease{15s, BootClock::now()}};
}

Attempt within(Duration limit) {
  return {.give_up = BootClock::now() + limit};
}

Server::Script by_number(const std::vector<Reply>& replies) {
  return [replies](const Received& request) { return replies.at(std::min(request.number, replies.size() - 1)); };
}

std::string lock_json(const std::string& name, const std::string& id, const std::string& mode) {
  return R"({"name":")" + name + R"(","key":")" + name + R"(","mode":")" + mode +
         R"(","state":"held","fencing_token":7,"holders":[{"id":")" + id + R"(","mode":")" + mode +
         R"(","host":"h","pid":42,"user":"u","command":"make","reason":"","value":null,)"
         R"("acquired_at":"2026-03-01T12:00:00.250Z","expires_at":"2026-03-01T12:00:15Z"}],)"
         R"("waiters":[{"host":"w","pid":43,"user":"v","mode":"shared","since":"2026-03-01T12:00:01Z","position":1}]})";
}

/// The longest that a value of 65536 bytes can be in JSON.
std::string escaped_value() {
  std::string text;
  for (int i = 0; i < 65536; ++i) {
    text += R"(\u0001)";
  }
  return text;
}

}  // namespace

TEST_CASE("a renewal counts from before it was sent") {
  Server server(by_number({scripted::json(200, kRenewed)}));
  const BootTime before = BootClock::now();
  const Renewal renewal = backend_at(server.url())->renew(grant_of(), within(5s));
  CHECK(renewal.result == Renewal::Result::renewed);
  CHECK(renewal.lease.ttl == 15s);
  CHECK(renewal.lease.counted_from >= before);
}

TEST_CASE("a hold that the server does not know, or counts as another, is lost") {
  Server server(by_number(
      {scripted::json(410, kGone), scripted::json(200, R"({"ttl_ms":15000,"fencing_token":1760000000000009})")}));
  const auto backend = backend_at(server.url());
  CHECK(backend->renew(grant_of(), within(5s)).result == Renewal::Result::lost);
  const Renewal renewal = backend->renew(grant_of(), within(5s));
  CHECK(renewal.result == Renewal::Result::lost);
  CHECK(has(renewal.why, "fencing token"));
}

TEST_CASE("D5: a renewal without a clear answer is neither renewed nor lost") {
  const auto code_of = [](const Reply& reply) {
    Server server(by_number({scripted::json(200, kRenewed), reply}));
    const auto backend = backend_at(server.url());
    static_cast<void>(backend->renew(grant_of(), within(5s)));
    return error_of([&] { static_cast<void>(backend->renew(grant_of(), within(300ms))); }).code();
  };
  CHECK(code_of(scripted::json(503, "")) == ExitCode::unavailable);
  CHECK(code_of(scripted::cut(Reply::Then::silent)) == ExitCode::unavailable);
  CHECK(code_of(scripted::cut(Reply::Then::reset)) == ExitCode::unavailable);
  CHECK(code_of(scripted::json(401, "{}")) == ExitCode::not_allowed);
  CHECK(code_of(scripted::json(200, "{}")) == ExitCode::not_understood);
  CHECK(code_of(scripted::json(410, "<html>gone")) == ExitCode::not_understood);  // some proxy's, not the server's
  CHECK(code_of(scripted::json(404, kGone)) == ExitCode::not_understood);
}

TEST_CASE("a renewal that nobody waits for any more ends at once") {
  Server server(by_number({scripted::cut(Reply::Then::silent)}));
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  const auto backend = backend_at(server.url());
  const Error error = error_of([&] { static_cast<void>(backend->renew(grant_of(), {.stop = stop.get()})); });
  CHECK(error.code() == ExitCode::unavailable);
}

TEST_CASE("D15: a release that failed is tried again with the same id, within the call and after it") {
  Server server(by_number({scripted::json(503, ""), scripted::cut(Reply::Then::reset),
                           scripted::json(400, R"({"error":{"code":"bad_request","message":"no"}})"),
                           scripted::json(200, R"({"outcome":"released"})")}));
  const auto backend = backend_at(server.url());
  CHECK(error_of([&] { static_cast<void>(backend->release(grant_of())); }).code() == ExitCode::not_understood);
  CHECK(backend->release(grant_of()) == Released::done);
  std::set<std::string> ids;
  for (const Received& request : server.received()) {
    ids.insert(body_of(request).at("request_id"));
  }
  CHECK(server.received().size() == 4);
  CHECK(ids.size() == 1);
}

TEST_CASE("a hold that had gone before its release was lost") {
  Server server(by_number({scripted::json(410, kGone)}));
  CHECK(backend_at(server.url())->release(grant_of()) == Released::was_lost);
}

TEST_CASE("a release that no server answers ends after seconds and says what becomes of the hold") {
  const std::string url = Server(by_number({{}})).url();
  Grant grant = grant_of();
  grant.lease = Lease{2s, BootClock::now()};
  const BootTime begin = BootClock::now();
  const Error error = error_of([&] { static_cast<void>(backend_at(url)->release(grant)); });
  CHECK(error.code() == ExitCode::unavailable);
  CHECK(has(error.next_step(), "lease runs out"));
  CHECK(BootClock::now() - begin < 4s);
}

TEST_CASE("a value is set, or its hold was lost") {
  Server server(by_number({scripted::json(200, R"({"outcome":"set"})"), scripted::json(410, kGone)}));
  const auto backend = backend_at(server.url());
  CHECK(backend->set_value(grant_of(), "v2") == ValueSet::done);
  CHECK(body_of(server.received()[0]).at("value") == "v2");
  CHECK(backend->set_value(grant_of(), std::nullopt) == ValueSet::was_lost);
  CHECK(body_of(server.received()[1]).at("value").is_null());
}

TEST_CASE("locks are listed in the order in which they were asked for, as the server sees them") {
  Server server(by_number({scripted::json(200, R"({"locks":[)" + lock_json("b", "0123456789", "shared") + "," +
                                                   lock_json("a+ b", "x", "exclusive") + "]}")}));
  const auto locks = backend_at(server.url())->list({LockName("a+ b"), LockName("b")});
  CHECK(server.received()[0].path == "/v1/locks?name=a%2B%20b&name=b");
  REQUIRE(locks.size() == 2);
  CHECK(locks[0].name == "a+ b");
  CHECK(locks[1].state == LockState::State::held);
  CHECK(locks[1].token == 7);
  const HolderInfo holder = locks[1].holders.at(0);
  CHECK(holder.mode == Mode::shared);
  CHECK(holder.pid == 42);
  CHECK(rfc3339(holder.acquired_at.value()) == "2026-03-01T12:00:00.250Z");
  CHECK_FALSE(holder.published.value.has_value());
  CHECK(locks[1].waiters.at(0).user == "v");
}

TEST_CASE("many names are asked for in several requests") {
  Server server([](const Received& request) {
    std::string locks;
    for (std::size_t at = 0; (at = request.path.find("name=", at)) != std::string::npos; at += 5) {
      const std::string name = request.path.substr(at + 5, request.path.find('&', at) - at - 5);
      locks += (locks.empty() ? "" : ",") + lock_json(name, "x", "shared");
    }
    return scripted::json(200, R"({"locks":[)" + locks + "]}");
  });
  std::vector<LockName> names;
  names.reserve(100);
  for (int i = 0; i < 100; ++i) {
    names.emplace_back("a-rather-long-name-of-a-lock-" + std::to_string(i));
  }
  const auto locks = backend_at(server.url())->list(names);
  REQUIRE(locks.size() == 100);
  CHECK(locks[99].name == names[99].text());
  CHECK(server.received().size() > 1);
  for (const Received& request : server.received()) {
    CHECK(request.path.size() < 2048);
  }
}

TEST_CASE("a list may be as long as many locks with values make it") {
  std::string locks;
  for (int i = 0; i < 5; ++i) {
    std::string lock = lock_json("a" + std::to_string(i), "x", "exclusive");
    const std::string none = R"("value":null)";
    REQUIRE(has(lock, none));
    locks += (i == 0 ? "" : ",") + lock.replace(lock.find(none), none.size(), R"("value":")" + escaped_value() + '"');
  }
  Server server(by_number({scripted::json(200, R"({"locks":[)" + locks + "]}")}));
  const auto list = backend_at(server.url())->list({});
  REQUIRE(list.size() == 5);
  CHECK(list[4].holders.at(0).published.value == std::string(65536, '\x01'));
}

TEST_CASE("a lock that a server says nothing of is not free") {
  Server server(by_number({scripted::json(200, R"({"locks":[]})")}));
  CHECK(error_of([&] { static_cast<void>(backend_at(server.url())->list({LockName("a")})); }).code() ==
        ExitCode::not_understood);
}

TEST_CASE("a hold is live while the server lists its id in at least that mode") {
  Server server(
      by_number({scripted::json(200, R"({"locks":[)" + lock_json("a", public_id_text(kHandle), "shared") + "]}")}));
  const auto backend = backend_at(server.url());
  CHECK(backend->is_live(LockName("a"), kHandle, Mode::shared));
  CHECK_FALSE(backend->is_live(LockName("a"), kHandle, Mode::exclusive));
  CHECK_FALSE(backend->is_live(LockName("a"), "another", Mode::shared));
}

TEST_CASE("a watcher hears the state, the changes, and the state again after a break") {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
  const std::string state =
      "event: state\nid: 1\ndata: "
      "{\"time\":\"2026-03-01T12:00:00Z\",\"name\":\"a\",\"event\":\"state\",\"holder\":null,"
      "\"value\":null,\"fencing_token\":null}\n\nevent: ready\ndata: {}\n\n: keep-alive\n\n";
  const std::string taken =
      "event: acquired\r\ndata: {\"time\":\"2026-03-01T12:00:01Z\",\"name\":\"a\",\"event\":\"acquired\","
      "\"holder\":{\"id\":\"x\",\"user\":\"u\"},\"fencing_token\":9}\r\n\r\n";
  std::atomic<int> streams = 0;
  Server server([&](const Received& request) -> Reply {
    if (request.path == "/v1/") {
      return scripted::json(200, R"({"service":"lockgate","version":"0.1.0","api":1})");
    }
    return {.bytes = head + state + taken,
            .then = streams++ == 0 ? Reply::Then::close : Reply::Then::silent,
            .before_each_byte = std::chrono::milliseconds(streams == 1 ? 1 : 0)};
  });
  std::vector<LockEvent> heard;
  backend_at(server.url())->watch({.names = {LockName("a")}, .prefixes = {"p/"}}, -1, [&](const LockEvent& event) {
    heard.push_back(event);
    return heard.size() < 4 ? Hearing::more : Hearing::enough;
  });
  REQUIRE(heard.size() == 4);
  CHECK(heard[0].kind == LockEvent::Kind::state);
  CHECK_FALSE(heard[0].holder.has_value());
  CHECK(heard[1].kind == LockEvent::Kind::acquired);
  CHECK(heard[1].holder.value().user == "u");
  CHECK(heard[1].token == 9);
  CHECK(heard[2].kind == LockEvent::Kind::state);
  CHECK(server.received("/v1/events?name=a&prefix=p/").size() == 2);
}

TEST_CASE("a watcher ends when nobody wants it any more") {
  Server server([&](const Received& request) -> Reply {
    return request.path == "/v1/" ? scripted::json(200, R"({"service":"lockgate","version":"0.1.0","api":1})")
                                  : scripted::cut(Reply::Then::silent);
  });
  const UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  const std::jthread stopper([&] {
    server.wait_for(2);
    ::eventfd_write(stop.get(), 1);
  });
  backend_at(server.url())->watch({}, stop.get(), [](const LockEvent&) { return Hearing::more; });
  CHECK(server.wait_for_hang_ups(1));
}

TEST_CASE("holds are broken by who may, and it is told whose they were") {
  Server server(by_number({scripted::json(200, R"({"broken":[{"id":"x","user":"u"}]})"),
                           scripted::json(403, R"({"error":{"code":"forbidden","message":"needs the role admin"}})")}));
  const auto backend = backend_at(server.url());
  const auto broken = backend->break_holds(LockName("a"), 5s);
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].result == Breaking::Result::released);
  CHECK(broken[0].holder.user == "u");
  const Error error = error_of([&] { static_cast<void>(backend->break_holds(LockName("a"), 5s)); });
  CHECK(error.code() == ExitCode::not_allowed);
  CHECK(has(error.what(), "role admin"));
}

TEST_CASE("a place is the same in whichever way its URL is spelled") {
  const auto backend = backend_at("http://Localhost:80/team/");
  CHECK(backend->url() == "http://localhost/team");
  CHECK(backend->identity(LockName("a")).url == "http://localhost/team");
  CHECK(backend->is_same({"HTTP://localhost/team", "a"}, LockName("a")));
  CHECK_FALSE(backend->is_same({"http://localhost/team", "b"}, LockName("a")));
  CHECK_FALSE(backend->is_same({"http://localhost:81/team", "a"}, LockName("a")));
  CHECK_FALSE(backend->is_same({"file:///tmp", "a"}, LockName("a")));
}

TEST_CASE("doctor sees a clock that is off and a role that is missing, and nothing where all is well") {
  const std::string info = R"({"service":"lockgate","version":"0.1.0","api":1})";
  const auto script = [&](const std::string& headers, int renew_status) {
    return [=](const Received& request) {
      return request.path == "/v1/"        ? scripted::json(200, info, headers)
             : request.path == "/v1/renew" ? scripted::json(renew_status, kGone, headers)
                                           : scripted::json(200, R"({"locks":[]})", headers);
    };
  };
  Server well(script("", 410));
  CHECK(backend_at(well.url())->diagnose().empty());
  Server ill(script("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 403));
  const auto lines = backend_at(ill.url())->diagnose();
  REQUIRE(lines.size() == 2);
  CHECK(has(lines[0], "role lock"));
  CHECK(has(lines[1], "behind ours"));
}
