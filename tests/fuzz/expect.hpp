// SPDX-License-Identifier: Apache-2.0
// What a fuzzer ends with where something that was promised is not so.
#pragma once

#include <cstdlib>

inline void expect(bool promise) {
  if (!promise) {
    std::abort();
  }
}
