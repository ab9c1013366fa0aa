// SPDX-License-Identifier: Apache-2.0
// Certificates made for a test, and a client that speaks TLS.
#pragma once

#include <openssl/ssl.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "tests/http/engine_play.hpp"

namespace lockgate::play {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

/// A certificate and its key, in memory.
struct Identity {
  std::unique_ptr<EVP_PKEY, FreeKey> key;
  std::unique_ptr<X509, FreeKey> certificate;
};

/// A CA for `issuer` null. `names`: subjectAltName as openssl.cnf has it ("DNS:localhost"); empty: none.
Identity make_identity(const std::string& common_name, const std::string& names, const Identity* issuer = nullptr);

/// A directory of its own that goes at the end.
class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string at(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_certificate(const Identity& identity, const std::string& path);
/// Mode 0600.
void write_key(const Identity& identity, const std::string& path);

/// A client over an open connection.
class TlsClient {
 public:
  struct Wish {
    int newest = TLS1_3_VERSION;
    std::string protocol;                // ALPN; empty: none
    const Identity* identity = nullptr;  // shown to the server
  };
  TlsClient(Client& client, const Wish& wish);

  /// The handshake; false: the server refused it.
  bool connect();
  bool send(const std::string& bytes);
  /// Until `text` has been seen; false: the server closed, or refused.
  bool see(const std::string& text);
  [[nodiscard]] std::string version() const { return SSL_get_version(ssl_.get()); }
  [[nodiscard]] std::string protocol() const;
  /// The common name of the server.
  [[nodiscard]] std::string server_name() const;
  void say_goodbye() { SSL_shutdown(ssl_.get()); }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  std::string seen_;
};

}  // namespace lockgate::play
