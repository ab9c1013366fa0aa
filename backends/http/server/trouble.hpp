// SPDX-License-Identifier: Apache-2.0
// Lines for the log about what goes wrong, few enough that nobody can flood it from outside.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "core/clock.hpp"

namespace lockgate::server {

class Trouble {
 public:
  enum class Topic { accept, handshake, handler, connection };

  explicit Trouble(std::function<void(const std::string&)> hear) : hear_(std::move(hear)) {}

  /// Of each topic some lines in ten seconds; the next one after that tells how many were kept back. Never throws.
  void tell(Topic topic, const std::string& line) noexcept;

 private:
  struct Quota {
    BootTime since{};
    unsigned told = 0;
    unsigned kept_back = 0;
  };

  std::function<void(const std::string&)> hear_;
  std::array<Quota, 4> quotas_;
};

}  // namespace lockgate::server
