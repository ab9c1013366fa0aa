// SPDX-License-Identifier: Apache-2.0
// A TCP proxy that does to a connection what networks do: fault_proxy HOST:PORT|unix:PATH [CONTROL-FIFO]
// It prints "listening on 127.0.0.1:PORT", takes commands line by line from the FIFO or else from stdin, and answers
// each with one line on stdout as soon as it is in force:
//   pass               forward (also what stall held back)         refuse   let nobody connect; who is in stays in
//   delay MS           forward each piece so much later            reset    RST for who is in and for who comes
//   hole [up|down]     swallow silently; up: requests only, down: replies only
//   stall              hold everything back until pass             trickle N   N bytes a second, each way
//   half-close         in place of a reply, the end of the stream
//   cut-reply N [TEXT] forward N bytes of the reply to the next request (with TEXT in it), then RST; once
//   lose-reply [TEXT]  the same with no byte                       count    "connections N requests M" so far
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fault_orders.hpp"
#include "sockets.hpp"

namespace {

using namespace tools;

constexpr std::size_t kMostHeld = 1 << 20;  // bytes held back for one side before we stop reading
constexpr std::size_t kPiece = 16384;

enum class Way { up, down };  // up: from the client to the server

struct Piece {
  std::string bytes;
  Milliseconds due = 0;
};

/// One direction of one connection.
struct Stream {
  std::deque<Piece> pieces;
  std::size_t held = 0;
  Milliseconds next = 0;  // trickle: not before
  bool ended = false;     // the sender has shut it down
  bool shut = false;      // and the receiver knows
};

struct Connection {
  int client = -1;
  int server = -1;
  Stream up, down;
  std::string tail;                // the last bytes of a request seen, where a mark may be cut in two
  std::optional<std::size_t> cut;  // the reply ends after so many bytes
  bool cut_done = false;
  bool swallowed_end = false;
  bool dead = false;
};

struct Counts {
  long connections = 0;
  long requests = 0;
};

class Proxy {
 public:
  Proxy(std::string target, int control) : target_(std::move(target)), control_(control) {}
  [[noreturn]] void run();

 private:
  void listen_again();
  void accept_one();
  std::string obey(const std::string& line);
  void read_commands();
  void take(Connection& connection, Way way);
  void note_request(Connection& connection, std::string_view bytes);
  void give(Connection& connection, Way way);
  static bool is_over(const Connection& connection);
  bool swallows(Way way) const { return way == Way::up ? orders_.swallow_up : orders_.swallow_down; }
  bool may_give(const Stream& stream) const;
  int patience() const;
  pollfd wish(int socket, const Stream& from, const Stream& to) const;

  std::string target_;
  int control_;
  int listener_ = -1;
  std::uint16_t port_ = 0;  // kept, so that the same place answers again after refuse
  Orders orders_;
  Counts counts_;
  std::string typed_;
  std::list<Connection> connections_;
};

void reset(int socket) {
  const linger abort{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  close(socket);
}

/// With RST on both sides, unless both have come to their end in order.
void abandon(const Connection& connection) {
  if (connection.up.shut && connection.down.shut && !connection.dead) {
    close(connection.client);
    close(connection.server);
  } else {
    reset(connection.client);
    reset(connection.server);
  }
}

void Proxy::listen_again() {
  if (listener_ >= 0) {
    return;
  }
  listener_ = listen_at(port_);
  if (listener_ < 0) {
    give_up("cannot listen");
  }
  do_not_block(listener_);
  port_ = port_of(listener_);
}

void Proxy::accept_one() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) {
    return;
  }
  ++counts_.connections;
  without_delay(client);
  const int server = orders_.mode == Mode::reset ? -1 : connect_to(target_);
  if (server < 0) {  // also where the server is down: whoever asks shall see an error
    reset(client);
    return;
  }
  do_not_block(server);
  Connection& connection = connections_.emplace_back();
  connection.client = client;
  connection.server = server;
}

std::string Proxy::obey(const std::string& line) {
  if (line == "count") {
    return "connections " + std::to_string(counts_.connections) + " requests " + std::to_string(counts_.requests);
  }
  const auto orders = understood(line, orders_);
  if (!orders) {
    return "what? " + line;
  }
  orders_ = *orders;
  if (orders_.mode == Mode::refuse && listener_ >= 0) {
    close(listener_);
    listener_ = -1;
  } else if (orders_.mode != Mode::refuse) {
    listen_again();
  }
  while (orders_.mode == Mode::reset && !connections_.empty()) {
    abandon(connections_.front());
    connections_.pop_front();
  }
  return "ok " + line;
}

void Proxy::read_commands() {
  char bytes[512];
  const ssize_t count = read(control_, bytes, sizeof bytes);
  if (count <= 0) {
    control_ = -1;  // poll passes it over
    return;
  }
  typed_.append(bytes, static_cast<std::size_t>(count));
  for (auto end = typed_.find('\n'); end != std::string::npos; end = typed_.find('\n')) {
    std::cout << obey(typed_.substr(0, end)) << std::endl;
    typed_.erase(0, end + 1);
  }
}

void Proxy::note_request(Connection& connection, std::string_view bytes) {
  constexpr std::string_view kMark = " HTTP/1.";
  std::string seen = connection.tail;
  seen.append(bytes);
  for (auto at = seen.find(kMark); at != std::string::npos; at = seen.find(kMark, at + 1)) {
    ++counts_.requests;
  }
  if (orders_.cut && seen.find(orders_.cut_text) != std::string::npos) {
    connection.cut = orders_.cut;
    orders_.cut.reset();
  }
  connection.tail = seen.substr(seen.size() - std::min(seen.size(), kMark.size() - 1));
}

