// SPDX-License-Identifier: Apache-2.0
// What the server says on stderr: lines for people, or an object a line for programs. No secret ever comes here.
#pragma once

#include <string>

#include "backends/http/server/routes.hpp"
#include "backends/http/server/serve_options.hpp"

namespace lockgate::server {

class ServerLog {
 public:
  ServerLog(LogFormat format, int verbosity) : format_(format), verbosity_(verbosity) {}

  /// What went wrong; always.
  void trouble(const std::string& text) const { write("error", text); }
  /// What operators want to know, unless the server was told to be quiet.
  void say(const std::string& text) const;
  /// A line for each request, at -v.
  void request(const RequestNote& note) const;

 private:
  void write(const char* level, const std::string& text) const;

  LogFormat format_;
  int verbosity_;
};

}  // namespace lockgate::server
