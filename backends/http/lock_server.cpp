// SPDX-License-Identifier: Apache-2.0
#include "backends/http/lock_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "backends/http/go_protocol.hpp"
#include "backends/http/protocol.hpp"
#include "core/handle.hpp"
#include "core/text.hpp"

namespace lockgate::http {
namespace {

constexpr std::chrono::seconds kLongestRetryAfter{5};
constexpr std::int64_t kApi = 1;

bool is_redirect(int status) {
  return status >= 300 && status < 400;
}

bool is_temporary(int status) {
  return status == 429 || status >= 500;
}

/// A text from the network for a message: escaped, and not too long.
std::string shown(std::string_view text, std::size_t most) {
  return printable(text.substr(0, most)) + (text.size() > most ? "..." : "");
}

/// What came, for people: the server's own sentence, or the beginning of whatever it was.
std::string describe(const HttpAnswer& answer) {
  if (const auto error = decode_error(answer.body)) {
    return shown(error->message.empty() ? error->code : error->message, 300);
  }
  const std::string kind = answer.content_type.empty() ? "" : " (" + shown(answer.content_type, 40) + ")";
  return fmt::format("status {}{}{}", answer.status, kind,
                     answer.body.empty() ? ", empty" : ": " + quote(std::string_view(answer.body).substr(0, 80)));
}

/// Seconds, or a date; empty for anything else, and never more than kLongestRetryAfter.
std::optional<Duration> parse_retry_after(const HttpAnswer& answer) {
  const std::string& text = answer.retry_after;
  Duration wanted(-1);
  std::int64_t seconds = 0;
  if (const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
      !text.empty() && end == text.data() + text.size() && error == std::errc{}) {
    wanted = std::chrono::seconds(std::min<std::int64_t>(seconds, kLongestRetryAfter.count()));
  } else if (std::tm date{}; strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) != nullptr) {
    const WallTime then{std::chrono::seconds(timegm(&date))};
    wanted = then - answer.date.value_or(wall_now());
  }
  return wanted < Duration(0) ? std::nullopt : std::optional(std::min<Duration>(wanted, kLongestRetryAfter));
}

/// The exit status for an answer that will be the same next time.
ExitCode code_for(int status) {
  switch (status) {
    case 413:
    case 414:
    case 422:
    case 431:
      return ExitCode::usage;  // what was asked for is out of the server's bounds
    default:
      return ExitCode::not_understood;
  }
}

Setback setback_of(const HttpFailure& failure) {
  if (failure.code() != ExitCode::unavailable) {
    throw Error(failure);  // a certificate, an answer that is no HTTP: they will be the same next time
  }
  return {failure, {}, failure.not_sent ? Setback::Sent::no : Setback::Sent::perhaps};
}

/// scheme://host of a URL, which may be hostile; without a host, the path. What stands behind may be a secret.
std::string host_part(const std::string& location) {
  const std::size_t slashes = location.find("//");
  const std::size_t host = slashes == std::string::npos ? 0 : slashes + 2;
  return location.substr(0, location.find_first_of(slashes == std::string::npos ? "?#" : "/?#", host)).substr(0, 100);
}

}  // namespace

LockServer::LockServer(HttpPlace place) : place_(std::move(place)), url_(HttpUrl::parse(place_.url)) {
}

std::unique_ptr<HttpClient> LockServer::connect() const {
  return HttpClient::make({.url = place_.url,
                           .token_file = place_.token_file,
                           .ca_file = place_.ca_file,
                           .cert_file = place_.cert_file,
                           .key_file = place_.key_file,
                           .user_agent = "lockgate/" LOCKGATE_VERSION});
}

Error LockServer::not_understood(const HttpCall& call, const HttpAnswer& answer, const std::string& why) const {
  return {ExitCode::not_understood,
          fmt::format("{} answered {} {} with what is not understood: {}{}", url(), call.method, shown(call.path, 100),
                      why.empty() ? "" : why + ": ", describe(answer)),
          "does --url name a lockgate server?"};
}

Error LockServer::not_allowed(const HttpAnswer& answer) const {
  const auto error = decode_error(answer.body);
  std::string next_step = error ? shown(error->hint, 300) : "";
  if (next_step.empty()) {
    next_step = place_.token_file.empty()
                    ? "--token-file names the file that your token is in"
                    : fmt::format("the token in {} may be wrong, or have too small a role", quote(place_.token_file));
  }
  const std::string with =
      place_.token_file.empty() ? "without a token" : fmt::format("with the token in {}", quote(place_.token_file));
  return {ExitCode::not_allowed, fmt::format("{} does not allow it {}: {}", url(), with, describe(answer)), next_step};
}

