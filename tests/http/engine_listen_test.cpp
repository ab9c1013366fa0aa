// SPDX-License-Identifier: Apache-2.0
// Where the engine listens, and how many it lets in.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "backends/http/server/service_manager.hpp"
#include "core/error.hpp"
#include "tests/http/engine_play.hpp"
#include "tests/http/tls_play.hpp"

using namespace std::chrono_literals;
using lockgate::Error;
using lockgate::ExitCode;
using lockgate::UniqueFd;
using lockgate::play::any_port;
using lockgate::play::Client;
using lockgate::play::Directory;
using lockgate::play::error_code;
using lockgate::play::get;
using lockgate::play::Server;
using lockgate::server::EngineOptions;
using lockgate::server::notify_service_manager;
using lockgate::server::watchdog_interval;

namespace {

EngineOptions at(const std::string& listen) {
  EngineOptions options;
  options.listen = listen;
  return options;
}

ExitCode refusal_of(const std::string& listen) {
  try {
    Server server(at(listen));
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::done;
}

/// A socket file as a killed server leaves it behind.
void leave_socket_file(const std::string& path) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(socket.get(), 1) == 0);
}

/// Listens on a free port of 127.0.0.1, at descriptor `fd`.
void hand_over(int fd) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::listen(socket, 10);
  if (socket != fd) {
    ::dup2(socket, fd);
    ::close(socket);
  }
}

