// SPDX-License-Identifier: Apache-2.0
// UNIX sockets that listen, and the files they leave behind.
#pragma once

#include <string>

#include "backends/http/server/listening.hpp"

namespace lockgate::server {

/// Makes the socket file, 0660. One whose server is dead is replaced; a live one, or what is no socket, never.
ListeningSocket open_unix_socket(const std::string& path);

/// Where a UNIX socket is bound; an abstract name begins with @.
std::string unix_socket_path(int fd);

}  // namespace lockgate::server
