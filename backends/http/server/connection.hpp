// SPDX-License-Identifier: Apache-2.0
// One client: reads its requests, has them answered, one after the other. Thousands of them are parked at a time, so
// what one costs while it waits is counted in bytes: no buffers, one timer, small coroutines.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backends/http/server/asio.hpp"
#include "backends/http/server/channel.hpp"
#include "backends/http/server/engine.hpp"
#include "backends/http/server/reply_text.hpp"
#include "backends/http/server/request_reader.hpp"
#include "backends/http/server/trouble.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::server {

/// What all connections share.
struct World {
  World(asio::io_context& the_loop, EngineOptions the_options)
      : loop(the_loop), options(std::move(the_options)), trouble(options.on_trouble) {}

  asio::io_context& loop;
  EngineOptions options;
  Trouble trouble;
  DateText date;
  std::size_t parked = 0;
  std::size_t coroutines = 0;  // of connections, that have not ended
  std::size_t owed_calls = 0;  // that the loop will make to connections
  bool stopping = false;
};

/// Timers on the boot clock. The kernel's timer below them stands still during suspend: it is asked for a second at
/// most, so that afterwards nothing comes later than that.
struct BootWait {
  static Duration to_wait_duration(const Duration& left);
  static Duration to_wait_duration(const BootTime& until);
};

class Connection final : public Exchange {
 public:
  enum class Admission { served, one_too_many };  // the second: is told so, and closed

  /// `tls`: null for plain HTTP. Throws std::exception where memory or the kernel's tables are exhausted.
  Connection(World& world, UniqueFd socket, Peer peer, SSL_CTX* tls, Admission admission);

  /// All of the connection's life. Throws nothing; ends when nothing of the loop refers to this any more.
  asio::awaitable<void> run();
  /// The server stops: ends at once where nothing is asked, after the answer where something is.
  void stop();
  /// Ends without looking back.
  void abort();
  /// Nothing is resumed any more. The loop unwinds the coroutine and makes the calls that it owes: they are in World's
  /// counts until then.
  void let_go();

  [[nodiscard]] const Peer& peer() const { return request_.peer; }
  [[nodiscard]] Admission admission() const { return admission_; }

  [[nodiscard]] const HttpRequest& request() const override { return request_; }
  std::string take_body() override { return std::exchange(request_.body, {}); }
  asio::awaitable<Unparked> park(std::optional<BootTime> until, bool watch_client) override;
  bool is_connected() override;
  void wake() override;
  asio::awaitable<bool> begin_stream(std::string content_type) override;
  asio::awaitable<bool> write(std::string data) override;

 private:
  using Executor = asio::io_context::executor_type;
  using Resume = asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;
  enum class Rang { yes, no };  // no: it was set anew, or cancelled
  enum class Fed { bytes, too_late, gone };

  // Serving (connection.cpp).
  asio::awaitable<bool> shake_hands();
  asio::awaitable<bool> first_bytes();
  asio::awaitable<bool> read_request();
  asio::awaitable<void> ask_handler();
  asio::awaitable<bool> refuse(Refusal refusal);
  asio::awaitable<bool> send_reply();
  std::string text_of_reply(HttpReply& reply);
  asio::awaitable<void> linger();
  std::unique_ptr<HttpReply> failed(const char* why);
  void begin_request(WholeRequest whole);
  void tell_served(const HttpRequest* request, int status, bool written);

  // Bytes and events (connection_events.cpp).
  asio::awaitable<bool> send(std::string data);
  asio::awaitable<bool> ready(Moved::Outcome what, BootTime deadline);
  asio::awaitable<Fed> more_bytes(BootTime deadline);
  /// Once, into input_.
  Moved::Outcome receive();
  /// False: the client has hung up. Else something is armed that will tell of it.
  bool watch();
  asio::awaitable<void> suspend(unsigned interest);
  asio::awaitable<void> close();
  void happened(unsigned event);
  void owe_call();
  void call_came_back(unsigned event);
  void set_deadline(BootTime deadline);
  void arm_timer();
  void timer_came(Rang rang);
  void arm(unsigned event);
  [[nodiscard]] bool is_over(unsigned interest) const { return (events_ & interest) != 0; }

  World& world_;
  asio::posix::basic_stream_descriptor<Executor> descriptor_;
  asio::basic_waitable_timer<BootClock, BootWait, Executor> timer_;
  BootTime deadline_ = BootTime::max();
  BootTime timer_at_ = BootTime::max();  // max: not armed
  Channel channel_;
  std::string input_;  // received, not yet read
  HttpRequest request_;
  std::unique_ptr<HttpReply> reply_;
  BootTime request_began_{};
  std::size_t bytes_in_ = 0;
  std::size_t bytes_out_ = 0;
  Admission admission_;
  unsigned pending_ = 0;   // calls that will come from the loop
  unsigned events_ = 0;    // happened, not yet looked at
  unsigned interest_ = 0;  // what resumes the coroutine
  unsigned armed_ = 0;
  bool broken_ = false;
  bool keep_alive_ = true;
  bool http_1_0_ = false;
  bool fresh_ = true;  // no request has come yet
  bool streaming_ = false;
  bool closing_ = false;
  std::optional<Resume> resume_;  // the coroutine, while it is suspended. Last: goes first, with all that refers to us
};

}  // namespace lockgate::server
