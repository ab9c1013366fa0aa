// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"

#include <cerrno>
#include <cstring>

namespace lockgate {

std::string errno_text(int error_number) {
  // strerror_r would need a buffer and comes in two incompatible kinds; this one is a constant string.
  const char* text = strerrordesc_np(error_number);
  return text != nullptr ? text : "error " + std::to_string(error_number);
}

ExitCode exit_code_for_file_errno(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
      return ExitCode::not_allowed;
    case ENOSPC:
    case EDQUOT:
    case EIO:
      return ExitCode::io_error;
    default:
      return ExitCode::cannot_create;
  }
}

}  // namespace lockgate
