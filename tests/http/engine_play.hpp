// SPDX-License-Identifier: Apache-2.0
// A server on a thread of its own and clients that send bytes: what the tests of the HTTP engine are played with.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backends/http/server/engine.hpp"
#include "core/unique_fd.hpp"

namespace lockgate::play {

/// Things that happened, to be waited for. Thread-safe.
class Notes {
 public:
  void note(const std::string& what);
  /// Until it has been noted that often; false after 10 s.
  bool wait_for(const std::string& what, std::size_t times = 1);
  std::size_t count(const std::string& what);
  /// The first one that has `part` in it; empty: none.
  std::string find(const std::string& part);
  /// Waits for one that has `part` in it; empty after a minute.
  std::string wait_for_part(const std::string& part);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

/// An engine with a handler for each need of the tests:
/// /echo the body · /peer who asks · /park?ms=N, /deaf?ms=N (the client is not watched): how it was unparked ·
/// /slow parks without end · /throw · /split an impossible header · /stream events until the client is gone ·
/// /flood a stream that never pauses · /big 32 MB · anything else: method, path, query.
class Server {
 public:
  explicit Server(server::EngineOptions options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Does something on the loop's thread, and waits for it.
  void on_loop(const std::function<void()>& what);
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::vector<std::string> urls() const { return urls_; }
  [[nodiscard]] std::size_t parked();
  [[nodiscard]] std::size_t connections();
  /// Wakes the last request that parked; `before`, the loop turns no further than that.
  void wake(const std::function<void()>& before = [] {});
  /// Stops it, and waits until it says that it is done; false after 10 s.
  bool stop(Duration patience = std::chrono::seconds(5));
  server::Engine& engine() { return *engine_; }
  /// "parking PATH", "unparked HOW", "served STATUS", "unwritten STATUS", "trouble LINE", "stream over",
  /// "not heard of" (a reply that was not written), "gone when it was woken"
  Notes notes;

 private:
  boost::asio::awaitable<server::HttpReply> handle(server::Exchange& exchange);
  boost::asio::awaitable<server::HttpReply> park(server::Exchange& exchange);
  boost::asio::awaitable<server::HttpReply> stream(server::Exchange& exchange);

  boost::asio::io_context loop_;
  std::unique_ptr<server::Engine> engine_;
  server::Exchange* last_parked_ = nullptr;
  std::vector<std::string> urls_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// Options with port 0 and time limits of a fraction of a second where `quick` is what is tested.
server::EngineOptions any_port();

struct Reply {
  int status = 0;  // 0: none came
  std::map<std::string, std::string> headers;
  std::string body;
};

/// One connection, blocking, each read bounded to 10 s.
class Client {
 public:
  explicit Client(std::uint16_t port);
  explicit Client(const std::string& unix_path);

  /// True: the kernel took it all.
  bool send(std::string_view bytes);
  /// The next reply, by its Content-Length; `body`: whether it has one at all.
  enum class Body { sent, left_out };
  Reply reply(Body body = Body::sent);
  Reply ask(std::string_view bytes);
  /// All that comes until the server closes; nothing if it was reset, or did not close within 10 s.
  std::optional<std::string> rest();
  /// Reads until this has been seen.
  bool see(std::string_view text);
  /// The server closed, or reset, without another byte.
  bool is_closed();
  void close() { fd_.reset(); }
  /// Closes with a reset.
  void reset();
  void end_sending();
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  bool more();

  UniqueFd fd_;
  std::string seen_;
};

/// "GET /path HTTP/1.1" with a Host and, if given, more header lines (each with its CRLF).
std::string get(std::string_view path, std::string_view more = "");
std::string post(std::string_view path, std::string_view body, std::string_view more = "");

/// The code in {"error":{"code":…
std::string error_code(const Reply& reply);

}  // namespace lockgate::play
