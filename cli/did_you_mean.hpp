// SPDX-License-Identifier: Apache-2.0
// What somebody may have meant who mistyped a word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockgate {

/// `; did you mean "X"?` with the choice that is nearest to `word`, or nothing where none is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& choices);

}  // namespace lockgate
