// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/engine.hpp"

#include <fmt/format.h>

#include <csignal>
#include <list>
#include <new>
#include <unordered_map>

#include "backends/http/server/acceptor.hpp"
#include "backends/http/server/connection.hpp"
#include "backends/http/server/listening.hpp"
#include "backends/http/server/tls_context.hpp"

namespace lockgate::server {
namespace {

// So many clients beyond the limits are let in at a time to be told so; the next ones are closed without a word.
constexpr std::size_t kMostTurnedAway = 64;

/// What counts as one address: of IPv6 the network, since a host there has 2^64 addresses.
std::string address_group(const std::string& address) {
  std::size_t groups = 0;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if (address.compare(i, 2, "::") == 0) {
      break;
    }
    if (address[i] == ':' && ++groups == 4) {
      return address.substr(0, i);
    }
  }
  return address;
}

class HttpEngine final : public Engine {
 public:
  HttpEngine(asio::io_context& loop, EngineOptions options) : world_(loop, std::move(options)), stop_timer_(loop) {
    if (world_.options.tls) {
      tls_ = make_tls_context(*world_.options.tls, world_.options.on_trouble);
    }
    for (ListeningSocket& socket : open_listening_sockets(world_.options.listen)) {
      acceptors_.emplace_back(world_, std::move(socket),
                              [this](UniqueFd fd, ListeningSocket::Kind kind) { take(std::move(fd), kind); });
    }
  }

  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;
  ~HttpEngine() override;

  [[nodiscard]] std::vector<std::string> urls() const override;
  void start() override;
  void reload_tls() override;
  void stop(Duration patience, std::function<void()> done) override;
  [[nodiscard]] std::size_t connections() const override { return connections_.size(); }
  [[nodiscard]] std::size_t parked() const override { return world_.parked; }

 private:
  using Connections = std::list<Connection>;

  void take(UniqueFd socket, ListeningSocket::Kind kind);
  Connection::Admission admission_of(const Peer& peer);
  void forget(Connections::iterator connection);
  void tell_stopped();

  World world_;
  SslContext tls_;
  std::list<Acceptor> acceptors_;
  std::unordered_map<std::string, std::size_t> by_address_;  // kept with a limit for each address
  std::size_t turned_away_ = 0;
  std::function<void()> done_;
  asio::basic_waitable_timer<BootClock, BootWait> stop_timer_;
  Connections connections_;
};

/// Coroutines are unwound by the loop, and what they hold may refer to the engine and to what the handler uses: so the
/// loop does that now, while all of it is there.
HttpEngine::~HttpEngine() {
  for (Acceptor& acceptor : acceptors_) {
    acceptor.stop();
  }
  stop_timer_.cancel();
  for (Connection& connection : connections_) {
    connection.let_go();
  }
  if (world_.loop.stopped()) {
    world_.loop.restart();
  }
  try {
    while ((world_.coroutines > 0 || world_.owed_calls > 0) && world_.loop.poll_one() > 0) {
    }
  } catch (const std::exception& error) {
    world_.trouble.tell(Trouble::Topic::connection, fmt::format("the end of the server: {}", error.what()));
  }
}

std::vector<std::string> HttpEngine::urls() const {
  std::vector<std::string> out;
  for (const Acceptor& acceptor : acceptors_) {
    const bool is_unix = acceptor.kind() == ListeningSocket::Kind::unix_socket;
    out.push_back((is_unix ? "unix:" : tls_ ? "https://" : "http://") + acceptor.place());
  }
  return out;
}

void HttpEngine::start() {
  for (Acceptor& acceptor : acceptors_) {
    acceptor.start();
  }
}

void HttpEngine::reload_tls() {
  if (world_.options.tls) {
    tls_ = make_tls_context(*world_.options.tls, world_.options.on_trouble);
  }
}

Connection::Admission HttpEngine::admission_of(const Peer& peer) {
  const EngineLimits& limits = world_.options.limits;
  const bool full = connections_.size() - turned_away_ >= limits.connections;
  const bool counted = limits.connections_per_address != 0 && !peer.uid;
  const auto known = counted ? by_address_.find(address_group(peer.address)) : by_address_.end();
  const bool too_many_of_it = known != by_address_.end() && known->second >= limits.connections_per_address;
  return full || too_many_of_it ? Connection::Admission::one_too_many : Connection::Admission::served;
}

void HttpEngine::take(UniqueFd socket, ListeningSocket::Kind kind) {
  Peer peer = peer_of(socket.get(), kind);
  const auto admission = admission_of(peer);
  if (admission == Connection::Admission::one_too_many && turned_away_ >= kMostTurnedAway) {
    return;
  }
  // A UNIX socket does not leave this host: TLS is for the network.
  SSL_CTX* tls = kind == ListeningSocket::Kind::tcp ? tls_.get() : nullptr;
  connections_.emplace_front(world_, std::move(socket), std::move(peer), tls, admission);
  const auto self = connections_.begin();
  try {
    asio::co_spawn(world_.loop, self->run(), [this, self](const std::exception_ptr& failure) {
      // It can only have failed for want of memory while it was being taken down: the loop may still know it.
      if (!failure) {
        asio::post(world_.loop, [this, self] { forget(self); });
      }
    });
  } catch (const std::bad_alloc&) {
    --world_.coroutines;
    connections_.pop_front();
    throw;
  }
  if (admission == Connection::Admission::one_too_many) {
    ++turned_away_;
  } else if (world_.options.limits.connections_per_address != 0) {
    ++by_address_[address_group(self->peer().address)];
  }
}

void HttpEngine::forget(Connections::iterator connection) {
  if (connection->admission() == Connection::Admission::one_too_many) {
    --turned_away_;
  } else if (const auto known = by_address_.find(address_group(connection->peer().address));
             known != by_address_.end() && --known->second == 0) {
    by_address_.erase(known);
  }
  connections_.erase(connection);
  if (connections_.empty() && world_.stopping) {
    tell_stopped();
  }
}

void HttpEngine::stop(Duration patience, std::function<void()> done) {
  done_ = std::move(done);
  world_.stopping = true;
  for (Acceptor& acceptor : acceptors_) {
    acceptor.stop();
  }
  stop_timer_.expires_after(patience);
  stop_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) {
      return;
    }
    for (Connection& connection : connections_) {
      connection.abort();
    }
    tell_stopped();
  });
  // Not at once: the caller may be one that a parked request, once resumed, calls back.
  asio::post(world_.loop, [this] {
    if (connections_.empty()) {
      return tell_stopped();
    }
    for (Connection& connection : connections_) {
      connection.stop();
    }
  });
}

void HttpEngine::tell_stopped() {
  stop_timer_.cancel();
  if (const auto done = std::exchange(done_, nullptr)) {
    done();
  }
}

}  // namespace

std::unique_ptr<Engine> Engine::listen(asio::io_context& loop, EngineOptions options) {
  // OpenSSL writes to sockets without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
  return std::make_unique<HttpEngine>(loop, std::move(options));
}

}  // namespace lockgate::server
