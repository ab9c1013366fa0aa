// SPDX-License-Identifier: Apache-2.0
// The server's certificate and the rules of TLS for all connections.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>

namespace lockgate::server {

struct TlsFiles;

struct FreeSslContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSslContext>;

/// Reads the files. TLS 1.2 or newer, forward secrecy, no renegotiation; with a client CA, a certificate of it is
/// demanded. `warn` hears of a key that others may read. Throws Error(config).
SslContext make_tls_context(const TlsFiles& files, const std::function<void(const std::string&)>& warn);

/// The name in the client's certificate, which must have been verified: the first DNS, URI or e-mail name, else the
/// common name. Empty: it gave none, or none that is plain text.
std::string client_name(SSL& ssl);

/// What OpenSSL's list of errors says last, and empties it.
std::string take_ssl_error();

}  // namespace lockgate::server
