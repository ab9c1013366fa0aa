// SPDX-License-Identifier: Apache-2.0
// The protocol of the Go library github.com/werf/lockgate, for its clients: three calls, whose failures are texts in a
// reply of status 200. Behind it are our rules: each reader has a hold of its own, and a try leaves no place.
#include <fmt/format.h>

#include "backends/http/server/body.hpp"
#include "backends/http/server/refusal.hpp"
#include "backends/http/server/routes.hpp"
#include "backends/lock_json.hpp"
#include "core/duration.hpp"

namespace lockgate::server {
namespace {

constexpr std::chrono::seconds kGoTtl{10};
// Its clients ask again every two seconds. One who has missed two turns does not come back.
constexpr std::chrono::seconds kKeepPlace{5};
constexpr std::size_t kMaxId = 1024;
constexpr std::size_t kMaxHandle = 128;
constexpr auto kShouldWait = "should wait";
constexpr auto kNoLease = "no existing lock lease found";

HttpReply acquired(const std::string& handle, const std::string& name, std::string_view error) {
  return json_reply(fmt::format(R"({{"lockHandle":{{"uuid":{},"lockName":{}}},"err":{}}})", json_string(handle),
                                json_string(name), json_string(error)));
}

HttpReply answered(HandleAnswer answer) {
  return json_reply(fmt::format(R"({{"err":{}}})", json_string(answer == HandleAnswer::done ? "" : kNoLease)));
}

struct Handle {
  LockName name;
  std::string uuid;
};

Handle read_handle(const Body& body) {
  const Body handle = body.needed_object("lockHandle");
  return {handle.name("lockName"), handle.line("uuid", kMaxHandle)};
}

}  // namespace

AcquireOrder Routes::go_order(Context& context) {
  const Body body(context.exchange.take_body());
  const Body options = body.object("opts");
  LockName name = body.name("lockName");
  context.lock = name.text();
  demand(context.caller, Role::lock, context.lock);
  LeaseWish wish;
  wish.acquirer_id = options.line("acquirerId", kMaxId);
  wish.mode = options.flag("shared") ? Mode::shared : Mode::exclusive;
  wish.ttl = kGoTtl;
  wish.keep_place = wish.acquirer_id.empty() ? Duration::zero() : Duration(kKeepPlace);
  wish.about.host = context.exchange.request().peer.address;
  wish.about.principal = context.caller.principal;
  return {std::move(name), std::move(wish), "", AcquireOrder::Wait::no};
}

Reply Routes::go_acquire(Context& context) {
  AcquireOrder order = go_order(context);
  if (world_.max_ttl < kGoTtl) {
    // Its clients count on ten seconds, whatever they get: a shorter lease would let a second one in beside them.
    HttpReply refused = acquired("", "",
                                 fmt::format("this server grants leases of at most {}, and those of this protocol are "
                                             "{} long: have its --max-ttl raised",
                                             format_duration(world_.max_ttl), format_duration(kGoTtl)));
    co_return refused;
  }
  const LockName name = order.name;
  PendingWish wish(context.exchange, world_.table, std::move(order));
  co_await wish.wait(BootTime::max());
  const AcquireAnswer answer = wish.answer();
  const bool granted = answer.kind == AcquireAnswer::Kind::granted;
  // Whatever else it is (a limit, a full disk, a server that stops), its client may ask again.
  HttpReply reply =
      acquired(granted ? answer.holder.handle : "", granted ? name.text() : "", granted ? "" : kShouldWait);
  if (granted) {
    reply.if_unwritten = [this, name, holder = answer.holder] { world_.table.not_heard_of(name, holder); };
  }
  co_return reply;
}

Reply Routes::go_renew(Context& context) {
  const Body body(context.exchange.request().body);
  const Handle handle = read_handle(body);
  context.lock = handle.name.text();
  demand(context.caller, Role::lock, context.lock);
  const RenewAnswer answer = world_.table.renew({handle.name, handle.uuid, context.caller.principal, {}, {}, {}});
  HttpReply reply = answered(answer.answer);
  co_return reply;
}

Reply Routes::go_release(Context& context) {
  const Body body(context.exchange.request().body);
  const Handle handle = read_handle(body);
  context.lock = handle.name.text();
  demand(context.caller, Role::lock, context.lock);
  PendingAnswer<HandleAnswer> pending(context.exchange);
  world_.table.release({handle.name, handle.uuid, "", context.caller.principal}, pending.heard());
  const HandleAnswer answer = co_await pending.wait();
  if (answer == HandleAnswer::not_durable) {
    throw Refusal{.status = 507,
                  .code = "not_durable",
                  .message = "the server cannot write its journal",
                  .hint = "is its disk full?"};
  }
  HttpReply reply = answered(answer);
  co_return reply;
}

}  // namespace lockgate::server
