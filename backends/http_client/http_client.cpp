// SPDX-License-Identifier: Apache-2.0
// libcurl's multi interface with one call at a time: it polls our descriptors beside its own. Time limits are a
// timerfd among them, for the timeouts of poll(2) stand still while the machine is suspended.
#include "backends/http_client/http_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>

#include "backends/http_client/curl_failure.hpp"
#include "backends/http_client/curl_setup.hpp"
#include "backends/http_client/http_url.hpp"
#include "backends/http_client/token_file.hpp"
#include "core/duration.hpp"
#include "core/text.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

constexpr std::size_t kMaxHeaders = std::size_t{64} << 10;

using Take = std::function<bool(std::string_view)>;

enum class TooMuch { nothing, body, headers, encoded };

/// What is known of one exchange while libcurl calls us back.
struct Exchange {
  CURL* easy = nullptr;
  HttpAnswer answer;
  std::size_t longest_body = 0;
  std::size_t header_bytes = 0;
  TooMuch too_much = TooMuch::nothing;
  const Take* take = nullptr;  // of a stream
  bool ended_by_taker = false;
  bool only_once = false;
  bool sent = false;
  std::exception_ptr thrown;  // by the taker: no exception may pass through libcurl
};

std::string_view trimmed(std::string_view text) {
  constexpr auto kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// `lower` is in lower case.
bool is_same(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

/// The value of the header `name` (in lower case) if this line is one.
std::optional<std::string_view> value_of(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':' || !is_same(line.substr(0, name.size()), name)) {
    return std::nullopt;
  }
  return trimmed(line.substr(name.size() + 1));
}

/// Never asked for; a small body could unfold to any size.
bool is_encoded(std::string_view line) {
  if (const auto encoding = value_of(line, "content-encoding")) {
    return *encoding != "identity";
  }
  const auto coding = value_of(line, "transfer-encoding");
  return coding && !is_same(*coding, "chunked") && !is_same(*coding, "identity");
}

void note_header(Exchange& exchange, std::string_view line) {
  HttpAnswer& answer = exchange.answer;
  if (line.starts_with("HTTP/")) {
    const BootTime sent = answer.sent;  // another answer begins: the one before was "100 Continue" or a proxy's
    answer = HttpAnswer();
    answer.sent = sent;
  } else if (const auto type = value_of(line, "content-type")) {
    answer.content_type = *type;
  } else if (const auto after = value_of(line, "retry-after")) {
    answer.retry_after = *after;
  } else if (const auto location = value_of(line, "location")) {
    answer.location = *location;
  } else if (is_encoded(line)) {
    exchange.too_much = TooMuch::encoded;
  } else if (const auto date = value_of(line, "date")) {
    if (const time_t seconds = curl_getdate(std::string(*date).c_str(), nullptr); seconds > 0) {
      answer.date = WallTime(std::chrono::seconds(seconds));
    }
  }
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  exchange.header_bytes += size * count;
  if (exchange.header_bytes > kMaxHeaders) {
    exchange.too_much = TooMuch::headers;
  } else {
    note_header(exchange, {data, size * count});
  }
  return exchange.too_much == TooMuch::nothing ? size * count : 0;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  const std::string_view piece(data, size * count);
  long status = 0;
  curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
  if (exchange.take != nullptr && status == 200) {
    try {
      exchange.ended_by_taker = !(*exchange.take)(piece);
    } catch (...) {
      exchange.thrown = std::current_exception();
      exchange.ended_by_taker = true;
    }
    return exchange.ended_by_taker ? 0 : piece.size();
  }
  if (exchange.answer.body.size() + piece.size() > exchange.longest_body) {
    exchange.too_much = TooMuch::body;
    return 0;
  }
  exchange.answer.body += piece;
  return piece.size();
}

/// Called when there is a connection and the request is about to be written to it. The second time within a call it is
/// about to be repeated on a new connection, for on the old one there came nothing.
int on_connected(void* user, char* /*ip*/, char* /*local_ip*/, int /*port*/, int /*local_port*/) {
  Exchange& exchange = *static_cast<Exchange*>(user);
  if (exchange.sent && exchange.only_once) {
    return CURL_PREREQFUNC_ABORT;
  }
  exchange.sent = true;
  return CURL_PREREQFUNC_OK;
}

Error refusal(TooMuch what, std::size_t longest_body, const HttpUrl& url) {
  const std::string why = what == TooMuch::body      ? fmt::format("a body of more than {} bytes", longest_body)
                          : what == TooMuch::headers ? fmt::format("headers of more than {} bytes", kMaxHeaders)
                                                     : "a compressed body, which was not asked for";
  return {ExitCode::not_understood, fmt::format("{} answered with {}", url.text(), why)};
}

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(HttpOptions options);
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  HttpAnswer call(const HttpCall& call, const HttpWait& wait) override { return with_fresh_token(call, wait, nullptr); }
  HttpAnswer stream(const HttpCall& call, const HttpWait& wait, const Take& take) override {
    return with_fresh_token(call, wait, &take);
  }
  std::string url() const override { return url_.text(); }
  std::optional<Duration> clock_offset() const override { return clock_offset_; }
  std::vector<std::string> oddities() const override;

 private:
  HttpAnswer with_fresh_token(const HttpCall& call, const HttpWait& wait, const Take* take);
  HttpAnswer try_call(const HttpCall& call, const HttpWait& wait, const Take* take);
  void run(Exchange& exchange, const HttpWait& wait);
  void sleep(const HttpWait& wait);
  void heed(const Exchange& exchange, const HttpWait& wait, BootTime begin);
  void arm(const HttpWait& wait);
  void learn_clock(const HttpAnswer& answer, WallTime before, WallTime after);

  HttpOptions options_;
  HttpUrl url_;
  TokenFile token_;
  std::optional<Duration> clock_offset_;
  UniqueFd timer_;
  std::array<char, CURL_ERROR_SIZE> words_{};  // libcurl's, for the last failure
  CurlHeaders pinned_;                         // names that no resolver is asked for
  CurlMulti multi_;
  CurlEasy easy_;
};

