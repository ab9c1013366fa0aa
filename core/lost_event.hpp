// SPDX-License-Identifier: Apache-2.0
// The news that a lock is lost: told once, by whoever learns of it first, to whoever polls for it.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "core/unique_fd.hpp"

namespace lockgate {

/// Thread-safe. Outlives those who raise it and those who poll it.
class LostEvent {
 public:
  /// Throws Error(internal) where no descriptor can be had.
  LostEvent();

  /// `why` follows `lost lock "NAME": `. The first reason stays; what comes later is passed over.
  void raise(std::string why);
  /// Readable, for good, once it was raised.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Empty until then.
  [[nodiscard]] std::optional<std::string> reason() const;

 private:
  UniqueFd fd_;
  mutable std::mutex mutex_;           // guards:
  std::optional<std::string> reason_;  // written before the descriptor is made readable
};

}  // namespace lockgate
