// SPDX-License-Identifier: Apache-2.0
// Measures lockgate beside other locking tools, in turns within one run, since absolute figures drift with the
// machine while ratios hold. Writes results.md and results.svg. Started by bench/run, which knows where things are.
#include <sys/stat.h>

#include <cstdio>
#include <optional>

#include "report.hpp"
#include "samples.hpp"

namespace bench {
namespace {

constexpr int kProcesses = 32;  // P3

Table make_table(std::string title, std::string unit, const std::vector<Tool>& tools, Samples& samples) {
  Table table{std::move(title), std::move(unit), false, {}};
  const double flock = quantile(samples["flock"], 0.5);
  for (const auto& tool : tools) {
    const auto& values = samples[tool.name];
    if (!values.empty()) {
      const double median = quantile(values, 0.5);
      table.rows.push_back({tool.name, median, quantile(values, 0.99), flock > 0 ? median / flock : 0, values.size()});
    }
  }
  return table;
}

// ---- the measurements

struct Place {
  std::string folder, section;
  [[nodiscard]] std::string file(const std::string& name) const { return folder + "/" + name; }
};

Table uncontended(const std::vector<Tool>& tools, double seconds) {
  Samples samples;
  std::map<std::string, Start> starts;
  for (const auto& tool : tools) {
    starts.try_emplace(tool.name, tool, Words{"/bin/true"});
  }
  in_turns(tools, seconds, [&](const Tool& tool) {
    const Start& start = starts.at(tool.name);
    for (int i = 0; i < 5; ++i) {
      const auto began = now();
      const int status = wait_for(start());
      const auto ended = now();
      start.expect_success(status);
      // The first of a handful pays for whatever ran before it.
      if (i > 0) {
        samples[tool.name].push_back(static_cast<double>(ended - began) / 1000);
      }
    }
  });
  return make_table("P1: lock, run `true`, unlock; nobody else wants it", "us", tools, samples);
}

Table hand_off(const std::vector<Tool>& tools, const Place& place, int waiters, double seconds) {
  Samples samples;
  const Log log(place.file("hand-off"));
  in_turns(tools, seconds, [&](const Tool& tool) {
    log.clear();
    Holder holder(tool, place.section, log, place.file("gate"));
    const Start start(tool, {place.section, log.path()});
    std::set<pid_t> pids;
    for (int i = 0; i < waiters; ++i) {
      pids.insert(start());
    }
    wait_until_queued(tool, pids);
    holder.let_go();
    for (const pid_t pid : pids) {
      start.expect_success(wait_for(pid));
    }
    const auto sections = log.sections(tool);
    for (std::size_t i = 1; i < sections.size(); ++i) {
      samples[tool.name].push_back(static_cast<double>(sections[i].start - sections[i - 1].end) / 1000);
    }
  });
  return make_table("P2: end of a section to the start of the next, " + std::to_string(waiters) + " waiters", "us",
                    tools, samples);
}

Table crowd(const std::vector<Tool>& tools, const Place& place, double seconds) {
  Samples samples;
  const Log log(place.file("crowd"));
  const auto turn = kSecond / 4;
  in_turns(tools, seconds, [&](const Tool& tool) {
    log.clear();
    const Start start(tool, {place.section, log.path()});
    const auto began = now();
    int running = 0;
    for (; running < kProcesses; ++running) {
      (void)start();
    }
    while (running > 0) {
      int status = 0;
      if (wait(&status) < 0) {
        fail("wait");
      }
      start.expect_success(status);
      if (now() - began < turn) {
        (void)start();
      } else {
        --running;
      }
    }
    const auto sections = log.sections(tool);
    const auto within = std::count_if(sections.begin(), sections.end(),
                                      [&](const Section& section) { return section.end - began < turn; });
    samples[tool.name].push_back(static_cast<double>(within) * kSecond / static_cast<double>(turn));
  });
  auto table = make_table("P3: " + std::to_string(kProcesses) + " processes at one lock, sections per second", "/s",
                          tools, samples);
  table.more_is_better = true;
  return table;
}

Memory memory_of(const Tool& tool, pid_t pid, const std::string& doing) {
  const Resident resident = resident_of(pid);
  return {tool.name, doing, resident.all, resident.own};
}

std::vector<Memory> memory(const std::vector<Tool>& tools, const Place& place) {
  std::vector<Memory> result;
  const Log log(place.file("memory"));
  for (const auto& tool : tools) {
    if (tool.name == "floor" || tool.name == "flock -F") {  // they become the command
      continue;
    }
    Holder holder(tool, place.section, log, place.file("gate"));
    const Start start(tool, {place.section, log.path()});
    const pid_t waiter = start();
    wait_until_queued(tool, {waiter});
    rest(3 * kSecond / 2);  // whatever is set up late has been set up
    result.push_back(memory_of(tool, holder.pid(), "supervises"));
    result.push_back(memory_of(tool, waiter, "waits"));
    holder.let_go();
    start.expect_success(wait_for(waiter));
  }
  return result;
}

// ---- what is measured

struct Options {
  double seconds = 120;
  bool quick = false;
  std::string lockgate, section, out = ".", folder;
  std::vector<std::pair<std::string, std::string>> polling;  // name, program with the command line of tests/peers
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--quick") {
      options.seconds = 20;
      options.quick = true;
      continue;
    }
    if (i + 1 == argc) {
      fail("no value for " + option);
    }
    const std::string value = argv[++i];
    if (option == "--lockgate") {
      options.lockgate = value;
    } else if (option == "--section") {
      options.section = value;
    } else if (option == "--out") {
      options.out = value;
    } else if (option == "--folder") {
      options.folder = value;
    } else if (option == "--polling") {
      options.polling.emplace_back(value.substr(0, value.find('=')), value.substr(value.find('=') + 1));
    } else {
      fail("unknown option " + option);
    }
  }
  return options;
}

