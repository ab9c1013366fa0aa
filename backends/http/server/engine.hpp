// SPDX-License-Identifier: Apache-2.0
// The HTTP server without an idea of locks: sockets, TLS, HTTP/1.1 within bounds, requests that are parked and streams
// that stay open. One thread; a parked request costs bytes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/http/server/asio.hpp"
#include "backends/http/server/http_message.hpp"
#include "core/clock.hpp"

namespace lockgate::server {

/// Why Exchange::park() returned.
enum class Unparked { woken, time_over, hung_up, stopping };

/// One request that is being answered. Lives on the loop's thread, until the handler's coroutine has returned.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const HttpRequest& request() const = 0;
  /// The body of the request, which has none then: what is parked for long is not to keep it.
  virtual std::string take_body() = 0;

  /// Suspends the handler until wake(), `until` (nullopt: no limit), the client's hanging up (noticed at once: its FIN
  /// or RST), or the server's stopping. A wake() that came before counts: it then returns at once. A client that only
  /// closed its sending side has hung up. For `watch_client` false, hanging up and stopping are not looked at: for
  /// waits that end soon by themselves.
  virtual boost::asio::awaitable<Unparked> park(std::optional<BootTime> until, bool watch_client = true) = 0;
  /// Whether the client has not hung up, as park() notices it. If it has, what is answered is not written.
  virtual bool is_connected() = 0;
  /// Ends park(), now or the next one. On the loop's thread.
  virtual void wake() = 0;

  /// Begins an answer without an end (event stream): status 200, these headers. The reply that the handler returns is
  /// then not sent.
  virtual boost::asio::awaitable<bool> begin_stream(std::string content_type) = 0;
  /// False: the client is gone, or did not take it within the write limit.
  virtual boost::asio::awaitable<bool> write(std::string data) = 0;
};

/// Answers a request. Waits by its Exchange alone: what it awaits otherwise is not ended with the connection. An
/// exception is logged and answered by 500.
using Handler = std::function<boost::asio::awaitable<HttpReply>(Exchange&)>;

/// What the engine did with a request, once the answer was written (or could not be). For the log and the metrics.
struct Served {
  const HttpRequest* request = nullptr;  // null: it was refused before it was read whole
  Peer peer;
  int status = 0;
  std::size_t bytes_in = 0;
  std::size_t bytes_out = 0;
  Duration took{};
  bool written = true;  // false: the client was gone
};

struct TlsFiles {
  std::string certificate;  // PEM, chain
  std::string key;          // PEM
  std::string client_ca;    // PEM; empty: clients need no certificate
};

struct EngineLimits {
  std::size_t body = std::size_t{64} * 1024;
  std::size_t headers = std::size_t{16} * 1024;
  std::size_t target = std::size_t{8} * 1024;  // two lock names of the greatest length, percent-encoded
  std::size_t connections = 20000;
  std::size_t connections_per_address = 0;          // 0: no limit of its own
  Duration header_time = std::chrono::seconds(10);  // also for the TLS handshake
  Duration body_time = std::chrono::seconds(30);
  Duration write_time = std::chrono::seconds(30);
  Duration idle_time = std::chrono::seconds(75);  // between two requests
};

struct EngineOptions {
  std::string listen = "127.0.0.1:55589";  // ADDR:PORT, [ADDR6]:PORT, or unix:PATH
  std::optional<TlsFiles> tls;
  EngineLimits limits;
  Handler handler;
  std::function<void(const Served&)> on_served;        // may be empty
  std::function<void(const std::string&)> on_trouble;  // a line for the log: accept failed, handshake failed
};

/// One thread, the loop's. To be destroyed when the loop has ended, before what the handler uses: handlers that are
/// still parked are unwound then. The loop is not to be run again after that.
class Engine {
 public:
  /// Binds and listens, or takes over the sockets of systemd (LISTEN_FDS, LISTEN_PID). Throws Error: 69 address in use
  /// or cannot be had, 77 not allowed, 64 no such form of address, 78 a certificate or key that cannot be used.
  /// TLS is for TCP: UNIX sockets go without. Ignores SIGPIPE in this process.
  static std::unique_ptr<Engine> listen(boost::asio::io_context& loop, EngineOptions options);
  virtual ~Engine() = default;

  /// Where it listens, as a URL ("http://127.0.0.1:55589", "unix:/run/lockgate.sock"); with port 0, the port it got.
  [[nodiscard]] virtual std::vector<std::string> urls() const = 0;
  /// Begins to accept.
  virtual void start() = 0;
  /// Certificates and keys are read again, for connections from now on. Throws Error(config); the old ones stay then.
  virtual void reload_tls() = 0;
  /// Accepts nothing more, unparks everybody (`stopping`), and calls `done` once all answers are written, or after
  /// `patience`.
  virtual void stop(Duration patience, std::function<void()> done) = 0;

  [[nodiscard]] virtual std::size_t connections() const = 0;
  [[nodiscard]] virtual std::size_t parked() const = 0;
};

}  // namespace lockgate::server