CurlClient::CurlClient(HttpOptions options)
    : options_(std::move(options)),
      url_(HttpUrl::parse(options_.url)),
      token_(options_.token_file),
      timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!timer_) {
    throw Error(ExitCode::internal, "cannot make a timer: " + errno_text(errno));
  }
  if (!token_.path().empty() && !url_.is_private()) {
    throw Error(ExitCode::config,
                fmt::format("the token would be sent to {} unencrypted, for everybody on the way to read", url_.text()),
                "use an https:// URL with --url, or no token");
  }
  check_tls_files(options_);
  multi_ = make_multi();
  easy_ = make_easy(url_, options_);
  pinned_ = pin_localhost(url_);
  curl_easy_setopt(easy_.get(), CURLOPT_RESOLVE, pinned_.get());
  curl_easy_setopt(easy_.get(), CURLOPT_ERRORBUFFER, words_.data());
  curl_easy_setopt(easy_.get(), CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy_.get(), CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy_.get(), CURLOPT_PREREQFUNCTION, on_connected);
}

CurlClient::~CurlClient() {
  const NoBrokenPipe no_broken_pipe;  // TLS says good-bye
  easy_.reset();
  multi_.reset();
}

HttpAnswer CurlClient::with_fresh_token(const HttpCall& call, const HttpWait& wait, const Take* take) {
  HttpAnswer answer = try_call(call, wait, take);
  if ((answer.status == 401 || answer.status == 403) && token_.reread()) {
    return try_call(call, wait, take);  // the first one was refused: it did nothing
  }
  return answer;
}

HttpAnswer CurlClient::try_call(const HttpCall& call, const HttpWait& wait, const Take* take) {
  Exchange exchange;
  exchange.easy = easy_.get();
  exchange.take = take;
  exchange.longest_body = call.longest_answer;
  exchange.only_once = call.unanswered == HttpCall::Unanswered::fail;
  exchange.answer.sent = BootClock::now();
  const WallTime before = wall_now();
  const CurlHeaders headers = prepare(easy_.get(), url_, call, token_.current());
  curl_easy_setopt(easy_.get(), CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy_.get(), CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy_.get(), CURLOPT_PREREQDATA, &exchange);
  run(exchange, wait);
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  exchange.answer.status = static_cast<int>(status);
  learn_clock(exchange.answer, before, wall_now());
  return std::move(exchange.answer);
}