/// Descriptors from 3 on are what the service manager hands over: such a test runs in a child of its own. True: what
/// it did was right.
bool in_child(const std::function<bool()>& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    bool good = false;
    try {
      good = what();
    } catch (const std::exception&) {
      good = false;
    }
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("IPv4, IPv6 and names are listened on, and the URL tells the port") {
  CHECK(Server(at("127.0.0.1:0")).urls().front().starts_with("http://127.0.0.1:"));
  Server by_name(at("localhost:0"));
  CHECK(Client(by_name.port()).ask(get("/peer")).body == "127.0.0.1 loopback plain uid=none name=");
  const UniqueFd v6(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (v6) {
    CHECK(Server(at("[::1]:0")).urls().front().starts_with("http://[::1]:"));
    Server both(at("[::]:0"));
    CHECK(Client(both.port()).ask(get("/peer")).body == "127.0.0.1 loopback plain uid=none name=");
  } else {
    MESSAGE("no IPv6 on this host");
  }
}

TEST_CASE("what is no address is a usage error, what cannot be had is unavailable") {
  for (const char* listen :
       {"", "127.0.0.1", ":80", "::1:80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "unix:"}) {
    CAPTURE(listen);
    CHECK(refusal_of(listen) == ExitCode::usage);
  }
  CHECK(refusal_of("unix:" + std::string(108, 'x')) == ExitCode::usage);
  CHECK(refusal_of("192.0.2.1:0") == ExitCode::unavailable);
  Server first(any_port());
  CHECK(refusal_of("127.0.0.1:" + std::to_string(first.port())) == ExitCode::unavailable);
}

TEST_CASE("a UNIX socket serves its user and group, knows who connects, and goes at the end") {
  const Directory directory;
  const std::string path = directory.at("s");
  {
    Server server(at("unix:" + path));
    CHECK(server.urls() == std::vector<std::string>{"unix:" + path});
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0660);
    CHECK(Client(path).ask(get("/peer")).body == "unix loopback plain uid=" + std::to_string(::getuid()) + " name=");
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("the socket file of a dead server is replaced, a live one's and what is no socket never") {
  const Directory directory;
  const std::string path = directory.at("s");
  leave_socket_file(path);
  Server server(at("unix:" + path));
  CHECK(refusal_of("unix:" + path) == ExitCode::unavailable);
  CHECK(Client(path).ask(get("/")).status == 200);
  std::ofstream(directory.at("file")) << "mine";
  CHECK(refusal_of("unix:" + directory.at("file")) == ExitCode::unavailable);
  CHECK(std::filesystem::file_size(directory.at("file")) == 4);
  CHECK(std::distance(std::filesystem::directory_iterator(directory.at("")), {}) == 2);
}

TEST_CASE("a socket file that another server has put in the place stays") {
  const Directory directory;
  const std::string path = directory.at("s");
  auto first = std::make_unique<Server>(at("unix:" + path));
  std::filesystem::remove(path);
  Server second(at("unix:" + path));
  first.reset();
  CHECK(Client(path).ask(get("/")).status == 200);
}

TEST_CASE("sockets that the service manager hands over are served, and the variables go") {
  CHECK(in_child([] {
    hand_over(4);
    hand_over(3);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "2", 1);
    Server server(at("never looked at"));
    const bool gone = ::getenv("LISTEN_FDS") == nullptr && ::getenv("LISTEN_PID") == nullptr;
    const auto second = server.urls().at(1);
    const auto port = static_cast<std::uint16_t>(std::stoi(second.substr(second.rfind(':') + 1)));
    return gone && server.urls().size() == 2 && Client(server.port()).ask(get("/")).status == 200 &&
           Client(port).ask(get("/")).status == 200 && (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0;
  }));
}

TEST_CASE("sockets for another process are none, and what is no socket is refused") {
  CHECK(in_child([] {
    ::setenv("LISTEN_PID", "1", 1);
    ::setenv("LISTEN_FDS", "1", 1);
    return Server(any_port()).urls().size() == 1;
  }));
  CHECK(in_child([] {
    ::dup2(::open("/dev/null", O_RDONLY), 3);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "1", 1);
    return refusal_of("127.0.0.1:0") == ExitCode::config;
  }));
}

TEST_CASE("the service manager is told, at a path or an abstract name") {
  const Directory directory;
  for (const std::string& name : {directory.at("notify"), "@lockgate-test-" + std::to_string(::getpid())}) {
    const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    address.sun_path[0] = name[0] == '@' ? '\0' : name[0];
    REQUIRE(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    CHECK(notify_service_manager("READY=1"));
    char room[64] = {};
    CHECK(::recv(manager.get(), room, sizeof room, MSG_DONTWAIT) == 7);
    CHECK(std::string(room) == "READY=1");
  }
  ::unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(notify_service_manager("READY=1"));
}

TEST_CASE("the watchdog is for the process that it names") {
  CHECK_FALSE(watchdog_interval());
  ::setenv("WATCHDOG_USEC", "2000000", 1);
  CHECK(watchdog_interval() == 2s);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  CHECK(watchdog_interval() == 2s);
  ::setenv("WATCHDOG_PID", "1", 1);
  CHECK_FALSE(watchdog_interval());
  ::unsetenv("WATCHDOG_PID");
  ::setenv("WATCHDOG_USEC", "2x", 1);
  CHECK_FALSE(watchdog_interval());
  ::unsetenv("WATCHDOG_USEC");
}

TEST_CASE("a connection too many is told so and closed, and there is room again when another goes") {
  EngineOptions options = any_port();
  options.limits.connections = 2;
  Server server(options);
  Client one(server.port());
  Client two(server.port());
  CHECK(one.ask(get("/")).status == 200);
  CHECK(two.ask(get("/")).status == 200);
  Client three(server.port());
  const auto reply = three.ask(get("/"));
  CHECK(reply.status == 503);
  CHECK(error_code(reply) == "too_many_connections");
  CHECK(three.is_closed());
  CHECK(two.ask(get("/", "Connection: close\r\n")).status == 200);
  CHECK(two.is_closed());
  two.close();
  three.close();
  while (server.connections() > 1) {
  }
  CHECK(Client(server.port()).ask(get("/")).status == 200);
}

TEST_CASE("one address may have a limit of its own, which UNIX sockets do not have") {
  EngineOptions options = any_port();
  options.limits.connections_per_address = 1;
  Server server(options);
  Client one(server.port());
  CHECK(one.ask(get("/")).status == 200);
  CHECK(Client(server.port()).ask(get("/")).status == 503);
  const Directory directory;
  options.listen = "unix:" + directory.at("s");
  Server local(options);
  Client first(directory.at("s"));
  Client second(directory.at("s"));
  CHECK(first.ask(get("/")).status == 200);
  CHECK(second.ask(get("/")).status == 200);
}

TEST_CASE("without descriptors it accepts nothing for a while, says so, and goes on when there are some") {
  CHECK(in_child([] {
    Server server(any_port());
    Client client(server.port());
    if (client.ask(get("/")).status != 200) {
      return false;
    }
    Client waiting(server.port());
    // The descriptor for the client is had before there are none any more.
    const UniqueFd another(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{3, limit.rlim_max};
    if (waiting.ask(get("/")).status != 200 || ::setrlimit(RLIMIT_NOFILE, &none) != 0) {
      return false;
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getpeername(client.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    const bool connected = ::connect(another.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
    const bool told = !server.notes.wait_for_part("Too many open files").empty();
    const bool served = client.ask(get("/")).status == 200;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const std::string question = get("/");
    ::send(another.get(), question.data(), question.size(), 0);
    char byte = 0;
    return connected && told && served && ::recv(another.get(), &byte, 1, 0) == 1;
  }));
}
