// SPDX-License-Identifier: Apache-2.0
// What a parked request costs. The clients are in a process of their own, so that their memory is not counted.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>

#include "tests/http/engine_play.hpp"
#include "tests/http/tls_play.hpp"

using lockgate::play::any_port;
using lockgate::play::Client;
using lockgate::play::Directory;
using lockgate::play::Identity;
using lockgate::play::make_identity;
using lockgate::play::Server;
using lockgate::play::TlsClient;
using lockgate::server::EngineOptions;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMeasures = false;  // their own bookkeeping would be measured
#else
constexpr bool kMeasures = true;
#endif

namespace {

constexpr std::size_t kClients = 2000;

std::size_t resident_bytes() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Parks `kClients` requests from another process, which ends when the pipe is closed.
class Crowd {
 public:
  enum class Kind { plain, tls };

  Crowd(std::uint16_t port, Kind kind) {
    REQUIRE(::pipe(pipe_) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(pipe_[1]);
      crowd(port, kind, pipe_[0]);
    }
    ::close(pipe_[0]);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    ::close(pipe_[1]);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  [[noreturn]] static void crowd(std::uint16_t port, Kind kind, int end) {
    std::vector<Client> clients;
    std::vector<std::unique_ptr<TlsClient>> sessions;
    // As a client of ours asks: some header fields, a body of a few hundred bytes.
    const std::string question =
        lockgate::play::post("/park", std::string(300, 'x'),
                             "User-Agent: lockgate/0.1.0\r\nAuthorization: Bearer " + std::string(43, 't') +
                                 "\r\nAccept: application/json\r\nContent-Type: application/json\r\n");
    for (std::size_t i = 0; i < kClients; ++i) {
      Client& client = clients.emplace_back(port);
      if (kind == Kind::plain) {
        client.send(question);
        continue;
      }
      auto& tls = sessions.emplace_back(std::make_unique<TlsClient>(client, TlsClient::Wish{}));
      if (!tls->connect() || !tls->send(question)) {
        ::_exit(1);
      }
    }
    char byte = 0;
    static_cast<void>(::read(end, &byte, 1) == 0);
    ::_exit(0);
  }

  int pipe_[2] = {-1, -1};
  pid_t child_ = -1;
};

/// Bytes for each parked request.
std::size_t measure(Server& server, Crowd::Kind kind) {
  const std::size_t before = resident_bytes();
  const Crowd crowd(server.port(), kind);
  CHECK(server.notes.wait_for("parking /park", kClients));
  CHECK(server.parked() == kClients);
  const std::size_t each = (resident_bytes() - before) / kClients;
  MESSAGE(fmt::format("{} bytes for each of {} parked requests", each, kClients));
  return each;
}

bool enough_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur > kClients + 100;
}

}  // namespace

TEST_CASE("a parked request costs at most 4 KB" * doctest::skip(!kMeasures || !enough_descriptors())) {
  Server server(any_port());
  CHECK(measure(server, Crowd::Kind::plain) <= std::size_t{4} * 1024);
  CHECK(server.notes.wait_for("unparked hung_up", kClients));
}

TEST_CASE("a parked request over TLS costs at most 20 KB" * doctest::skip(!kMeasures || !enough_descriptors())) {
  const Directory directory;
  const Identity identity = make_identity("server", "DNS:localhost");
  lockgate::play::write_certificate(identity, directory.at("server.pem"));
  lockgate::play::write_key(identity, directory.at("server.key"));
  EngineOptions options = any_port();
  options.tls = lockgate::server::TlsFiles{directory.at("server.pem"), directory.at("server.key"), ""};
  Server server(options);
  CHECK(measure(server, Crowd::Kind::tls) <= std::size_t{20} * 1024);
  CHECK(server.notes.wait_for("unparked hung_up", kClients));
}
