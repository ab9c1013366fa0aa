// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

#include <cstdio>

namespace bench {
namespace {

double microseconds(Nanoseconds time) {
  return static_cast<double>(time) / 1000;
}

struct Client {
  Wire wire;
  Wish wish;
  bool holds = false;
  Nanoseconds began = 0;
};

constexpr int kAtOnce = 64;  // connections that fill a server

}  // namespace

Load run_pairs(const Server& server, Protocol protocol, int clients, double seconds) {
  Poller poller;
  std::vector<Client> all;
  for (int i = 0; i < clients; ++i) {
    all.push_back({Wire(server.address()), {.lock = "pair-" + std::to_string(i)}});
    poller.add(all.back().wire, static_cast<std::size_t>(i));
  }
  const auto begin = [&](Client& client) {
    client.began = now();
    client.holds = false;
    client.wire.send(acquire_request(protocol, client.wish));
  };
  for (auto& client : all) {
    begin(client);
  }
  Load load;
  // The first tenth is not counted: whatever is set up late is set up then.
  const auto length = static_cast<Nanoseconds>(seconds * kSecond);
  const auto start = now() + length / 10, end = start + length;
  Nanoseconds cpu = -1;
  for (auto running = all.size(); running > 0;) {
    for (const auto index : poller.wait(kSecond)) {
      Client& client = all[index];
      if (!client.wire.receive()) {
        continue;
      }
      if (!client.holds) {
        client.holds = true;
        client.wire.send(release_request(protocol, client.wish.lock, handle_of(protocol, client.wire)));
        continue;
      }
      expect_done(protocol, client.wire);
      const auto time = now();
      if (time >= start && cpu < 0) {
        cpu = server.cpu();
      } else if (time >= start && time < end) {
        load.took.push_back(microseconds(time - client.began));
      }
      if (time < end) {
        begin(client);
      } else {
        --running;
      }
    }
  }
  const auto pairs = static_cast<double>(load.took.size());
  load.pairs_per_second = pairs / seconds;
  load.cpu_per_pair = microseconds(server.cpu() - cpu) / std::max(pairs, 1.0);
  return load;
}

void hold_locks(const Server& server, Protocol protocol, int first, int last) {
  Poller poller;
  std::vector<Wire> wires;
  int next = first;
  const auto take = [&](Wire& wire) {
    wire.send(acquire_request(protocol, {.lock = "held-" + std::to_string(next++), .ttl_ms = 3'600'000}));
  };
  for (int i = 0; i < kAtOnce && next < last; ++i) {
    wires.emplace_back(server.address());
    poller.add(wires.back(), wires.size() - 1);
    take(wires.back());
  }
  for (int granted = first; granted < last;) {
    for (const auto index : poller.wait(kSecond)) {
      if (wires[index].receive()) {
        (void)handle_of(protocol, wires[index]);
        ++granted;
        if (next < last) {
          take(wires[index]);
        }
      }
    }
  }
}

Holders::Holders(const Server& server, int count, int ttl_ms) : server_(server), ttl_ms_(ttl_ms) {
  for (int i = 0; i < count; ++i) {
    const Wish wish{.lock = "renewed-" + std::to_string(i), .ttl_ms = ttl_ms};
    Wire wire(server.address());
    wire.send(acquire_request(Protocol::v1, wish));
    wire.wait();
    auto handle = handle_of(Protocol::v1, wire);
    held_.push_back({std::move(wire), wish.lock, std::move(handle)});
    poller_.add(held_.back().wire, held_.size() - 1);
  }
}

Holders::Renewals Holders::renew(double seconds) {
  Renewals result;
  const auto length = static_cast<Nanoseconds>(seconds * kSecond), start = now(), end = start + length;
  const auto step = std::max<Nanoseconds>(ttl_ms_ * (kSecond / 1000) / 3 / static_cast<Nanoseconds>(held_.size()), 1);
  const auto cpu = server_.cpu();
  std::size_t next = 0;
  for (auto due = start, time = start; time < end; time = now()) {
    for (; due <= time; due += step, ++next) {
      Held& held = held_[next % held_.size()];
      if (held.sent == 0) {  // else the server is slower than the holders are; `per_second` tells it
        held.sent = now();
        held.wire.send(renew_request(Protocol::v1, held.lock, held.handle));
      }
    }
    for (const auto index : poller_.wait(std::max<Nanoseconds>(due - now(), 0))) {
      Held& held = held_[index];
      if (held.wire.receive()) {
        expect_done(Protocol::v1, held.wire);
        result.took.push_back(microseconds(now() - held.sent));
        held.sent = 0;
      }
    }
  }
  result.share = static_cast<double>(server_.cpu() - cpu) / static_cast<double>(now() - start);
  result.per_second = static_cast<double>(result.took.size()) / seconds;
  return result;
}

Bystander::Bystander(const Server& server, Nanoseconds pause)
    : thread_([this, address = server.address(), pause] { run(address, pause); }) {
}

void Bystander::run(const Address& address, Nanoseconds pause) {
  try {
    Wire wire(address);
    const Wish wish{.lock = "bystander"};
    while (!stopping_) {
      const auto began = now();
      wire.send(acquire_request(Protocol::v1, wish));
      wire.wait();
      wire.send(release_request(Protocol::v1, wish.lock, handle_of(Protocol::v1, wire)));
      wire.wait();
      expect_done(Protocol::v1, wire);
      took_.push_back(microseconds(now() - began));
      rest(pause);
    }
  } catch (const std::exception& error) {
    std::printf("bench: a client beside the others: %s\n", error.what());
    took_.clear();
  }
}

std::vector<double> Bystander::stop() {
  stopping_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  return took_;
}

}  // namespace bench
