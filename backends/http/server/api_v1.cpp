// SPDX-License-Identifier: Apache-2.0
// lockgate's own API. openapi.json describes it; a test holds the two together.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "backends/http/server/body.hpp"
#include "backends/http/server/refusal.hpp"
#include "backends/http/server/routes.hpp"
#include "backends/lock_json.hpp"
#include "core/duration.hpp"
#include "core/handle.hpp"

namespace lockgate::server {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::size_t kMaxId = 1024;
constexpr std::size_t kMaxHandle = 128;
constexpr std::size_t kMaxText = 4096;
constexpr std::int64_t kShortestTtl = 2'000;  // milliseconds
constexpr std::int64_t kLongestTtl = 3'600'000;
constexpr std::int64_t kLongestWait = 60'000;
constexpr std::size_t kHoldersTold = 20;  // to one who has to wait
constexpr milliseconds kDefaultTtl{15'000};
constexpr milliseconds kKeepPlace{5'000};  // for one whose wait was answered, until he asks again

std::int64_t in_ms(Duration duration) {
  return duration_cast<milliseconds>(duration).count();
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<Duration> read_ttl(const Body& body) {
  const auto ttl = body.number("ttl_ms", kShortestTtl, kLongestTtl);
  return ttl ? std::optional<Duration>(milliseconds(*ttl)) : std::nullopt;
}

/// Of a new hold: no more than this server gives.
Duration read_new_ttl(const Body& body, Duration longest) {
  const Duration ttl = read_ttl(body).value_or(std::min<Duration>(kDefaultTtl, longest));
  if (ttl > longest) {
    throw Refusal{.status = 422,
                  .code = "bad_value",
                  .message = fmt::format("\"ttl_ms\" is {}; this server grants leases of at most {}", in_ms(ttl),
                                         format_duration(longest)),
                  .hint = "ask for a shorter --ttl, or have the server's --max-ttl raised",
                  .member = "ttl_ms"};
  }
  return ttl;
}

About read_about(const Body& body, const std::string& principal) {
  const Body holder = body.object("holder");
  About about;
  about.host = holder.line("host", 255);
  if (const auto pid = holder.number("pid", 1, 1 << 30)) {
    about.pid = static_cast<pid_t>(*pid);
  }
  about.user = holder.line("user", 255);
  about.published.command = holder.line("command", kMaxText);
  about.published.reason = holder.line("reason", kMaxReason);
  about.published.value = body.text("value", kMaxValue);
  about.principal = principal;
  return about;
}

/// What is parked keeps nothing of the body but this.
struct Asked {
  AcquireOrder order;
  milliseconds wait;
};

Asked read_acquire(const std::string& text, const std::string& principal, Duration longest_ttl) {
  const Body body(text);
  const milliseconds wait(body.number("wait_ms", 0, kLongestWait).value_or(0));
  LeaseWish wish;
  wish.acquirer_id = body.line("acquirer_id", kMaxId);
  wish.mode = body.mode();
  wish.ttl = read_new_ttl(body, longest_ttl);
  wish.pass_queue = body.flag("pass_queue");
  wish.about = read_about(body, principal);
  const bool waits = wait.count() > 0;
  wish.keep_place = waits ? Duration(kKeepPlace) : Duration::zero();
  if (waits && wish.acquirer_id.empty()) {
    throw Refusal{.status = 422,
                  .code = "bad_value",
                  .message = "who waits needs an \"acquirer_id\", by which its place in the queue is known",
                  .hint = "choose a random one and keep it until the lock is had",
                  .member = "acquirer_id"};
  }
  return {{body.name(), std::move(wish), body.needed_line("request_id", kMaxHandle),
           waits ? AcquireOrder::Wait::park : AcquireOrder::Wait::no},
          wait};
}

HttpReply granted(const AcquireAnswer& answer) {
  const LeaseHolder& holder = answer.holder;
  return json_reply(fmt::format(
      R"({{"outcome":"granted","handle":{},"id":"{}","fencing_token":{},"ttl_ms":{},"waited":{}}})",
      json_string(holder.handle), public_id_text(holder.handle), holder.token, in_ms(answer.ttl_left), answer.waited));
}

[[noreturn]] void refuse_unwritten() {
  throw Refusal{.status = 507,
                .code = "not_durable",
                .message = "the server cannot write its journal, so it grants nothing",
                .hint = "is its disk full?",
                .headers = {{"Retry-After", "1"}}};
}

[[noreturn]] void refuse_answer(const AcquireAnswer& answer) {
  using Kind = AcquireAnswer::Kind;
  switch (answer.kind) {
    case Kind::full:
      throw Refusal{.status = 429,
                    .code = "too_many",
                    .message = answer.what,
                    .hint = "try again later, or have the limit raised",
                    .headers = {{"Retry-After", "1"}}};
    case Kind::not_durable:
      refuse_unwritten();
    case Kind::ended:
      throw Refusal{.status = 410,
                    .code = "gone",
                    .message = "this request was granted before, and that hold is over",
                    .hint = "a new wish takes a new request_id"};
    case Kind::reused:
      throw Refusal{.status = 422,
                    .code = "bad_value",
                    .message = "a request of this \"request_id\" was granted, in the other mode",
                    .hint = "a new wish takes a new request_id",
                    .member = "request_id"};
    default:
      throw Refusal{.status = 503,
                    .code = "stopping",
                    .message = "the server is stopping",
                    .hint = "try again in a moment",
                    .headers = {{"Retry-After", "1"}}};
  }
}

void check_handle(HandleAnswer answer, const LockName& name) {
  switch (answer) {
    case HandleAnswer::done:
      return;
    case HandleAnswer::not_durable:
      refuse_unwritten();
    default:  // somebody else's is not told from one that never was
      throw Refusal{.status = 410,
                    .code = "gone",
                    .message = fmt::format("no hold of {} has this handle now", name.quoted()),
                    .hint = "it was released, ran out, or was broken"};
  }
}

std::string list_text(const std::vector<LockState>& locks, const Caller& caller) {
  std::string text;
  for (const LockState& lock : locks) {
    if (caller.may_see(lock.name.value_or(""))) {
      text += (text.empty() ? "" : ",") + lock_json(lock);
    }
  }
  return text;
}

}  // namespace

Reply Routes::service(Context& context) {
  Json json = {{"service", "lockgate"}, {"version", LOCKGATE_VERSION}, {"api", 1}};
  const HttpRequest& request = context.exchange.request();
  // This wants no proof, but where there is one it says whose it is, so that the page can offer what the caller may do.
  if (world_.access.open() || !request.authorization.empty() || !request.peer.certificate.empty()) {
    try {
      const Caller caller = world_.access.identify(request, BootClock::now());
      json["caller"] = {{"name", caller.principal}, {"role", to_string(caller.role)}};
    } catch (const Refusal&) {  // then it is nobody
    }
  }
  HttpReply reply = json_reply(text_of(json));
  co_return reply;
}

/// What stays of a request to acquire while it is parked.
struct Routes::AcquireCall {
  LockName name;
  milliseconds wait;
  std::unique_ptr<PendingWish> wish;
};

Routes::AcquireCall Routes::begin_acquire(Context& context) {
  Asked asked = read_acquire(context.exchange.take_body(), context.caller.principal, world_.max_ttl);
  LockName name = asked.order.name;
  context.lock = name.text();
  demand(context.caller, Role::lock, context.lock);
  return {std::move(name), asked.wait,
          std::make_unique<PendingWish>(context.exchange, world_.table, std::move(asked.order))};
}

// The frame lives while the request is parked: it holds next to nothing.
Reply Routes::acquire(Context& context) {
  const AcquireCall call = begin_acquire(context);
  co_await call.wish->wait(context.began + call.wait);
  HttpReply reply = end_acquire(call);
  co_return reply;
}

HttpReply Routes::end_acquire(const AcquireCall& call) {
  using Kind = AcquireAnswer::Kind;
  const AcquireAnswer answer = call.wish->answer();
  if (answer.kind == Kind::granted) {
    HttpReply reply = granted(answer);
    reply.if_unwritten = [this, name = call.name, holder = answer.holder] { world_.table.not_heard_of(name, holder); };
    return reply;
  }
  const bool waits = answer.kind == Kind::must_wait || answer.kind == Kind::grace || answer.kind == Kind::superseded;
  if (!waits) {
    refuse_answer(answer);
  }
  std::string holders;
  for (HolderInfo& holder : world_.table.holders(call.name, kHoldersTold)) {
    holder.published.value.reset();  // who waits has no use for them, and together they may be megabytes
    holders += (holders.empty() ? "" : ",") + holder_json(holder);
  }
  Json json = {
      {"outcome", "wait"}, {"position", answer.ahead + 1}, {"keep_ms", call.wait.count() > 0 ? kKeepPlace.count() : 0}};
  if (answer.kind == Kind::grace) {
    json["grace_ms"] = in_ms(answer.grace_left);
    json["note"] =
        fmt::format("the server was started anew, does not know who held what before, and grants nothing for {}",
                    format_duration(answer.grace_left));
  }
  std::string text = text_of(json);
  text.pop_back();  // the brace, for what is JSON already
  return json_reply(text + ",\"holders\":[" + holders + "]}");
}

Reply Routes::renew(Context& context) {
  const Body body(context.exchange.request().body);
  const LockName name = body.name();
  context.lock = name.text();
  demand(context.caller, Role::lock, context.lock);
  RenewOrder order{name, body.needed_line("handle", kMaxHandle), context.caller.principal, read_ttl(body), {}, {}};
  if (order.ttl) {
    // Not refused: the hold may be from before a restart that made leases shorter. The answer says how long it is now.
    order.ttl = std::min(*order.ttl, world_.max_ttl);
  }
  if (!body.line("mode", kMaxHandle).empty()) {
    order.mode = body.mode();
  }
  if (const auto token = body.number("fencing_token", 0, std::numeric_limits<std::int64_t>::max())) {
    order.token = static_cast<std::uint64_t>(*token);
  }
  const RenewAnswer answer = world_.table.renew(order);
  check_handle(answer.answer, name);
  HttpReply reply =
      json_reply(fmt::format(R"({{"ttl_ms":{},"fencing_token":{}}})", in_ms(answer.holder.ttl), answer.holder.token));
  co_return reply;
}

Reply Routes::release(Context& context) {
  const Body body(context.exchange.request().body);
  const LockName name = body.name();
  context.lock = name.text();
  demand(context.caller, Role::lock, context.lock);
  const ReleaseOrder order{name, body.needed_line("handle", kMaxHandle), body.needed_line("request_id", kMaxHandle),
                           context.caller.principal};
  PendingAnswer<HandleAnswer> pending(context.exchange);
  world_.table.release(order, pending.heard());
  const HandleAnswer answer = co_await pending.wait();
  check_handle(answer, name);
  HttpReply reply = json_reply(R"({"outcome":"released"})");
  co_return reply;
}

Reply Routes::leave(Context& context) {
  const Body body(context.exchange.request().body);
  const LockName name = body.name();
  context.lock = name.text();
  demand(context.caller, Role::lock, context.lock);
  const bool left = world_.table.leave(name, body.needed_line("acquirer_id", kMaxId), context.caller.principal);
  HttpReply reply = json_reply(text_of({{"outcome", left ? "left" : "not_queued"}}));
  co_return reply;
}

Reply Routes::value(Context& context) {
  const Body body(context.exchange.request().body);
  const LockName name = body.name();
  context.lock = name.text();
  demand(context.caller, Role::lock, context.lock);
  PendingAnswer<HandleAnswer> pending(context.exchange);
  world_.table.set_value(name, body.needed_line("handle", kMaxHandle), context.caller.principal,
                         body.text("value", kMaxValue), pending.heard());
  const HandleAnswer answer = co_await pending.wait();
  check_handle(answer, name);
  HttpReply reply = json_reply(R"({"outcome":"set"})");
  co_return reply;
}

Reply Routes::break_holds(Context& context) {
  const Body body(context.exchange.request().body);
  const LockName name = body.name();
  context.lock = name.text();
  demand(context.caller, Role::admin, context.lock);
  const std::string id = body.line("id", kMaxHandle);
  struct Broken {
    HandleAnswer answer;
    std::vector<HolderInfo> holders;
  };
  PendingAnswer<Broken> pending(context.exchange);
  world_.table.break_holds(name, id.empty() ? std::nullopt : std::optional(id),
                           [heard = pending.heard()](HandleAnswer what, std::vector<HolderInfo> holders) {
                             heard(Broken{what, std::move(holders)});
                           });
  const Broken end = co_await pending.wait();
  check_handle(end.answer, name);
  std::string broken;
  for (const HolderInfo& holder : end.holders) {
    broken += (broken.empty() ? "" : ",") + holder_json(holder);
  }
  HttpReply reply = json_reply("{\"broken\":[" + broken + "]}");
  co_return reply;
}

Reply Routes::locks(Context& context) {
  demand(context.caller, Role::read);
  std::vector<LockName> names;
  for (const LockName& name : named_in_query(context.exchange.request())) {
    demand(context.caller, Role::read, name.text());
    names.push_back(name);
  }
  const std::string prefix(context.exchange.request().parameter("prefix").value_or(""));
  HttpReply reply = json_reply("{\"locks\":[" + list_text(world_.table.list(names, prefix), context.caller) + "]}");
  co_return reply;
}

}  // namespace lockgate::server
