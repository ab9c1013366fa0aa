// SPDX-License-Identifier: Apache-2.0
#include "core/lost_event.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>

#include "core/error.hpp"

namespace lockgate {

LostEvent::LostEvent() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) {
    throw Error(ExitCode::internal, "cannot make an eventfd: " + errno_text(errno));
  }
}

void LostEvent::raise(std::string why) {
  {
    const std::lock_guard lock(mutex_);
    if (reason_) {
      return;
    }
    reason_ = std::move(why);
  }
  const std::uint64_t one = 1;
  (void)!::write(fd_.get(), &one, sizeof one);  // never full after one
}

std::optional<std::string> LostEvent::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace lockgate