std::optional<std::string> find_program(const std::string& name) {
  for (const std::string folder : {"/usr/bin/", "/bin/", "/usr/local/bin/"}) {
    if (access((folder + name).c_str(), X_OK) == 0) {
      return folder + name;
    }
  }
  return std::nullopt;
}

/// Every tool has a lock and a home of its own; lockgate once without and once with a configuration.
std::vector<Tool> make_tools(const Options& options, std::vector<std::string>& notes) {
  const Place place{options.folder, options.section};
  const auto empty_home = place.file("home"), home = place.file("configured");
  for (const auto& folder : {empty_home, home, home + "/.config", home + "/.config/lockgate", place.file("go")}) {
    mkdir(folder.c_str(), 0700);
  }
  std::ofstream(home + "/.config/lockgate/config.yaml")
      << "backend: local\ndefaults: {timeout: 10m}\nbackends:\n  local: {kind: file, dir: " << place.file("locks-2")
      << "}\n";
  const Words plain{"PATH=/usr/bin:/bin", "HOME=" + empty_home};
  std::vector<Tool> tools;
  tools.push_back({"floor", {options.section, "--floor", place.file("floor.lock")}, plain});
  for (const auto& [name, program, words] : std::vector<std::tuple<std::string, std::string, Words>>{
           {"flock", "flock", {place.file("flock.lock")}},
           {"flock -F", "flock", {"-F", place.file("flock-f.lock")}},
           {"lckdo", "lckdo", {"-w", place.file("lckdo.lock")}}}) {
    if (const auto path = find_program(program)) {
      tools.push_back({name, {*path}, plain});
      tools.back().words.insert(tools.back().words.end(), words.begin(), words.end());
    } else {
      notes.push_back(name + " is not installed here.");
    }
  }
  tools.push_back({"lockgate",
                   {options.lockgate, "exec", "bench", "--"},
                   {plain[0], plain[1], "LOCKGATE_DIR=" + place.file("locks-1")}});
  tools.push_back({"lockgate, configured", {options.lockgate, "exec", "bench", "--"}, {plain[0], "HOME=" + home}});
  for (const auto& [name, program] : options.polling) {
    tools.push_back({name, {program, "wrap", "bench", "--dir", place.file("go"), "--"}, plain, true});
  }
  notes.emplace_back("floor: open, flock and exec by a static program, without a process to supervise the command.");
  notes.emplace_back("lockgate, configured: with a small configuration file; else there is none.");
  notes.emplace_back("lckdo locks by fcntl(2), the others by flock(2).");
  return tools;
}

void run(const Options& options) {
  const Place place{options.folder, options.section};
  if (mkfifo(place.file("gate").c_str(), 0600) != 0) {
    fail("mkfifo: " + place.file("gate"));
  }
  std::vector<std::string> notes;
  auto tools = make_tools(options, notes);
  const std::string head = machine();
  std::vector<Table> tables;
  const auto show = [&](Table table) {
    std::printf("%s\n", table.title.c_str());
    for (const auto& row : table.rows) {
      std::printf("  %-22s %9s %-3s %s %9s   %5.2f of flock   %zu samples\n", row.tool.c_str(),
                  number(row.median).c_str(), table.unit.c_str(), table.more_is_better ? "best" : "p99",
                  number(row.p99).c_str(), row.ratio, row.samples);
    }
    std::fflush(stdout);
    tables.push_back(std::move(table));
  };
  show(uncontended(tools, options.seconds * 0.3));
  if (options.quick) {  // one round of a tool that polls would take all the time there is
    std::erase_if(tools, [](const Tool& tool) { return tool.polls; });
    notes.emplace_back("A quick run: tools that poll took part in P1 only.");
  }
  for (const int waiters : {2, 8, 64}) {
    show(hand_off(tools, place, waiters, options.seconds * 0.13));
  }
  show(crowd(tools, place, options.seconds * 0.2));
  const auto memories = memory(tools, place);
  std::printf("P12: resident memory\n");
  for (const auto& row : memories) {
    std::printf("  %-22s %-10s %6ld KiB, its own %6ld KiB\n", row.tool.c_str(), row.doing.c_str(), row.resident,
                row.own);
  }
  write_markdown(options.out + "/results.md", head, tables, memories, notes);
  write_picture(options.out + "/results.svg", head, tables);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::to_exit_status([&] { bench::run(bench::parse(argc, argv)); });
}
