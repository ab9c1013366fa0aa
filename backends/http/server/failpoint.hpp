// SPDX-License-Identifier: Apache-2.0
// Places at which a test can have this process killed, as a power failure would. Costs a comparison elsewhere.
//   making:tables      a new journal has its tables, and nothing is committed
//   making:committed   it is a journal
//   journal:begun      a transaction has begun
//   journal:entry      an entry was written, more may follow
//   journal:written    all were written, nothing is committed
//   journal:committed  it is durable, and nobody has been told
#pragma once

#include <string>

namespace lockgate::server {

void failpoint(const char* name);

/// "NAME:COUNT": kills this process, by SIGKILL, the COUNTth time that it comes by NAME.
void set_failpoint(const std::string& text);

}  // namespace lockgate::server
