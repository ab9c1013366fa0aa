// SPDX-License-Identifier: Apache-2.0
// Measures the lock server beside that of the Go library and beside etcd, in turns within one run. Writes
// results_http.md and results_http.svg. Started by bench/run, which knows where things are.
#include <sys/resource.h>

#include <cstdio>
#include <map>

#include "../report.hpp"
#include "measures.hpp"

namespace bench {
namespace {

struct Part {
  std::string name;
  void (*measure)(const Setting&, Page&);
};

const std::vector<Part>& parts() {
  // The order is that of the tables and of the curves: by locks, then by waiters.
  static const std::vector<Part> all{{"throughput", measure_throughput}, {"commands", measure_commands},
                                     {"locks", measure_live_locks},      {"hand-offs", measure_hand_offs},
                                     {"crowd", measure_crowd},           {"renewals", measure_renewals}};
  return all;
}

struct Options {
  Setting setting;
  std::string out = ".", only;  // only: the name of a part; empty: all
};

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::string*> values{
      {"--lockgate", &options.setting.lockgate},
      {"--section", &options.setting.section},
      {"--folder", &options.setting.folder},
      {"--go-server", &options.setting.go_server},
      {"--etcd", &options.setting.etcd},
      {"--etcdctl", &options.setting.etcdctl},
      {"--cert", &options.setting.cert},
      {"--key", &options.setting.key},
      {"--out", &options.out},
      {"--only", &options.only},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--quick") {
      options.setting.quick = true;
    } else if (!values.contains(option) || i + 1 == argc) {
      fail("unknown option, or no value: " + option);
    } else {
      *values.at(option) = argv[++i];
    }
  }
  return options;
}

/// For the thousands of connections, here and in the servers that are started here.
void raise_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 11'000) {
    fail("this needs 11000 open files (ulimit -Hn)");
  }
}

void run(const Options& options) {
  raise_limit();
  Page page;
  page.head = machine();
  std::printf("%s\n", page.head.c_str());
  for (const auto& part : parts()) {
    if (options.only.empty() || options.only == part.name) {
      part.measure(options.setting, page);
    }
  }
  if (options.setting.quick) {
    page.notes.emplace_back("A quick run: a tenth of the waiters and holders, and few samples.");
  }
  page.notes.emplace_back(
      "The load generator, which is the same for all, shares the cores with the server that it drives.");
  write_page(options.out + "/results_http.md", "results_http.svg", page);
  write_plots(options.out + "/results_http.svg", page);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::to_exit_status([&] { bench::run(bench::parse(argc, argv)); });
}
