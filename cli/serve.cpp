// SPDX-License-Identifier: Apache-2.0
#include "cli/serve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/text.hpp"

namespace lockgate {
namespace {

using server::ServeOptions;
using server::StoreKind;

constexpr std::chrono::seconds kMemoryMaxTtl{60};  // a restarted memory store grants nothing for so long

[[noreturn]] void refuse(const std::string& what, const std::string& next_step = "try: lockgate serve --help") {
  throw Error(ExitCode::usage, what, next_step);
}

std::string path_of(const std::string& option, const std::string& text, const Surroundings& surroundings) {
  if (text.empty()) {
    refuse(option + ": the path is empty", "name a file");
  }
  return absolute_path(text, surroundings.current_dir);
}

/// ADDR:PORT, [ADDR6]:PORT or unix:PATH. Whether there is such an address here, the server finds out.
std::string checked_listen(const std::string& text, const Surroundings& surroundings) {
  constexpr std::string_view kUnix = "unix:";
  constexpr auto kLook = "an address looks like 127.0.0.1:55589, [::1]:55589, 0.0.0.0:55589 or unix:/run/lockgate.sock";
  if (text.starts_with(kUnix)) {
    return std::string(kUnix) + path_of("--listen", text.substr(kUnix.size()), surroundings);
  }
  const std::size_t colon = text.rfind(':');
  const std::string host = text.substr(0, colon);
  unsigned port = 65536;
  if (colon != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
    port = parsed.ec == std::errc{} && parsed.ptr == end ? port : 65536;
  }
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const bool bare6 = !bracketed && host.find(':') != std::string::npos;
  if (host.empty() || bare6 || port > 65535 || find_flaw(text)) {
    refuse(fmt::format("--listen: {} is no address to listen at", quote(text.substr(0, 200))), kLook);
  }
  return text;
}

std::string default_store(const Surroundings& surroundings) {
  if (surroundings.euid == 0) {
    return "/var/lib/lockgate/locks.db";
  }
  const auto base = surroundings.base_dir("XDG_STATE_HOME", "/.local/state");
  if (!base) {
    throw Error(ExitCode::config, "no HOME to keep the locks in", "give --store sqlite:PATH or --store memory");
  }
  return absolute_path(*base + "/lockgate/locks.db", "");
}

void take_store(ServeOptions& options, const Flags& flags, const Surroundings& surroundings) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (!flags.store || *flags.store == "sqlite") {
    options.store_path = default_store(surroundings);
  } else if (*flags.store == "memory") {
    options.store = StoreKind::memory;
    options.max_ttl = flags.no_restart_grace ? options.max_ttl : kMemoryMaxTtl;
  } else if (flags.store->starts_with(kSqlite)) {
    options.store_path = path_of("--store", flags.store->substr(kSqlite.size()), surroundings);
  } else {
    refuse(fmt::format("--store: {} is no store that this build has", quote(flags.store->substr(0, 200))),
           "a store is sqlite:PATH or memory");
  }
  if (options.store != StoreKind::memory && flags.no_restart_grace) {
    refuse("--no-restart-grace is for --store memory: a store on disk forgets nothing, and has no grace");
  }
}

void take_tls(ServeOptions& options, const Flags& flags, const Surroundings& surroundings) {
  if (flags.tls_cert.has_value() != flags.tls_key.has_value()) {
    refuse(
        fmt::format("{} alone: a certificate and its key belong together", flags.tls_cert ? "--tls-cert" : "--tls-key"),
        "give both: --tls-cert FILE --tls-key FILE");
  }
  if (flags.client_ca && !flags.tls_cert) {
    refuse("--client-ca asks for certificates of clients, and without --tls-cert there is no TLS",
           "give --tls-cert FILE --tls-key FILE");
  }
  if (flags.tls_cert) {
    options.tls_cert = path_of("--tls-cert", *flags.tls_cert, surroundings);
    options.tls_key = path_of("--tls-key", *flags.tls_key, surroundings);
  }
  if (flags.client_ca) {
    options.client_ca = path_of("--client-ca", *flags.client_ca, surroundings);
  }
}

void take_limits(ServeOptions& options, const Flags& flags) {
  auto& limits = options.limits;
  limits.body = flags.max_body.value_or(limits.body);
  limits.connections = flags.max_connections.value_or(limits.connections);
  limits.connections_per_address = flags.max_connections_per_address.value_or(limits.connections_per_address);
  limits.waiters_per_lock = flags.max_waiters.value_or(limits.waiters_per_lock);
  limits.locks = flags.max_locks.value_or(limits.locks);
  options.max_ttl = flags.max_ttl.value_or(options.max_ttl);
}

}  // namespace

ServeOptions serve_options(const CommandLine& line, const Surroundings& surroundings) {
  const Flags& flags = line.flags;
  ServeOptions options;
  if (flags.listen) {
    options.listen = checked_listen(*flags.listen, surroundings);
  }
  take_store(options, flags, surroundings);
  take_tls(options, flags, surroundings);
  if (flags.tokens) {
    options.tokens = path_of("--tokens", *flags.tokens, surroundings);
  }
  options.strangers = flags.insecure ? server::Strangers::allow : server::Strangers::refuse;
  take_limits(options, flags);
  options.restart_grace = flags.no_restart_grace ? server::RestartGrace::no : server::RestartGrace::yes;
  options.log_format = flags.log_format == "json" ? server::LogFormat::json : server::LogFormat::text;
  options.verbosity = flags.quiet ? -1 : flags.verbose;
  return options;
}

}  // namespace lockgate
