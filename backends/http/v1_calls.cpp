// SPDX-License-Identifier: Apache-2.0
#include "backends/http/v1_calls.hpp"

namespace lockgate::http {
namespace {

/// Of many locks, each with a value of its own.
constexpr std::size_t kLongestList = std::size_t{64} << 20;
constexpr auto kUnknownHold = "the server does not know it any more";

HttpCall post(const std::string& what, std::string body) {
  return {.method = "POST", .path = "/v1/" + what, .body = std::move(body)};
}

/// For a query: there a plus sign would be a space.
std::string query_encode(const std::string& text) {
  std::string out;
  for (const char c : percent_encode(text)) {
    out += c == '+' ? "%2B" : std::string(1, c);
  }
  return out;
}

}  // namespace

template <class Decode>
auto V1::understand(const HttpCall& call, const HttpAnswer& answer, Decode decode) {
  try {
    return decode(std::string_view(answer.body));
  } catch (const NotUnderstood& flaw) {
    throw server_.not_understood(call, answer, flaw.why);
  }
}

std::variant<V1::Acquired, Setback> V1::acquire(const Request& request, const AcquireWish& wish, const Myself& myself,
                                                const HttpWait& wait) {
  const HttpCall call = post("acquire", acquire_body(request, wish, myself));
  Asked asked = server_.ask(client_, call, wait);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& answer = std::get<HttpAnswer>(asked);
  if (is_gone(answer)) {
    return Acquired{answer.sent, OverBefore{}};
  }
  const auto decoded =
      understand(call, answer, [&](std::string_view body) { return decode_acquire(body, request.ttl); });
  Acquired acquired{answer.sent, OverBefore{}};
  std::visit([&](const auto& what) { acquired.answer = what; }, decoded);
  return acquired;
}

std::variant<Renewal, Setback> V1::renew(const Grant& grant, Duration ttl, const HttpWait& wait) {
  const HttpCall call = post("renew", renew_body(grant, ttl));
  Asked asked = server_.ask(client_, call, wait);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& answer = std::get<HttpAnswer>(asked);
  if (is_gone(answer)) {
    return Renewal{Renewal::Result::lost, {}, kUnknownHold};
  }
  const Renewed renewed = understand(call, answer, decode_renew);
  if (grant.token != 0 && renewed.token != grant.token) {
    return Renewal{Renewal::Result::lost, {}, "the server gives it another fencing token than it had"};
  }
  return Renewal{Renewal::Result::renewed, {renewed.ttl, answer.sent}, ""};
}

std::variant<Released, Setback> V1::release(const Grant& grant, const std::string& request_id, const HttpWait& wait) {
  const HttpCall call = post("release", release_body(grant, request_id));
  Asked asked = server_.ask(client_, call, wait);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& answer = std::get<HttpAnswer>(asked);
  if (is_gone(answer)) {
    return Released::was_lost;
  }
  understand(call, answer, [](std::string_view body) { expect_outcome(body, "released"); });
  return Released::done;
}

std::variant<ValueSet, Setback> V1::set_value(const Grant& grant, const std::optional<std::string>& value,
                                              const HttpWait& wait) {
  const HttpCall call = post("value", value_body(grant, value));
  Asked asked = server_.ask(client_, call, wait);
  if (auto* setback = std::get_if<Setback>(&asked)) {
    return std::move(*setback);
  }
  const auto& answer = std::get<HttpAnswer>(asked);
  if (is_gone(answer)) {
    return ValueSet::was_lost;
  }
  understand(call, answer, [](std::string_view body) { expect_outcome(body, "set"); });
  return ValueSet::done;
}

void V1::leave(const LockName& name, const std::string& acquirer_id, const HttpWait& wait) {
  answer_or_throw(server_.ask(client_, post("leave", leave_body(name, acquirer_id)), wait));
}

std::vector<LockState> V1::list(const std::vector<LockName>& names, const HttpWait& wait) {
  const HttpCall call{.path = "/v1/locks" + query_of(names, {}), .longest_answer = kLongestList};
  return understand(call, answer_or_throw(server_.ask(client_, call, wait)), decode_locks);
}

std::vector<HolderInfo> V1::break_holds(const LockName& name, const HttpWait& wait) {
  HttpCall call = post("break", break_body(name));
  call.longest_answer = kLongestList;
  const HttpAnswer answer = answer_or_throw(server_.ask(client_, call, wait));
  return is_gone(answer) ? std::vector<HolderInfo>() : understand(call, answer, decode_broken);
}

std::string query_of(const std::vector<LockName>& names, const std::vector<std::string>& prefixes) {
  std::string query;
  const auto add = [&](const char* parameter, const std::string& text) {
    query += (query.empty() ? "?" : "&") + std::string(parameter) + "=" + query_encode(text);
  };
  for (const LockName& name : names) {
    add("name", name.text());
  }
  for (const std::string& prefix : prefixes) {
    add("prefix", prefix);
  }
  return query;
}

}  // namespace lockgate::http
