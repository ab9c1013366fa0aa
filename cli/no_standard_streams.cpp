// SPDX-License-Identifier: Apache-2.0
// lockgate writes with write(2), never by std::cout and its kin; but libraries whose sources include <iostream> have
// the C++ runtime set those up before main, with a locale and all its facets. Measured, that is a tenth of a
// millisecond, a tenth of all that `flock FILE true` takes. This stands in the executable in place of the runtime's
// own, so that nothing is set up: the standard streams must not be used in it. String and file streams work as ever.
#include <ios>

namespace std {

ios_base::Init::Init() = default;
ios_base::Init::~Init() = default;  // NOLINT(performance-trivially-destructible): the declaration is the library's

}  // namespace std