/// Reads what one side has sent.
void Proxy::take(Connection& connection, Way way) {
  Stream& stream = way == Way::up ? connection.up : connection.down;
  char bytes[kPiece];
  const ssize_t count = recv(way == Way::up ? connection.client : connection.server, bytes, sizeof bytes, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (count < 0 && !swallows(way)) {
    connection.dead = true;
    return;
  }
  if (count <= 0) {
    stream.ended = true;
    connection.swallowed_end = connection.swallowed_end || swallows(way);
    return;
  }
  auto size = static_cast<std::size_t>(count);
  if (way == Way::up) {
    note_request(connection, {bytes, size});
  }
  if (swallows(way)) {
    return;
  }
  if (way == Way::down && orders_.mode == Mode::half_close) {
    shutdown(connection.client, SHUT_WR);
    return;
  }
  if (way == Way::down && connection.cut) {
    size = std::min(size, *connection.cut);
    *connection.cut -= size;
    connection.cut_done = *connection.cut == 0;
  }
  stream.held += size;
  stream.pieces.push_back({std::string(bytes, size), now() + orders_.delay});
}

bool Proxy::may_give(const Stream& stream) const {
  return !stream.pieces.empty() && orders_.mode != Mode::stall && stream.pieces.front().due <= now() &&
         (orders_.mode != Mode::trickle || stream.next <= now());
}

/// Sends on what is due; closes what has ended.
void Proxy::give(Connection& connection, Way way) {
  Stream& stream = way == Way::up ? connection.up : connection.down;
  const int to = way == Way::up ? connection.server : connection.client;
  while (may_give(stream)) {
    std::string& bytes = stream.pieces.front().bytes;
    const bool slow = orders_.mode == Mode::trickle;
    const auto most = slow ? static_cast<std::size_t>(std::max<Milliseconds>(1, orders_.rate / 100)) : bytes.size();
    const ssize_t count = send(to, bytes.data(), std::min(most, bytes.size()), MSG_NOSIGNAL);
    if (count < 0) {
      connection.dead = connection.dead || (errno != EAGAIN && errno != EINTR);
      return;
    }
    bytes.erase(0, static_cast<std::size_t>(count));
    stream.held -= static_cast<std::size_t>(count);
    stream.next = slow ? now() + std::max<Milliseconds>(10, 1000 / orders_.rate) : 0;
    if (bytes.empty()) {
      stream.pieces.pop_front();
    }
  }
  if (stream.ended && stream.pieces.empty() && !stream.shut && !swallows(way) && !connection.swallowed_end) {
    shutdown(to, SHUT_WR);
    stream.shut = true;
  }
}

/// True once nothing more is to come of it.
bool Proxy::is_over(const Connection& connection) {
  return connection.dead || (connection.cut_done && connection.down.pieces.empty()) ||
         (connection.up.shut && connection.down.shut);
}

/// Until when nothing will happen by itself, as poll(2) wants it.
int Proxy::patience() const {
  Milliseconds first = -1;
  const Milliseconds time = now();
  for (const auto& connection : connections_) {
    for (const Stream* stream : {&connection.up, &connection.down}) {
      if (stream->pieces.empty() || orders_.mode == Mode::stall) {
        continue;
      }
      const Milliseconds due = std::max({stream->pieces.front().due, stream->next, time});
      first = first < 0 ? due - time : std::min(first, due - time);
    }
  }
  return static_cast<int>(first);
}

/// What to ask poll(2) about a socket; not even after hang-ups where nothing is wanted, they would not cease.
pollfd Proxy::wish(int socket, const Stream& from, const Stream& to) const {
  short events = 0;
  if (!from.ended && from.held < kMostHeld) {
    events = POLLIN;
  }
  if (may_give(to)) {
    events = static_cast<short>(events | POLLOUT);
  }
  return {events == 0 ? -1 : socket, events, 0};
}

void Proxy::run() {
  listen_again();
  std::cout << "listening on 127.0.0.1:" << port_ << std::endl;
  for (;;) {
    std::vector<pollfd> wishes{{listener_, POLLIN, 0}, {control_, POLLIN, 0}};
    for (const auto& connection : connections_) {
      wishes.push_back(wish(connection.client, connection.up, connection.down));
      wishes.push_back(wish(connection.server, connection.down, connection.up));
    }
    if (poll(wishes.data(), wishes.size(), patience()) < 0 && errno != EINTR) {
      give_up("poll");
    }
    std::size_t at = 2;
    for (auto connection = connections_.begin(); connection != connections_.end(); at += 2) {
      if ((wishes[at].revents & ~POLLOUT) != 0) {
        take(*connection, Way::up);
      }
      if ((wishes[at + 1].revents & ~POLLOUT) != 0) {
        take(*connection, Way::down);
      }
      give(*connection, Way::up);
      give(*connection, Way::down);
      if (is_over(*connection)) {
        abandon(*connection);
        connection = connections_.erase(connection);
      } else {
        ++connection;
      }
    }
    if ((wishes[0].revents & POLLIN) != 0) {
      accept_one();
    }
    if (wishes[1].revents != 0) {
      read_commands();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: fault_proxy HOST:PORT|unix:PATH [CONTROL-FIFO]\n";
    return 64;
  }
  // Open for both: a FIFO does not end when a writer goes.
  const int control = argc == 3 ? open(argv[2], O_RDWR | O_CLOEXEC | O_NONBLOCK) : STDIN_FILENO;
  if (control < 0) {
    give_up(argv[2]);
  }
  std::signal(SIGPIPE, SIG_IGN);
  Proxy(argv[1], control).run();
}
