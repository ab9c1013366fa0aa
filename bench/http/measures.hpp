// SPDX-License-Identifier: Apache-2.0
// The measurements of `bench/run http`. Each adds its tables, curves and verdicts to the page.
#pragma once

#include <string>

#include "page.hpp"
#include "server.hpp"

namespace bench {

struct Setting {
  bool quick = false;
  std::string lockgate, section, folder;
  std::string go_server;      // empty: there is none here
  std::string etcd, etcdctl;  // the same
  std::string cert, key;      // of the server with TLS

  [[nodiscard]] double seconds(double long_run, double quick_run) const { return quick ? quick_run : long_run; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder + "/" + name; }
};

enum class Store { memory, journal };
enum class Channel { plain, tls };

Server::Plan lockgate_server(const Setting& setting, Store store, Channel channel = Channel::plain);
Server::Plan go_server(const Setting& setting);
std::string name_of(Store store);

void measure_throughput(const Setting& setting, Page& page);  // P4, P5
void measure_live_locks(const Setting& setting, Page& page);  // P11: acquire while many locks are held
void measure_renewals(const Setting& setting, Page& page);    // P11
void measure_crowd(const Setting& setting, Page& page);       // P7
void measure_hand_offs(const Setting& setting, Page& page);   // P11: while more and more wait
void measure_commands(const Setting& setting, Page& page);    // P6, P8, P12

}  // namespace bench
