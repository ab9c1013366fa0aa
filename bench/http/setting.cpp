// SPDX-License-Identifier: Apache-2.0
#include "measures.hpp"

namespace bench {

std::string name_of(Store store) {
  return store == Store::memory ? "memory" : "journal";
}

Server::Plan lockgate_server(const Setting& setting, Store store, Channel channel) {
  static int count = 0;
  const int port = free_port();
  Server::Plan plan{"lockgate, " + name_of(store) + (channel == Channel::tls ? ", TLS" : ""),
                    port,
                    {setting.lockgate, "serve", "-q", "--listen", "127.0.0.1:" + std::to_string(port), "--max-ttl",
                     "1h", "--max-waiters", "20000", "--max-locks", "200000"},
                    {"PATH=/usr/bin:/bin", "HOME=" + setting.folder},
                    "/readyz"};
  const auto add = [&](const Words& words) { plan.words.insert(plan.words.end(), words.begin(), words.end()); };
  if (store == Store::memory) {
    add({"--store", "memory", "--no-restart-grace"});
  } else {
    add({"--store", "sqlite:" + setting.file("locks-" + std::to_string(++count) + ".db")});
  }
  if (channel == Channel::tls) {
    add({"--tls-cert", setting.cert, "--tls-key", setting.key});
    plan.tls = tls_of_clients();
  }
  return plan;
}

Server::Plan go_server(const Setting& setting) {
  const int port = free_port();
  return {"Go, memory",
          port,
          {"/bin/sh", "-c", "exec \"$0\" server >/dev/null", setting.go_server},
          {"GO_HTTP_PORT=" + std::to_string(port)},
          ""};
}

}  // namespace bench
