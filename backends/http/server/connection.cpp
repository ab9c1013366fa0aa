// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <exception>
#include <system_error>
#include <utility>

#include "backends/http/server/connection_events.hpp"
#include "backends/http/server/tls_context.hpp"
#include "core/text.hpp"

namespace lockgate::server {
namespace {

constexpr Duration kLingerTime = std::chrono::seconds(1);
constexpr std::size_t kLingerBytes = std::size_t{1024} * 1024;
constexpr Duration kTurnAwayTime = std::chrono::seconds(2);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

constexpr Refusal kTooSlow{408, "too_slow", "the request did not come whole in time"};
constexpr Refusal kTooMany{503, "too_many_connections", "the server has as many connections as it takes"};
constexpr Refusal kPlainToTls{400, "bad_request", "this port speaks HTTPS: use https:// in the URL"};
constexpr Refusal kFailed{500, "internal", "the server failed to answer this request; its log says more"};

ReaderLimits reader_limits(const EngineLimits& limits) {
  return {limits.body, limits.headers, limits.target};
}

/// Counts down when the coroutine ends, in whatever way.
class CountedDown {
 public:
  explicit CountedDown(std::size_t& count) : count_(count) {}
  CountedDown(const CountedDown&) = delete;
  CountedDown& operator=(const CountedDown&) = delete;
  ~CountedDown() { --count_; }