Error LockServer::refusal(const HttpCall& call, const HttpAnswer& answer) const {
  if (is_redirect(answer.status)) {
    return {ExitCode::not_understood,
            fmt::format("{} sends us on to {}, where lockgate does not go by itself", url(),
                        answer.location.empty() ? "nowhere" : quote(host_part(answer.location))),
            "give the server's own address with --url"};
  }
  if (answer.status == 401 || answer.status == 403) {
    return not_allowed(answer);
  }
  const auto error = decode_error(answer.body);
  if (!error) {
    return not_understood(call, answer, "");
  }
  return {code_for(answer.status), fmt::format("{} refused {}: {}", url(), shown(call.path, 100), describe(answer)),
          shown(error->hint, 300)};
}

Asked LockServer::judge(const HttpCall& call, HttpAnswer answer) const {
  if (is_temporary(answer.status)) {
    const auto error = decode_error(answer.body);
    return Setback{Error(ExitCode::unavailable, fmt::format("{} cannot do it now: {}", url(), describe(answer)),
                         error ? shown(error->hint, 300) : ""),
                   parse_retry_after(answer), Setback::Sent::answered};
  }
  const bool gone = answer.status == 410 && decode_error(answer.body).has_value();
  if (answer.status != 200 && !gone) {
    throw refusal(call, answer);
  }
  return answer;
}

Asked LockServer::ask(HttpClient& client, const HttpCall& call, const HttpWait& wait) {
  auto sent = Setback::Sent::perhaps;
  try {
    HttpAnswer answer = client.call(call, wait);
    sent = Setback::Sent::answered;  // whatever fails from here on, this call is over
    const bool says_something =
        !is_temporary(answer.status) && !is_redirect(answer.status) && answer.status != 401 && answer.status != 403;
    if (dialect_ == Dialect::unknown && says_something) {
      if (is_lockgate_answer(answer.body)) {
        dialect_ = Dialect::ours;
      } else if (find_dialect(client, wait) == Dialect::go) {
        throw SpeaksGo{};
      }
    }
    return judge(call, std::move(answer));
  } catch (const HttpFailure& failure) {
    Setback setback = setback_of(failure);
    setback.sent = sent == Setback::Sent::answered ? sent : setback.sent;
    return setback;
  }
}

Asked LockServer::stream(HttpClient& client, const HttpCall& call, const HttpWait& wait,
                         const std::function<bool(std::string_view)>& take) {
  try {
    if (find_dialect(client, wait) == Dialect::go) {
      throw SpeaksGo{};
    }
    return judge(call, client.stream(call, wait, take));
  } catch (const HttpFailure& failure) {
    return setback_of(failure);
  }
}

Asked LockServer::ask_go(HttpClient& client, const HttpCall& call, const HttpWait& wait) const {
  try {
    HttpAnswer answer = client.call(call, wait);
    if (answer.status == 410) {
      throw not_understood(call, answer, "");
    }
    return judge(call, std::move(answer));
  } catch (const HttpFailure& failure) {
    return setback_of(failure);
  }
}

Dialect LockServer::find_dialect(HttpClient& client, const HttpWait& wait) {
  if (dialect_ != Dialect::unknown) {
    return dialect_;
  }
  const HttpCall call{.path = "/v1/"};
  const HttpAnswer answer = client.call(call, wait);
  if (answer.status == 404 && !is_lockgate_answer(answer.body)) {
    if (!is_go(client, wait)) {
      throw not_understood(call, answer, "it is neither a lockgate server nor one of the Go library");
    }
    dialect_ = Dialect::go;
    return dialect_;
  }
  if (is_temporary(answer.status)) {
    throw HttpFailure(ExitCode::unavailable, fmt::format("{} cannot do it now: {}", url(), describe(answer)));
  }
  const auto info = answer.status == 200 ? decode_info(answer.body) : std::nullopt;
  if (!info) {
    throw answer.status == 200 ? not_understood(call, answer, "it is no lockgate server") : refusal(call, answer);
  }
  if (info->api != kApi) {
    throw Error(ExitCode::not_understood,
                fmt::format("{} is lockgate {} and speaks version {} of its language; this one speaks {}", url(),
                            shown(info->version, 40), info->api, kApi));
  }
  dialect_ = Dialect::ours;
  return dialect_;
}

/// A hold that nobody ever had is given back: a Go server says in its own words that it knows nothing of it. Nothing
/// less will do, for on its word commands run.
bool LockServer::is_go(HttpClient& client, const HttpWait& wait) const {
  const HttpCall call{
      .method = "POST", .path = "/release", .body = go::handle_body("lockgate-discovery", new_handle())};
  const HttpAnswer answer = client.call(call, wait);
  if (is_temporary(answer.status)) {
    throw HttpFailure(ExitCode::unavailable, fmt::format("{} cannot do it now: {}", url(), describe(answer)));
  }
  try {
    return answer.status == 200 && go::decode_done(answer.body).said == go::Said::no_lease;
  } catch (const NotUnderstood&) {
    return false;
  }
}

HttpAnswer answer_or_throw(Asked asked) {
  if (const auto* setback = std::get_if<Setback>(&asked)) {
    throw setback->error;
  }
  return std::get<HttpAnswer>(std::move(asked));
}

}  // namespace lockgate::http
