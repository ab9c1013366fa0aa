// SPDX-License-Identifier: Apache-2.0
// The load generator: clients in one thread, each with a connection that it keeps. The same code drives every server.
#pragma once

#include <atomic>
#include <thread>

#include "protocol.hpp"
#include "server.hpp"

namespace bench {

struct Load {
  double pairs_per_second = 0;
  double cpu_per_pair = 0;   // of the server, us
  std::vector<double> took;  // each pair, us
};

/// `clients` that take and give back a lock of their own each, over and over.
Load run_pairs(const Server& server, Protocol protocol, int clients, double seconds);

/// Locks that are held and that nobody else wants; they stay when the connections are gone.
void hold_locks(const Server& server, Protocol protocol, int first, int last);

/// Holders with a connection each.
class Holders {
 public:
  Holders(const Server& server, int count, int ttl_ms);
  struct Renewals {
    double share = 0;  // of one core, of the server's
    double per_second = 0;
    std::vector<double> took;  // each, us
  };
  /// Each renews once in a third of its TTL, evenly spread.
  Renewals renew(double seconds);

 private:
  struct Held {
    Wire wire;
    std::string lock, handle;
    Nanoseconds sent = 0;  // 0: no renewal is on its way
  };
  const Server& server_;
  int ttl_ms_;
  std::vector<Held> held_;
  Poller poller_;
};

/// A client that has nothing to do with what is measured, in a thread of its own: a pair every `pause`, while it lives.
class Bystander {
 public:
  Bystander(const Server& server, Nanoseconds pause);
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() { (void)stop(); }
  /// How long each pair took, us; empty where its server failed it.
  std::vector<double> stop();

 private:
  void run(const Address& address, Nanoseconds pause);

  std::atomic<bool> stopping_ = false;
  std::vector<double> took_;
  std::thread thread_;
};

}  // namespace bench