 private:
  std::size_t& count_;
};

/// Counts up for as long as it lives.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace

Connection::Connection(World& world, UniqueFd socket, Peer peer, SSL_CTX* tls, Admission admission)
    : world_(world),
      descriptor_(world.loop.get_executor()),
      timer_(world.loop.get_executor()),
      channel_(socket.get()),
      admission_(admission) {
  if (tls != nullptr) {
    channel_.begin_tls(*tls);
    peer.tls = true;
  }
  request_.peer = std::move(peer);
  boost::system::error_code error;
  descriptor_.assign(socket.get(), error);
  if (error) {
    throw std::system_error(error.value(), std::system_category(), "a connection cannot be watched");
  }
  socket.release();
  ++world_.coroutines;
}

// Each step by itself: g++ 12 evaluates a co_await behind && or || in a condition also where it must not.
asio::awaitable<void> Connection::run() {
  const CountedDown end(world_.coroutines);
  try {
    bool going = !broken_;
    if (going && channel_.ssl() != nullptr) {
      going = co_await shake_hands();
    }
    while (going) {
      going = co_await first_bytes();
      if (going) {
        going = co_await read_request();
      }
      if (going) {
        co_await ask_handler();
        going = co_await send_reply();
      }
      if (going && !input_.empty()) {
        // Who sends requests ahead gets one answer a turn, so that all others get theirs in between.
        co_await asio::post(descriptor_.get_executor(), asio::use_awaitable);
      }
    }
    if (!broken_) {
      co_await linger();
    }
  } catch (const std::exception& error) {
    world_.trouble.tell(Trouble::Topic::connection, fmt::format("a connection was given up: {}", error.what()));
  }
  co_await close();
}

/// A client that speaks plain HTTP to this port is told so in its own language.
asio::awaitable<bool> Connection::shake_hands() {
  const BootTime deadline = BootClock::now() + world_.options.limits.header_time;
  char first = 0;
  const bool begun = co_await ready(Moved::Outcome::wait_readable, deadline);
  if (begun && ::recv(descriptor_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first >= 'A' &&
      first <= 'Z') {
    channel_ = Channel(descriptor_.native_handle());
    request_.peer.tls = false;
    co_return co_await refuse(kPlainToTls);
  }
  for (;;) {
    const Moved moved = channel_.handshake();
    if (moved.outcome == Moved::Outcome::done) {
      request_.peer.certificate = client_name(*channel_.ssl());
      co_return true;
    }
    const bool failed = moved.outcome == Moved::Outcome::closed;
    bool going = !failed;
    if (going) {
      going = co_await ready(moved.outcome, deadline);
    }
    if (!going) {
      world_.trouble.tell(Trouble::Topic::handshake,
                          fmt::format("TLS handshake with {} failed: {}", request_.peer.address,
                                      failed ? channel_.why_it_failed() : "it took too long"));
      broken_ = !failed;
      // It was told why, in TLS; but may be sending still: what comes is read as the bytes that it is.
      channel_ = Channel(descriptor_.native_handle());
      co_return false;
    }
  }
}

/// Between two requests: waits for the next one to begin, without anything that costs memory.
asio::awaitable<bool> Connection::first_bytes() {
  const EngineLimits& limits = world_.options.limits;
  const Duration patience = admission_ == Admission::one_too_many ? kTurnAwayTime
                            : fresh_                              ? limits.header_time
                                                                  : limits.idle_time;
  set_deadline(BootClock::now() + patience);
  Moved::Outcome wanted = Moved::Outcome::wait_readable;
  while (input_.empty()) {
    const unsigned event = wanted == Moved::Outcome::wait_readable ? kReadable : kWritable;
    arm(event);
    while (!is_over(event | kTimeout | kStop | kBroken)) {
      co_await suspend(event | kTimeout | kStop | kBroken);
    }
    if (is_over(kTimeout | kStop | kBroken)) {
      // Nothing was sent that could still be on its way: nothing to linger for.
      channel_.end_sending();
      broken_ = true;
      co_return false;
    }
    wanted = receive();
    if (wanted == Moved::Outcome::closed) {
      co_return false;
    }
  }
  co_return true;
}

asio::awaitable<bool> Connection::read_request() {
  const EngineLimits& limits = world_.options.limits;
  RequestReader reader(reader_limits(limits));
  BootTime deadline = BootClock::now() + (admission_ == Admission::one_too_many ? kTurnAwayTime : limits.header_time);
  bool in_body = false;
  bool continued = false;
  for (;;) {
    auto result = reader.read(input_);
    if (auto* whole = std::get_if<WholeRequest>(&result)) {
      begin_request(std::move(*whole));
      co_return true;
    }
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
      co_return co_await refuse(*refusal);
    }
    if (!in_body && reader.head_is_read()) {
      in_body = true;
      deadline = BootClock::now() + limits.body_time;
    }
    if (!continued && reader.client_waits_for_continue()) {
      continued = true;
      std::string go_on(kContinue);
      co_await send(std::move(go_on));
    }
    const Fed fed = co_await more_bytes(deadline);
    if (fed == Fed::too_late) {
      co_return co_await refuse(kTooSlow);
    }
    if (fed == Fed::gone) {
      co_return false;
    }
  }
}

void Connection::begin_request(WholeRequest whole) {
  Peer peer = std::move(request_.peer);
  request_ = std::move(whole.request);
  request_.peer = std::move(peer);
  request_began_ = BootClock::now();
  bytes_in_ = whole.bytes;
  bytes_out_ = 0;
  keep_alive_ = whole.keep_alive;
  http_1_0_ = whole.minor_version == 0;
  fresh_ = false;
  streaming_ = false;
  events_ &= ~kWake;
  if (input_.empty()) {
    std::string().swap(input_);  // a parked request keeps no buffer
  }
}

/// Its frame lives while the request is parked: it holds next to nothing.
asio::awaitable<void> Connection::ask_handler() {
  try {
    if (admission_ == Admission::one_too_many) {
      keep_alive_ = false;
      reply_ = std::make_unique<HttpReply>(reply_for(kTooMany));
    } else {
      reply_ = std::make_unique<HttpReply>(co_await world_.options.handler(*this));
    }
  } catch (const std::exception& error) {
    reply_ = failed(error.what());
  } catch (...) {
    reply_ = failed("an exception of no known type");
  }
}

std::unique_ptr<HttpReply> Connection::failed(const char* why) {
  world_.trouble.tell(Trouble::Topic::handler,
                      fmt::format("{} {}: failed: {}", printable(request_.method), quote(request_.path), why));
  return std::make_unique<HttpReply>(reply_for(kFailed));
}

asio::awaitable<bool> Connection::send_reply() {
  int status = 200;
  bool written = !broken_;
  if (!streaming_) {
    std::string text = text_of_reply(*reply_);
    status = reply_->status;
    std::string().swap(reply_->body);  // a large body is not kept twice while it is being sent
    written = co_await send(std::move(text));
    if (!written && reply_->if_unwritten) {
      reply_->if_unwritten();
    }
  }
  reply_.reset();
  tell_served(&request_, status, written);
  Peer peer = std::move(request_.peer);
  request_ = HttpRequest();
  request_.peer = std::move(peer);
  co_return written&& keep_alive_;
}

/// A reply that cannot be sent becomes one that says so.
std::string Connection::text_of_reply(HttpReply& reply) {
  keep_alive_ = keep_alive_ && !world_.stopping;
  ReplyForm form;
  form.date = world_.date.now();
  form.body = request_.method == "HEAD" ? ReplyForm::Body::left_out : ReplyForm::Body::sent;
  form.after = !keep_alive_ ? ReplyForm::After::close : http_1_0_ ? ReplyForm::After::keep_1_0 : ReplyForm::After::keep;
  try {
    return reply_text(reply, form);
  } catch (const std::invalid_argument& error) {
    reply = *failed(error.what());
    return reply_text(reply, form);
  }
}

/// Always false: nothing more is read.
asio::awaitable<bool> Connection::refuse(Refusal refusal) {
  bytes_in_ = 0;
  bytes_out_ = 0;
  request_began_ = BootClock::now();
  ReplyForm form;
  form.date = world_.date.now();
  const HttpReply reply = reply_for(refusal);
  std::string text = reply_text(reply, form);
  const bool written = co_await send(std::move(text));
  tell_served(nullptr, refusal.status, written);
  co_return false;
}

void Connection::tell_served(const HttpRequest* request, int status, bool written) {
  if (!world_.options.on_served) {
    return;
  }
  try {
    world_.options.on_served(
        Served{request, request_.peer, status, bytes_in_, bytes_out_, BootClock::now() - request_began_, written});
  } catch (const std::exception& error) {
    world_.trouble.tell(Trouble::Topic::handler, fmt::format("a request could not be logged: {}", error.what()));
  }
}

/// Closing with bytes unread makes the kernel send a reset, which can overtake the answer: so they are read first, for
/// as long as can be expected of a client that was told to go.
asio::awaitable<void> Connection::linger() {
  channel_.end_sending();
  const BootTime deadline = BootClock::now() + kLingerTime;
  std::size_t seen = 0;
  while (seen < kLingerBytes && !broken_) {
    input_.clear();
    const Fed fed = co_await more_bytes(deadline);
    if (fed != Fed::bytes) {
      break;
    }
    seen += input_.size();
  }
}

asio::awaitable<Unparked> Connection::park(std::optional<BootTime> until, bool watch_client) {
  std::optional<Counted> counted;
  if (watch_client) {
    counted.emplace(world_.parked);
  }
  const unsigned interest = kWake | kTimeout | (watch_client ? kReadable | kWritable | kError | kStop | kBroken : 0u);
  set_deadline(until.value_or(BootTime::max()));
  for (;;) {
    if (is_over(kWake)) {
      events_ &= ~kWake;
      co_return Unparked::woken;
    }
    if (watch_client && (broken_ || !watch())) {
      co_return Unparked::hung_up;
    }
    if (watch_client && world_.stopping) {
      co_return Unparked::stopping;
    }
    if (until && BootClock::now() >= *until) {
      co_return Unparked::time_over;
    }
    co_await suspend(interest);
  }
}

asio::awaitable<bool> Connection::begin_stream(std::string content_type) {
  std::string head = stream_head(content_type, world_.date.now());
  streaming_ = true;
  keep_alive_ = false;
  const bool sent = co_await send(std::move(head));
  co_return sent&& request_.method != "HEAD";
}

asio::awaitable<bool> Connection::write(std::string data) {
  return send(std::move(data));
}

}  // namespace lockgate::server
