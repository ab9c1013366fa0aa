// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backends/http/server/page.hpp"
#include "backends/http/server/refusal.hpp"
#include "core/duration.hpp"

namespace lockgate::server {
namespace {

/// The path behind the prefix that a proxy may have put before it: "/v1/acquire", "/acquire", "/".
std::string_view route_path(std::string_view path) {
  const auto api = path.rfind("/v1/");
  const auto start = api != std::string_view::npos ? api : path.rfind('/');
  return start == std::string_view::npos ? std::string_view() : path.substr(start);
}

}  // namespace

HttpReply json_reply(std::string body) {
  HttpReply reply;
  reply.body = std::move(body) + "\n";
  return reply;
}

Routes::Routes(World world) : world_(std::move(world)) {
}

void Routes::stop() {
  stopping_ = true;
}

std::span<const Routes::Entry> Routes::entries() {
  using Needs = Entry::Needs;
  static constexpr std::array<Entry, 17> kEntries = {{
      {"/v1/acquire", "POST", Needs::caller, &Routes::acquire},
      {"/v1/renew", "POST", Needs::caller, &Routes::renew},
      {"/v1/release", "POST", Needs::caller, &Routes::release},
      {"/v1/leave", "POST", Needs::caller, &Routes::leave},
      {"/v1/value", "POST", Needs::caller, &Routes::value},
      {"/v1/break", "POST", Needs::caller, &Routes::break_holds},
      {"/v1/locks", "GET", Needs::caller, &Routes::locks},
      {"/v1/events", "GET", Needs::caller, &Routes::events},
      {"/v1/openapi.json", "GET", Needs::nothing, &Routes::openapi},
      {"/v1/", "GET", Needs::nothing, &Routes::service},
      {"/acquire", "POST", Needs::caller, &Routes::go_acquire},
      {"/renew-lease", "POST", Needs::caller, &Routes::go_renew},
      {"/release", "POST", Needs::caller, &Routes::go_release},
      {"/healthz", "GET", Needs::nothing, &Routes::health},
      {"/readyz", "GET", Needs::nothing, &Routes::readiness},
      {"/metrics", "GET", Needs::caller, &Routes::metrics},
      {"/", "GET", Needs::nothing, &Routes::page},
  }};
  return kEntries;
}

const Routes::Entry* Routes::find(const HttpRequest& request) {
  const auto all = entries();
  const std::string_view wanted = route_path(request.path);
  const auto found = std::find_if(all.begin(), all.end(), [wanted](const Entry& e) { return e.path == wanted; });
  return found == all.end() ? nullptr : &*found;
}

Reply Routes::dispatch(Context& context) {
  const HttpRequest& request = context.exchange.request();
  const Entry* const entry = context.entry;
  if (entry == nullptr) {
    std::vector<std::string> paths;
    for (const Entry& known : entries()) {
      paths.push_back(fmt::format("{} {}", known.method, known.path));
    }
    throw Refusal{.status = 404,
                  .code = "not_found",
                  .message = "there is nothing at this path",
                  .hint = "these paths are there, also behind a prefix",
                  .paths = std::move(paths)};
  }
  const bool head = entry->method == "GET" && request.method == "HEAD";
  if (request.method != entry->method && !head) {
    throw Refusal{.status = 405,
                  .code = "method_not_allowed",
                  .message = fmt::format("{} takes {} here", entry->path, entry->method),
                  .headers = {{"Allow", std::string(entry->method)}}};
  }
  if (entry->needs == Entry::Needs::caller) {
    context.caller = world_.access.identify(request, BootClock::now());
  }
  return (this->*entry->route)(context);
}

Reply Routes::answer(Exchange& exchange) {
  Context context{exchange, BootClock::now(), find(exchange.request())};
  HttpReply reply;
  try {
    reply = co_await dispatch(context);
  } catch (const Refusal& refusal) {
    reply = to_reply(refusal);
  }
  tell(context, reply.status);
  co_return reply;
}

void Routes::tell(const Context& context, int status) {
  const HttpRequest& request = context.exchange.request();
  const auto took = BootClock::now() - context.began;
  const std::string_view route = context.entry == nullptr ? std::string_view("other") : context.entry->path;
  world_.metrics.on_request(route, status, took);
  if (world_.note) {
    world_.note(
        {request.method, request.path, route, &request.peer, context.caller.principal, context.lock, status, took});
  }
}

// ---- for operators and people

Reply Routes::health(Context& /*context*/) {
  HttpReply reply = json_reply(R"({"status":"ok"})");
  co_return reply;
}

Reply Routes::readiness(Context& /*context*/) {
  const Metrics::Now now = world_.look();
  if (stopping_) {
    throw Refusal{
        .status = 503, .code = "stopping", .message = "the server is stopping", .headers = {{"Retry-After", "1"}}};
  }
  if (!now.journal_healthy) {
    throw Refusal{.status = 503,
                  .code = "not_durable",
                  .message = "the journal cannot be written: nothing is granted",
                  .hint = "is the disk full?",
                  .headers = {{"Retry-After", "1"}}};
  }
  if (now.grace_left > Duration::zero()) {
    throw Refusal{
        .status = 503,
        .code = "restart_grace",
        .message = fmt::format("the server was started anew, does not know who held what before, and grants nothing "
                               "for {}",
                               format_duration(now.grace_left)),
        .hint = "until then it takes back holds that are renewed: let renewals through",
        .headers = {
            {"Retry-After", fmt::format("{}", std::chrono::ceil<std::chrono::seconds>(now.grace_left).count())}}};
  }
  HttpReply reply = json_reply(R"({"status":"ready"})");
  co_return reply;
}

Reply Routes::metrics(Context& context) {
  demand(context.caller, Role::read);
  HttpReply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = world_.metrics.text(world_.look());
  co_return reply;
}

Reply Routes::openapi(Context& /*context*/) {
  HttpReply reply;
  reply.body = openapi_json();
  co_return reply;
}

Reply Routes::page(Context& /*context*/) {
  static const std::string kPolicy = page_security_policy(page_html());
  HttpReply reply;
  reply.content_type = "text/html; charset=utf-8";
  reply.body = page_html();
  reply.headers = {{"Content-Security-Policy", kPolicy}, {"Referrer-Policy", "no-referrer"}};
  co_return reply;
}

}  // namespace lockgate::server