void CurlClient::run(Exchange& exchange, const HttpWait& wait) {
  words_.fill('\0');
  const NoBrokenPipe no_broken_pipe;
  const Attached attached(multi_.get(), easy_.get());
  const BootTime begin = BootClock::now();
  for (int running = 1; running != 0;) {
    if (const CURLMcode code = curl_multi_perform(multi_.get(), &running); code != CURLM_OK) {
      throw Error(ExitCode::internal, std::string("libcurl: ") + curl_multi_strerror(code));
    }
    if (running != 0) {
      sleep(wait);
      heed(exchange, wait, begin);
    }
  }
  const CURLcode result = attached.result();
  if (exchange.thrown) {
    std::rethrow_exception(exchange.thrown);
  }
  if (result == CURLE_OK || exchange.ended_by_taker) {
    return;
  }
  if (exchange.too_much != TooMuch::nothing) {
    throw HttpFailure(refusal(exchange.too_much, exchange.longest_body, url_), false);
  }
  long os_error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &os_error);
  throw describe_failure(
      {.code = result, .os_error = static_cast<int>(os_error), .detail = words_.data(), .sent = exchange.sent}, url_,
      options_);
}

void CurlClient::arm(const HttpWait& wait) {
  BootTime until = wait.give_up;
  if (const auto at = wait.attend_at ? wait.attend_at() : std::nullopt) {
    until = std::min(until, *at);
  }
  itimerspec spec{};  // all zero: disarmed
  if (until != BootTime::max()) {
    const auto count = std::max<std::int64_t>(until.time_since_epoch().count(), 1);
    spec.it_value = {count / 1'000'000'000, count % 1'000'000'000};
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void CurlClient::sleep(const HttpWait& wait) {
  arm(wait);
  std::array<curl_waitfd, 3> fds{};
  unsigned count = 0;
  for (const int fd : {timer_.get(), wait.stop, wait.attend_fd}) {
    if (fd >= 0) {
      fds.at(count++) = {fd, CURL_WAIT_POLLIN, 0};
    }
  }
  constexpr int kAtMost = 60'000;  // ms; libcurl shortens it to what it has to do itself
  if (const auto code = curl_multi_poll(multi_.get(), fds.data(), count, kAtMost, nullptr); code != CURLM_OK) {
    throw Error(ExitCode::internal, std::string("libcurl: ") + curl_multi_strerror(code));
  }
}

bool is_ready(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return fd >= 0 && poll(&entry, 1, 0) > 0;
}

/// Ends the call by an exception if somebody wants that.
void CurlClient::heed(const Exchange& exchange, const HttpWait& wait, BootTime begin) {
  if (is_ready(wait.stop)) {
    throw HttpStopped{};
  }
  const BootTime now = BootClock::now();
  if (wait.attend) {
    const auto at = wait.attend_at ? wait.attend_at() : std::nullopt;
    if ((is_ready(wait.attend_fd) || (at && now >= *at)) && !wait.attend()) {
      throw HttpStopped{};
    }
  }
  if (now >= wait.give_up) {
    const auto waited = std::chrono::floor<std::chrono::milliseconds>(now - begin);
    throw HttpFailure(Error(ExitCode::unavailable,
                            fmt::format("{} {} within {}", exchange.sent ? "no answer from" : "no connection to",
                                        url_.text(), format_duration(waited)),
                            "is the server running there? --url says where it is"),
                      !exchange.sent);
  }
}

void CurlClient::learn_clock(const HttpAnswer& answer, WallTime before, WallTime after) {
  if (answer.date && after >= before && after - before < std::chrono::seconds(2)) {
    // The header has whole seconds, cut off: on average it is half a second behind.
    clock_offset_ = *answer.date + std::chrono::milliseconds(500) - (before + (after - before) / 2);
  }
}

std::vector<std::string> CurlClient::oddities() const {
  std::vector<std::string> lines;
  if (const auto open = token_.oddity()) {
    lines.push_back("the token file " + *open);
  }
  if (const auto open = options_.key_file.empty() ? std::nullopt : find_open_mode(options_.key_file)) {
    lines.push_back("the key " + *open);
  }
  if (!url_.is_private()) {
    lines.push_back(
        fmt::format("{} is not encrypted: whoever is on the way can read lock names and values, and act as "
                    "the server",
                    url_.text()));
  }
  if (const auto proxy = proxy_variable(url_)) {
    lines.push_back(
        fmt::format("the environment variable {} puts a proxy between this host and {}", *proxy, url_.text()));
  }
  return lines;
}

}  // namespace

std::unique_ptr<HttpClient> HttpClient::make(HttpOptions options) {
  start_curl();
  return std::make_unique<CurlClient>(std::move(options));
}

}  // namespace lockgate
