// SPDX-License-Identifier: Apache-2.0
#include "backends/http/server/tls_context.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>

#include "backends/http/server/engine.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate::server {
namespace {

constexpr long kOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE;
// Of TLS 1.2 what has forward secrecy and is authenticated; TLS 1.3 has nothing else.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

[[noreturn]] void refuse(const std::string& what, const std::string& path) {
  std::string why = take_ssl_error();
  throw Error(ExitCode::config, fmt::format("TLS: {} {}: {}", what, quote(path), why.empty() ? "not usable" : why),
              "see that the file is there, is PEM, and may be read by lockgate");
}

void warn_of_open_key(const std::string& path, const std::function<void(const std::string&)>& warn) {
  struct stat info {};
  if (warn && ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    warn(fmt::format("TLS: the key file {} is open to everybody on this host (mode {:04o}); make it 0600", quote(path),
                     info.st_mode & 07777));
  }
}

/// A key with a passphrase would have OpenSSL ask on the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr std::string_view kOurs = "\x08http/1.1";
  unsigned char* found = nullptr;
  const auto* ours = reinterpret_cast<const unsigned char*>(kOurs.data());
  if (SSL_select_next_proto(&found, size, ours, kOurs.size(), offered, offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

void demand_client_certificate(SSL_CTX& context, const std::string& ca) {
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(ca.c_str());
  if (names == nullptr || SSL_CTX_load_verify_locations(&context, ca.c_str(), nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    refuse("the clients' CA", ca);
  }
  SSL_CTX_set_client_CA_list(&context, names);
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // A resumed session would not look at the certificate again.
  SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(&context, 0);
}

/// Empty where it is no plain text; a NUL in it could make it look like another.
std::string plain(const ASN1_STRING* text) {
  if (text == nullptr) {
    return {};
  }
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, text);
  if (size <= 0) {
    return {};
  }
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return find_flaw(out) ? std::string() : out;
}

std::string alternative_name(const X509& certificate) {
  std::string out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && out.empty(); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL) {
      out = plain(name->d.ia5);
    }
  }
  GENERAL_NAMES_free(names);
  return out;
}

std::string common_name(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  return at < 0 ? std::string() : plain(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

}  // namespace

std::string take_ssl_error() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  if (error == 0) {
    return {};
  }
  if (ERR_SYSTEM_ERROR(error)) {
    return errno_text(ERR_GET_REASON(error));
  }
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : fmt::format("error {:x}", error);
}

SslContext make_tls_context(const TlsFiles& files, const std::function<void(const std::string&)>& warn) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), kCiphers) != 1) {
    throw Error(ExitCode::internal, "TLS: OpenSSL cannot be set up: " + take_ssl_error());
  }
  SSL_CTX_set_options(context.get(), kOptions);
  // A connection that waits keeps no buffers of 16 KB; a write may be gone on with from another place in memory.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context.get(), no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
    refuse("the certificate", files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    refuse("the key", files.key);
  }
  warn_of_open_key(files.key, warn);
  if (!files.client_ca.empty()) {
    demand_client_certificate(*context, files.client_ca);
  }
  return context;
}

std::string client_name(SSL& ssl) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(&ssl), X509_free);
  if (!certificate || SSL_get_verify_result(&ssl) != X509_V_OK) {
    return {};
  }
  std::string name = alternative_name(*certificate);
  return name.empty() ? common_name(*certificate) : name;
}

}  // namespace lockgate::server
