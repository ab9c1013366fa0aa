// SPDX-License-Identifier: Apache-2.0
#include "tests/http/tls_play.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

namespace lockgate::play {
namespace {

void add_extension(X509& certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(&certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Identity make_identity(const std::string& common_name, const std::string& names, const Identity* issuer) {
  Identity out;
  out.key.reset(EVP_EC_gen("P-256"));
  out.certificate.reset(X509_new());
  X509& certificate = *out.certificate;
  static long serial = 0;
  X509_set_version(&certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(&certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(&certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(&certificate), 24L * 3600);
  X509_set_pubkey(&certificate, out.key.get());
  const auto* name = reinterpret_cast<const unsigned char*>(common_name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(&certificate), "CN", MBSTRING_UTF8, name, -1, -1, 0);
  X509_set_issuer_name(&certificate,
                       X509_get_subject_name(issuer == nullptr ? &certificate : issuer->certificate.get()));
  add_extension(certificate, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!names.empty()) {
    add_extension(certificate, NID_subject_alt_name, names);
  }
  X509_sign(&certificate, issuer == nullptr ? out.key.get() : issuer->key.get(), EVP_sha256());
  return out;
}

Directory::Directory() {
  std::string name = std::filesystem::temp_directory_path() / "lockgate-engine-XXXXXX";
  path_ = ::mkdtemp(name.data());
}

Directory::~Directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_certificate(const Identity& identity, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  PEM_write_X509(file, identity.certificate.get());
  std::fclose(file);
}

void write_key(const Identity& identity, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  ::chmod(path.c_str(), 0600);
  PEM_write_PrivateKey(file, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

TlsClient::TlsClient(Client& client, const Wish& wish) : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX_set_max_proto_version(context_.get(), wish.newest);
  SSL_CTX_set_cipher_list(context_.get(), "DEFAULT:@SECLEVEL=0");
  if (wish.identity != nullptr) {
    SSL_CTX_use_certificate(context_.get(), wish.identity->certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), wish.identity->key.get());
  }
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), client.fd());
  if (!wish.protocol.empty()) {
    const std::string offer = static_cast<char>(wish.protocol.size()) + wish.protocol;
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(offer.data()),
                        static_cast<unsigned>(offer.size()));
  }
}

bool TlsClient::connect() {
  return SSL_connect(ssl_.get()) == 1;
}

bool TlsClient::send(const std::string& bytes) {
  return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
}

bool TlsClient::see(const std::string& text) {
  std::size_t at = 0;
  while ((at = seen_.find(text)) == std::string::npos) {
    char room[4096];
    const int got = SSL_read(ssl_.get(), room, sizeof room);
    if (got <= 0) {
      return false;
    }
    seen_.append(room, static_cast<std::size_t>(got));
  }
  seen_.erase(0, at + text.size());
  return true;
}

std::string TlsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsClient::server_name() const {
  char name[256] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl_.get())), NID_commonName, name,
                            sizeof name);
  return name;
}

}  // namespace lockgate::play
