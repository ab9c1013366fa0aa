// SPDX-License-Identifier: Apache-2.0
// What `lockgate serve` was told. Plain values, without a library behind them: the command line makes them, the server
// takes them.
#pragma once

#include <cstddef>
#include <string>

#include "core/clock.hpp"

namespace lockgate::server {

enum class StoreKind { sqlite, memory };
enum class Strangers { refuse, allow };  // allow: an address that others reach without TLS and tokens (--insecure)
enum class RestartGrace { yes, no };
enum class LogFormat { text, json };

struct ServeLimits {
  // Bytes of one request. A value of 64 KiB is up to six times as long in JSON, where each byte may be escaped.
  std::size_t body = 512UL * 1024;
  std::size_t connections = 20'000;         // in all
  std::size_t connections_per_address = 0;  // 0: no limit of its own
  std::size_t waiters_per_lock = 1'000;
  std::size_t locks = 100'000;  // held or waited for
};

struct ServeOptions {
  std::string listen = "127.0.0.1:55589";  // ADDR:PORT, [ADDR6]:PORT, or unix:/PATH
  StoreKind store = StoreKind::sqlite;
  std::string store_path;  // sqlite: absolute; its folder is made where it is the default
  std::string tls_cert;    // files: absolute paths; empty: none. Certificate and key come together
  std::string tls_key;
  std::string client_ca;  // with tls_cert only
  std::string tokens;
  Strangers strangers = Strangers::refuse;
  ServeLimits limits;
  Duration max_ttl = std::chrono::hours(1);  // longer leases are refused; a memory store's grace lasts as long
  RestartGrace restart_grace = RestartGrace::yes;
  LogFormat log_format = LogFormat::text;
  int verbosity = 0;  // -1: errors only; 1: a line for each request; 2: more
};

}  // namespace lockgate::server
