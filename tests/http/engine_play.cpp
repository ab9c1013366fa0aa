// SPDX-License-Identifier: Apache-2.0
#include "tests/http/engine_play.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <stdexcept>

namespace lockgate::play {

using namespace std::chrono_literals;
using server::Exchange;
using server::HttpReply;
using server::Unparked;

void Notes::note(const std::string& what) {
  const std::lock_guard lock(mutex_);
  notes_.push_back(what);
  changed_.notify_all();
}

std::size_t Notes::count(const std::string& what) {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count(notes_.begin(), notes_.end(), what));
}

/// That of a machine which has other work, too: 2000 handshakes take seconds.
constexpr std::chrono::seconds kPatience{60};

bool Notes::wait_for(const std::string& what, std::size_t times) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return static_cast<std::size_t>(std::count(notes_.begin(), notes_.end(), what)) >= times;
  });
}

std::string Notes::find(const std::string& part) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(notes_.begin(), notes_.end(),
                                  [&](const std::string& note) { return note.find(part) != std::string::npos; });
  return found == notes_.end() ? std::string() : *found;
}

std::string Notes::wait_for_part(const std::string& part) {
  std::unique_lock lock(mutex_);
  std::string out;
  changed_.wait_for(lock, kPatience, [&] {
    for (const std::string& note : notes_) {
      if (note.find(part) != std::string::npos) {
        out = note;
        return true;
      }
    }
    return false;
  });
  return out;
}

namespace {

const char* name(Unparked how) {
  switch (how) {
    case Unparked::woken:
      return "woken";
    case Unparked::time_over:
      return "time_over";
    case Unparked::hung_up:
      return "hung_up";
    case Unparked::stopping:
      return "stopping";
  }
  return "?";
}

HttpReply text(std::string body) {
  HttpReply reply;
  reply.content_type = "text/plain";
  reply.body = std::move(body);
  return reply;
}

std::string describe(const server::HttpRequest& request) {
  std::string out = request.method + " " + request.path;
  for (const auto& [key, value] : request.query) {
    out += fmt::format(" [{}={}]", key, value);
  }
  return out;
}

std::string describe(const server::Peer& peer) {
  return fmt::format("{} {} {} uid={} name={}", peer.address, peer.loopback ? "loopback" : "far",
                     peer.tls ? "tls" : "plain", peer.uid ? std::to_string(*peer.uid) : "none", peer.certificate);
}

}  // namespace

Server::Server(server::EngineOptions options) {
  options.handler = [this](Exchange& exchange) { return handle(exchange); };
  options.on_served = [this](const server::Served& served) {
    notes.note(fmt::format("{} {}", served.written ? "served" : "unwritten", served.status));
  };
  options.on_trouble = [this](const std::string& line) { notes.note("trouble " + line); };
  engine_ = server::Engine::listen(loop_, std::move(options));
  urls_ = engine_->urls();
  if (const std::size_t colon = urls_.front().rfind(':'); !urls_.front().starts_with("unix:")) {
    port_ = static_cast<std::uint16_t>(std::stoi(urls_.front().substr(colon + 1)));
  }
  engine_->start();
  thread_ = std::thread([this] {
    const auto work = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>(loop_.get_executor());
    loop_.run();
  });
}

Server::~Server() {
  loop_.stop();
  thread_.join();
}

void Server::on_loop(const std::function<void()>& what) {
  std::promise<void> done;
  boost::asio::post(loop_, [&] {
    what();
    done.set_value();
  });
  done.get_future().wait();
}

std::size_t Server::parked() {
  std::size_t out = 0;
  on_loop([&] { out = engine_->parked(); });
  return out;
}

std::size_t Server::connections() {
  std::size_t out = 0;
  on_loop([&] { out = engine_->connections(); });
  return out;
}

void Server::wake(const std::function<void()>& before) {
  on_loop([&] {
    before();
    last_parked_->wake();
  });
}

bool Server::stop(Duration patience) {
  on_loop([&] { engine_->stop(patience, [this] { notes.note("stopped"); }); });
  return notes.wait_for("stopped");
}

boost::asio::awaitable<HttpReply> Server::handle(Exchange& exchange) {
  const server::HttpRequest& request = exchange.request();
  HttpReply reply;
  if (request.path == "/echo") {
    reply = text(request.body);
  } else if (request.path == "/peer") {
    reply = text(describe(request.peer));
  } else if (request.path == "/host") {
    reply = text(request.host);
  } else if (request.path == "/throw") {
    throw std::runtime_error("the handler broke");
  } else if (request.path == "/split") {
    reply.headers.emplace_back("X-Split", "a\r\nSet-Cookie: b");
  } else if (request.path == "/big") {
    reply = text(std::string(std::size_t{32} * 1024 * 1024, 'b'));
  } else if (request.path == "/park" || request.path == "/deaf") {
    reply = co_await park(exchange);
  } else if (request.path == "/stream" || request.path == "/flood") {
    reply = co_await stream(exchange);
  } else {
    reply = text(describe(request));
    reply.headers.emplace_back("X-Extra", "yes");
  }
  reply.if_unwritten = [this] { notes.note("not heard of"); };
  co_return reply;
}

