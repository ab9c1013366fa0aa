// SPDX-License-Identifier: Apache-2.0
// From a request to the lock table and back: lockgate's own API (/v1/), the protocol of the Go library werf/lockgate,
// and what operators look at. The API's document is openapi.json.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "backends/http/server/access.hpp"
#include "backends/http/server/acquire_wait.hpp"
#include "backends/http/server/engine.hpp"
#include "backends/http/server/lock_table.hpp"
#include "backends/http/server/metrics.hpp"

namespace lockgate::server {

using Reply = boost::asio::awaitable<HttpReply>;

/// One answered request, for the log.
struct RequestNote {
  std::string_view method;
  std::string_view path;
  std::string_view route;
  const Peer* peer = nullptr;
  std::string principal;
  std::string lock;  // its name, if the request was about one
  int status = 0;
  Duration took{};
};

/// All of it on the loop's thread, but for the constructor. What it is given outlives it.
class Routes {
 public:
  struct World {
    LockTable& table;
    Access& access;
    Metrics& metrics;
    Duration max_ttl;                              // no lease is longer
    std::function<Metrics::Now()> look;            // for /metrics and /readyz
    std::function<void(const RequestNote&)> note;  // may be empty
  };
  explicit Routes(World world);

  /// The handler of the engine.
  Reply answer(Exchange& exchange);

  /// No event stream is begun any more, and those that are open end.
  void stop();

 private:
  /// A request on its way: who sent it, and what it turned out to be about.
  struct Entry;
  struct Context {
    Exchange& exchange;
    BootTime began;
    const Entry* entry;  // null: there is no such path
    Caller caller = {};
    std::string lock = {};
  };
  using Route = Reply (Routes::*)(Context&);
  struct Entry {
    std::string_view path;  // behind the prefix: "/v1/acquire"
    std::string_view method;
    enum class Needs { nothing, caller } needs;
    Route route;
  };
  static std::span<const Entry> entries();
  static const Entry* find(const HttpRequest& request);
  Reply dispatch(Context& context);
  void tell(const Context& context, int status);

  // /v1/, in api_v1.cpp
  Reply service(Context& context);
  Reply acquire(Context& context);
  struct AcquireCall;
  AcquireCall begin_acquire(Context& context);
  HttpReply end_acquire(const AcquireCall& call);
  Reply renew(Context& context);
  Reply release(Context& context);
  Reply leave(Context& context);
  Reply value(Context& context);
  Reply break_holds(Context& context);
  Reply locks(Context& context);
  Reply events(Context& context);  // api_events.cpp
  // the Go library's, in api_go.cpp
  Reply go_acquire(Context& context);
  AcquireOrder go_order(Context& context);
  Reply go_renew(Context& context);
  Reply go_release(Context& context);
  // for operators and people, in routes.cpp
  Reply openapi(Context& context);
  Reply health(Context& context);
  Reply readiness(Context& context);
  Reply metrics(Context& context);
  Reply page(Context& context);

  World world_;
  bool stopping_ = false;
};

HttpReply json_reply(std::string body);

/// Each `name` of the query. Throws Refusal(422) for what is no lock name.
std::vector<LockName> named_in_query(const HttpRequest& request);

}  // namespace lockgate::server
