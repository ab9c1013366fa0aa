// SPDX-License-Identifier: Apache-2.0
// What the tests of the HTTP backend share: a wait that is ended by hand, and short ways to ask.
#pragma once

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backends/http/http_backend.hpp"
#include "core/error.hpp"
#include "core/unique_fd.hpp"
#include "core/waiting.hpp"
#include "tests/http/scripted_server.hpp"

namespace lock_client {

using namespace lockgate;

constexpr auto kHandle = "6f1f0f6e-0000-4000-8000-000000000001";

class TestWaiting final : public Waiting {
 public:
  /// Zero: no waiting at all.
  explicit TestWaiting(std::optional<Duration> limit)
      : nonblocking_(limit && *limit == Duration(0)), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (limit) {
      deadline_ = BootClock::now() + *limit;
    }
  }
  /// On any thread.
  void say(WaitVerdict verdict) {
    said_ = verdict;
    ::eventfd_write(event_.get(), 1);
  }

  bool nonblocking() const override { return nonblocking_; }
  void begin(BootTime /*now*/) override {}
  int fd() const override { return event_.get(); }
  std::optional<BootTime> next_event() const override { return deadline_; }
  WaitVerdict attend(BootTime now) override {
    eventfd_t ignored = 0;
    if (::eventfd_read(event_.get(), &ignored) == 0) {
      return said_;
    }
    return deadline_ && now >= *deadline_ ? WaitVerdict::timed_out : WaitVerdict::go_on;
  }
  void suspend() override { on_suspend(); }
  Cancelled cancellation() const override { return {SIGTERM}; }
  void explain(const std::string& why) override { explained.push_back(why); }

  std::vector<std::string> explained;
  std::function<void()> on_suspend = [] {};

 private:
  bool nonblocking_;
  UniqueFd event_;
  std::optional<BootTime> deadline_;
  std::atomic<WaitVerdict> said_{WaitVerdict::go_on};
};

inline std::unique_ptr<Backend> backend_at(const std::string& url, const std::string& token_file = "") {
  BackendPlace place;
  place.http.url = url;
  place.http.token_file = token_file;
  return make_http_backend(place);
}

inline Request request_for(const std::string& name, Duration ttl = std::chrono::seconds(15)) {
  return {.name = LockName(name), .mode = Mode::exclusive, .acquirer_id = "", .published = {}, .ttl = ttl};
}

inline std::variant<Grant, Busy> acquire(Backend& backend, std::optional<Duration> limit,
                                         const Request& request = request_for("deploy")) {
  TestWaiting waiting(limit);
  return backend.acquire(request, waiting);
}

inline std::string granted(const std::string& more = "", int ttl_ms = 15000) {
  return R"({"outcome":"granted","handle":")" + std::string(kHandle) +
         R"(","id":"x","fencing_token":1760000000000000,"ttl_ms":)" + std::to_string(ttl_ms) + more + "}";
}
inline const std::string kWait = R"({"outcome":"wait","position":1,"keep_ms":5000,"holders":[]})";
inline const std::string kGone = R"({"error":{"code":"gone","message":"the hold is not known"}})";
inline const std::string kRenewed = R"({"ttl_ms":15000,"fencing_token":1760000000000000})";

inline nlohmann::json body_of(const scripted::Received& request) {
  return nlohmann::json::parse(request.body);
}

/// The error that `act` threw.
template <class Act>
Error error_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  FAIL("there was no error");
  return {ExitCode::internal, ""};
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Acquire requests are answered by this, all others as by a server on which all goes well.
inline scripted::Server::Script acquires(
    const std::function<scripted::Reply(std::size_t nth, const scripted::Received&)>& answer) {
  auto count = std::make_shared<std::atomic<std::size_t>>(0);
  return [=](const scripted::Received& request) {
    if (request.path == "/v1/acquire") {
      return answer((*count)++, request);
    }
    return request.path == "/v1/renew"     ? scripted::json(200, kRenewed)
           : request.path == "/v1/leave"   ? scripted::json(200, R"({"outcome":"left"})")
           : request.path == "/v1/release" ? scripted::json(200, R"({"outcome":"released"})")
                                           : scripted::text(404, "404 page not found\n", "text/plain");
  };
}

inline scripted::Server::Script always(const scripted::Reply& reply) {
  return acquires([reply](std::size_t, const scripted::Received&) { return reply; });
}

inline std::set<std::string> request_ids(scripted::Server& server) {
  std::set<std::string> ids;
  for (const scripted::Received& request : server.received("/v1/acquire")) {
    ids.insert(body_of(request).at("request_id"));
  }
  return ids;
}

}  // namespace lock_client