boost::asio::awaitable<HttpReply> Server::park(Exchange& exchange) {
  std::optional<BootTime> until;
  if (const auto ms = exchange.request().parameter("ms")) {
    until = BootClock::now() + std::chrono::milliseconds(std::stoi(std::string(*ms)));
  }
  if (exchange.request().parameter("woken")) {
    exchange.wake();
  }
  last_parked_ = &exchange;
  notes.note("parking " + exchange.request().path);
  const Unparked how = co_await exchange.park(until, exchange.request().path == "/park");
  notes.note(fmt::format("unparked {}", name(how)));
  if (how == Unparked::woken && !exchange.is_connected()) {
    notes.note("gone when it was woken");
  }
  HttpReply reply = text(name(how));
  co_return reply;
}

boost::asio::awaitable<HttpReply> Server::stream(Exchange& exchange) {
  const bool flood = exchange.request().path == "/flood";
  std::string type = "text/event-stream";
  bool going = co_await exchange.begin_stream(std::move(type));
  last_parked_ = &exchange;
  while (going) {
    std::string event = flood ? std::string(std::size_t{64} * 1024, 'f') : "data: event\n\n";
    going = co_await exchange.write(std::move(event));
    if (going && !flood) {
      notes.note("parking " + exchange.request().path);
      const Unparked how = co_await exchange.park(std::nullopt, true);
      going = how == Unparked::woken;
    }
  }
  notes.note("stream over");
  HttpReply reply;
  co_return reply;
}

server::EngineOptions any_port() {
  server::EngineOptions options;
  options.listen = "127.0.0.1:0";
  return options;
}

Client::Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{10, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fd_.reset();
  }
}

Client::Client(const std::string& unix_path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fd_.reset();
  }
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Client::more() {
  char room[std::size_t{16} * 1024];
  const ssize_t got = ::recv(fd_.get(), room, sizeof room, 0);
  if (got > 0) {
    seen_.append(room, static_cast<std::size_t>(got));
  }
  return got > 0;
}

Reply Client::reply(Body body) {
  Reply out;
  std::size_t end = 0;
  while ((end = seen_.find("\r\n\r\n")) == std::string::npos) {
    if (!more()) {
      return out;
    }
  }
  const std::string head = seen_.substr(0, end + 2);
  seen_.erase(0, end + 4);
  out.status = std::stoi(head.substr(9, 3));
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t stop = head.find("\r\n", at);
    const std::size_t colon = head.find(": ", at);
    out.headers[head.substr(at, colon - at)] = head.substr(colon + 2, stop - colon - 2);
    at = stop + 2;
  }
  const std::size_t size =
      body == Body::sent && out.headers.contains("Content-Length") ? std::stoul(out.headers["Content-Length"]) : 0;
  while (seen_.size() < size && more()) {
  }
  out.body = seen_.substr(0, size);
  seen_.erase(0, size);
  return out;
}

Reply Client::ask(std::string_view bytes) {
  send(bytes);
  return reply();
}

std::optional<std::string> Client::rest() {
  while (more()) {
  }
  char byte = 0;
  if (::recv(fd_.get(), &byte, 1, 0) != 0) {
    return std::nullopt;
  }
  return std::exchange(seen_, {});
}

bool Client::see(std::string_view text) {
  std::size_t at = 0;
  while ((at = seen_.find(text)) == std::string::npos) {
    if (!more()) {
      return false;
    }
  }
  seen_.erase(0, at + text.size());
  return true;
}

bool Client::is_closed() {
  char byte = 0;
  const ssize_t got = seen_.empty() ? ::recv(fd_.get(), &byte, 1, 0) : 1;
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

void Client::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

void Client::end_sending() {
  ::shutdown(fd_.get(), SHUT_WR);
}

std::string get(std::string_view path, std::string_view more) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, more);
}

std::string post(std::string_view path, std::string_view body, std::string_view more) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(), more,
                     body);
}

std::string error_code(const Reply& reply) {
  const std::string before = R"({"error":{"code":")";
  return reply.body.starts_with(before)
             ? reply.body.substr(before.size(), reply.body.find('"', before.size()) - before.size())
             : "";
}

}  // namespace lockgate::play
