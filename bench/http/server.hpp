// SPDX-License-Identifier: Apache-2.0
// The servers that are measured, as processes of ours on ports of 127.0.0.1.
#pragma once

#include <string>

#include "wire.hpp"

namespace bench {

/// A port that nobody listens on.
int free_port();

class Server {
 public:
  struct Plan {
    std::string name;
    int port = 0;
    Words words, environment;
    std::string ready;  // the path that is answered with 200 once it serves; empty: when it can be connected to
    SSL_CTX* tls = nullptr;
  };
  /// Returns when it serves.
  explicit Server(Plan plan);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  [[nodiscard]] const std::string& name() const { return plan_.name; }
  [[nodiscard]] Address address() const { return {plan_.port, plan_.tls}; }
  /// What all its threads have used.
  [[nodiscard]] Nanoseconds cpu() const;
  [[nodiscard]] double resident_mib() const;

 private:
  [[nodiscard]] bool serves() const;

  Plan plan_;
  pid_t pid_;
};

/// The value of a figure without labels, of `lockgate serve`.
long metric(const Address& address, const std::string& name);
/// Returns when that figure is `wanted`.
void wait_for_metric(const Address& address, const std::string& name, long wanted);

}  // namespace bench
