// SPDX-License-Identifier: Apache-2.0
// The fault proxy before a server of the test's own, which answers a line with that line.
#include <doctest/doctest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <string>
#include <thread>

#include "sockets.hpp"

namespace {

using namespace tools;

/// Reads to the end of a line; what came before an end, an error or the limit. errno says which.
std::string line_from(int socket, int limit = 5000) {
  std::string line;
  for (;;) {
    pollfd wish{socket, POLLIN, 0};
    errno = ETIMEDOUT;
    char byte = 0;
    if (poll(&wish, 1, limit) != 1) {
      return line;
    }
    errno = 0;
    if (read(socket, &byte, 1) != 1) {
      return line;
    }
    line += byte;
    if (byte == '\n') {
      return line;
    }
  }
}

void say(int socket, const std::string& line) {
  CHECK(send(socket, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size()));
}

/// One client at a time; ends when its listener is shut down.
void echo_lines(int listener) {
  for (int client = accept(listener, nullptr, nullptr); client >= 0; client = accept(listener, nullptr, nullptr)) {
    std::thread([client] {
      for (std::string line = line_from(client, 60000); !line.empty(); line = line_from(client, 60000)) {
        send(client, line.data(), line.size(), MSG_NOSIGNAL);
      }
      close(client);
    }).detach();
  }
}

class Scene {
 public:
  Scene() : listener_(listen_at(0)), server_(echo_lines, listener_) {
    REQUIRE(pipe2(commands_, O_CLOEXEC) == 0);
    REQUIRE(pipe2(answers_, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, commands_[0], 0);
    posix_spawn_file_actions_adddup2(&actions, answers_[1], 1);
    std::string program = FAULT_PROXY, target = "127.0.0.1:" + std::to_string(port_of(listener_));
    char* argv[] = {program.data(), target.data(), nullptr};
    REQUIRE(posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    const std::string line = line_from(answers_[0]);
    REQUIRE(line.starts_with("listening on "));
    address_ = line.substr(13, line.size() - 14);
  }
  ~Scene() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    shutdown(listener_, SHUT_RDWR);
    server_.join();
    for (const int end : {listener_, commands_[0], commands_[1], answers_[0], answers_[1]}) {
      close(end);
    }
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  std::string order(const std::string& command) {
    CHECK(write(commands_[1], (command + "\n").c_str(), command.size() + 1) > 0);
    return line_from(answers_[0]);
  }
  int client() const { return connect_to(address_); }

 private:
  int listener_;
  std::thread server_;
  int commands_[2] = {}, answers_[2] = {};
  pid_t pid_ = 0;
  std::string address_;
};

TEST_CASE("the fault proxy forwards, and counts what it forwards") {
  Scene scene;
  const int client = scene.client();
  say(client, "GET / HTTP/1.1\n");
  CHECK(line_from(client) == "GET / HTTP/1.1\n");
  CHECK(scene.order("count") == "connections 1 requests 1\n");
  CHECK(scene.order("dance") == "what? dance\n");
  shutdown(client, SHUT_WR);
  CHECK(line_from(client).empty());
  CHECK(errno == 0);
}

TEST_CASE("the fault proxy delays each way") {
  Scene scene;
  const int client = scene.client();
  CHECK(scene.order("delay 100") == "ok delay 100\n");
  const auto began = now();
  say(client, "a\n");
  CHECK(line_from(client) == "a\n");
  CHECK(now() - began >= 199);
}

TEST_CASE("a hole swallows for good, a stall gives back") {
  Scene scene;
  const int client = scene.client();
  scene.order("stall");
  say(client, "a\n");
  CHECK(line_from(client, 100).empty());
  CHECK(errno == ETIMEDOUT);
  scene.order("pass");
  CHECK(line_from(client) == "a\n");
  scene.order("hole");
  say(client, "b\n");
  CHECK(line_from(client, 100).empty());
  CHECK(errno == ETIMEDOUT);
  scene.order("pass");
  say(client, "c\n");
  CHECK(line_from(client) == "c\n");
}

TEST_CASE("a reset ends those who are in and those who come; a refusal only the latter") {
  Scene scene;
  const int client = scene.client();
  say(client, "a\n");
  CHECK(line_from(client) == "a\n");
  scene.order("refuse");
  CHECK(scene.client() == -1);
  CHECK(errno == ECONNREFUSED);
  say(client, "b\n");
  CHECK(line_from(client) == "b\n");
  scene.order("reset");
  CHECK(line_from(client).empty());
  CHECK(errno == ECONNRESET);
  const int late = scene.client();
  CHECK(line_from(late).empty());
  CHECK(errno == ECONNRESET);
  scene.order("pass");
  const int last = scene.client();
  say(last, "c\n");
  CHECK(line_from(last) == "c\n");
}

TEST_CASE("one reply is cut or lost, that of the request with the text") {
  Scene scene;
  const int other = scene.client();
  scene.order("cut-reply 3 release");
  say(other, "renew\n");
  CHECK(line_from(other) == "renew\n");
  const int client = scene.client();
  say(client, "release\n");
  CHECK(line_from(client) == "rel");
  CHECK(errno == ECONNRESET);
  scene.order("lose-reply");
  say(other, "renew\n");
  CHECK(line_from(other).empty());
  CHECK(errno == ECONNRESET);
  const int next = scene.client();
  say(next, "release\n");
  CHECK(line_from(next) == "release\n");
}

TEST_CASE("bytes trickle, or the reply is nothing but its end") {
  Scene scene;
  const int client = scene.client();
  scene.order("trickle 40");
  const auto began = now();
  say(client, "abcd\n");
  CHECK(line_from(client) == "abcd\n");
  CHECK(now() - began >= 150);
  scene.order("half-close");
  say(client, "e\n");
  CHECK(line_from(client).empty());
  CHECK(errno == 0);
}

}  // namespace
