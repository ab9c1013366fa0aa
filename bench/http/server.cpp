// SPDX-License-Identifier: Apache-2.0
#include "server.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>

namespace bench {

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&where), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    fail("no free port");
  }
  close(fd);
  return ntohs(where.sin_port);
}

Server::Server(Plan plan) : plan_(std::move(plan)), pid_(Start({plan_.name, plan_.words, plan_.environment}, {})()) {
  for (const auto deadline = now() + 15 * kSecond; !serves(); rest(kSecond / 100)) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_ || now() > deadline) {
      fail(plan_.name + " does not serve: " + plan_.words[0]);
    }
  }
}

Server::~Server() {
  kill(pid_, SIGTERM);
  (void)wait_for(pid_);
}

bool Server::serves() const {
  try {
    Wire wire(address());
    if (plan_.ready.empty()) {
      return true;
    }
    wire.send(get(plan_.ready));
    wire.wait();
    return wire.status() == 200;
  } catch (const std::exception&) {
    return false;
  }
}

Nanoseconds Server::cpu() const {
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    fail(plan_.name + " is gone");
  }
  return time.tv_sec * kSecond + time.tv_nsec;
}

double Server::resident_mib() const {
  return static_cast<double>(resident_of(pid_).all) / 1024;
}

long metric(const Address& address, const std::string& name) {
  const auto text = ask(address, get("/metrics"));
  const auto found = text.find('\n' + name + ' ');
  if (found == std::string::npos) {
    fail("the server has no figure " + name);
  }
  return std::stol(text.substr(found + name.size() + 2));
}

void wait_for_metric(const Address& address, const std::string& name, long wanted) {
  for (const auto deadline = now() + 30 * kSecond; metric(address, name) != wanted; rest(kSecond / 200)) {
    if (now() > deadline) {
      fail(name + " does not become " + std::to_string(wanted));
    }
  }
}

}  // namespace bench
