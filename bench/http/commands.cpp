// SPDX-License-Identifier: Apache-2.0
// Whole commands, each a process: `lockgate exec` at our server beside `etcdctl lock`.
#include <sys/stat.h>

#include <memory>

#include "../report.hpp"
#include "../samples.hpp"
#include "measures.hpp"

namespace bench {
namespace {

constexpr const char* kEtcd = "etcdctl lock";

/// A tool, and how many wait for its lock.
struct Locker {
  Tool tool;
  std::function<long()> waiting;
};

Server::Plan etcd_server(const Setting& setting) {
  const int port = free_port(), peers = free_port();
  const auto url = "http://127.0.0.1:" + std::to_string(port), own = "http://127.0.0.1:" + std::to_string(peers);
  return {"etcd",
          port,
          {setting.etcd, "--data-dir", setting.file("etcd"), "--log-level", "error", "--listen-client-urls", url,
           "--advertise-client-urls", url, "--listen-peer-urls", own, "--initial-advertise-peer-urls", own,
           "--initial-cluster", "default=" + own},
          {"PATH=/usr/bin:/bin"},
          "/health"};
}

/// The keys below `bench/`, less that of the holder; the names stand in the request in base64.
long etcd_waiting(const Address& address) {
  const auto reply =
      ask(address, post("/v3/kv/range", R"({"key":"YmVuY2gv","range_end":"YmVuY2gw","count_only":true})"));
  const auto count = member(reply, "count");
  return count.empty() ? 0 : std::stol(std::string(count)) - 1;
}

/// The servers, and the tools that use them.
class Lockers {
 public:
  explicit Lockers(const Setting& setting)
      : memory_(lockgate_server(setting, Store::memory)), journal_(lockgate_server(setting, Store::journal)) {
    const auto home = setting.file("home");
    mkdir(home.c_str(), 0700);
    const Words plain{"PATH=/usr/bin:/bin", "HOME=" + home};
    for (const Server* server : {&journal_, &memory_}) {
      const auto url = "http://127.0.0.1:" + std::to_string(server->address().port);
      all_.push_back({{server->name(), {setting.lockgate, "exec", "-b", url, "bench", "--"}, plain},
                      [=] { return metric(server->address(), "lockgate_waiters"); }});
    }
    if (!setting.etcd.empty()) {
      etcd_ = std::make_unique<Server>(etcd_server(setting));
      const auto url = "http://127.0.0.1:" + std::to_string(etcd_->address().port);
      all_.push_back(
          {{kEtcd, {setting.etcdctl, "--endpoints=" + url, "lock", "bench"}, {plain[0], plain[1], "ETCDCTL_API=3"}},
           [this] { return etcd_waiting(etcd_->address()); }});
    }
  }
  [[nodiscard]] const std::vector<Locker>& all() const { return all_; }
  [[nodiscard]] std::vector<Tool> tools() const {
    std::vector<Tool> result;
    for (const auto& locker : all_) {
      result.push_back(locker.tool);
    }
    return result;
  }
  void wait_until_queued(const Tool& tool, long waiters) const {
    const auto& locker = *std::find_if(all_.begin(), all_.end(), [&](auto& one) { return one.tool.name == tool.name; });
    for (const auto deadline = now() + 30 * kSecond; locker.waiting() != waiters; rest(kSecond / 200)) {
      if (now() > deadline) {
        fail(tool.name + ": its waiters do not queue");
      }
    }
  }

 private:
  Server memory_, journal_;
  std::unique_ptr<Server> etcd_;
  std::vector<Locker> all_;
};

struct Place {
  const Setting& setting;
  std::string gate;
};

std::vector<double> hand_off(const Lockers& lockers, const Tool& tool, const Place& place, int waiters) {
  const Log log(place.setting.file("hand-off"));
  Holder holder(tool, place.setting.section, log, place.gate);
  const Start start(tool, {place.setting.section, log.path()});
  std::vector<pid_t> pids;
  for (int i = 0; i < waiters; ++i) {
    pids.push_back(start());
  }
  lockers.wait_until_queued(tool, waiters);
  holder.let_go();
  for (const pid_t pid : pids) {
    start.expect_success(wait_for(pid));
  }
  std::vector<double> result;
  const auto sections = log.sections(tool);
  for (std::size_t i = 1; i < sections.size(); ++i) {
    result.push_back(static_cast<double>(sections[i].start - sections[i - 1].end) / 1000);
  }
  return result;
}

std::vector<double> whole_command(const Tool& tool) {
  const Start start(tool, {"/bin/true"});
  std::vector<double> result;
  for (int i = 0; i < 5; ++i) {
    const auto began = now();
    const int status = wait_for(start());
    const auto ended = now();
    start.expect_success(status);
    if (i > 0) {  // the first of a handful pays for whatever ran before it
      result.push_back(static_cast<double>(ended - began) / 1000);
    }
  }
  return result;
}

Sheet sheet_of(const std::string& title, const std::vector<Tool>& tools, Samples& samples) {
  Sheet sheet{title, {"tool", "median (us)", "p99 (us)", "to etcdctl", "samples"}, {}};
  const double peer = median(samples[kEtcd]);
  for (const auto& tool : tools) {
    const auto& values = samples[tool.name];
    sheet.rows.push_back({tool.name, number(median(values)), number(quantile(values, 0.99)),
                          peer > 0 ? number(median(values) / peer) : "", std::to_string(values.size())});
  }
  return sheet;
}

void measure_hand_off(const Lockers& lockers, const Place& place, int waiters, Page& page) {
  Samples samples;
  const auto tools = lockers.tools();
  in_turns(tools, place.setting.seconds(22, 3), [&](const Tool& tool) {
    const auto some = hand_off(lockers, tool, place, waiters);
    samples[tool.name].insert(samples[tool.name].end(), some.begin(), some.end());
  });
  const auto what = std::to_string(waiters) + " waiting processes";
  page.add(sheet_of("End of a section to the start of the next, " + what, tools, samples));
  for (const Tool& tool : tools) {
    const auto& took = samples[tool.name];
    const double middle = median(took), p99 = quantile(took, 0.99), ratio = middle / median(samples[kEtcd]);
    if (tool.name != kEtcd) {
      page.judge("P6: hand-off, " + what + ", " + tool.name, "1 ms, 0.5x etcdctl; p99 5 ms",
                 milliseconds(middle) + " ms, " + number(ratio) + "x; p99 " + milliseconds(p99) + " ms",
                 middle <= 1000 && ratio <= 0.5 && p99 <= 5000);
    }
  }
}

void measure_whole_command(const Lockers& lockers, const Setting& setting, Page& page) {
  Samples samples;
  const auto tools = lockers.tools();
  in_turns(tools, setting.seconds(25, 3), [&](const Tool& tool) {
    const auto some = whole_command(tool);
    samples[tool.name].insert(samples[tool.name].end(), some.begin(), some.end());
  });
  page.add(sheet_of("Lock, run `true`, unlock; nobody else wants it", tools, samples));
  for (const Tool& tool : tools) {
    if (tool.name != kEtcd) {
      const double ratio = median(samples[tool.name]) / median(samples[kEtcd]);
      page.judge("P8: whole command, " + tool.name, "0.6x etcdctl", number(ratio) + "x", ratio <= 0.6);
    }
  }
}

void judge_memory(const std::string& doing, const std::string& tool, const std::string& name, const Resident& resident,
                  Page& page) {
  const long most = name.starts_with("lockgate-guard") ? 1024 : 20 * 1024;
  if (tool.starts_with("lockgate, journal")) {  // the store makes no difference to its clients
    page.judge("P12: resident, " + name + " that " + doing, "at most " + std::to_string(most) + " KiB",
               std::to_string(resident.all) + " KiB, of which its own: " + std::to_string(resident.own) + " KiB",
               resident.all <= most);
  }
}

/// A process, and those that it started, and so on, without those that run the command.
void add_family(const std::string& doing, const std::string& tool, pid_t pid, Sheet& sheet, Page& page) {
  std::string name;
  std::ifstream("/proc/" + std::to_string(pid) + "/comm") >> name;
  if (name == "section") {
    return;
  }
  const auto resident = resident_of(pid);
  sheet.rows.push_back({tool, doing, name, std::to_string(resident.all), std::to_string(resident.own)});
  judge_memory(doing, tool, name, resident, page);
  std::ifstream children("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  for (pid_t child = 0; children >> child;) {
    add_family(doing, tool, child, sheet, page);
  }
}

void measure_memory(const Lockers& lockers, const Place& place, Page& page) {
  Sheet sheet{
      "Resident memory of the commands", {"tool", "while it", "process", "resident (KiB)", "its own (KiB)"}, {}};
  const Log log(place.setting.file("memory"));
  for (const auto& tool : lockers.tools()) {
    Holder holder(tool, place.setting.section, log, place.gate);
    const Start start(tool, {place.setting.section, log.path()});
    const pid_t waiter = start();
    lockers.wait_until_queued(tool, 1);
    rest(3 * kSecond / 2);  // whatever is set up late has been set up
    add_family("supervises", tool.name, holder.pid(), sheet, page);
    add_family("waits", tool.name, waiter, sheet, page);
    holder.let_go();
    start.expect_success(wait_for(waiter));
  }
  page.add(std::move(sheet));
}

}  // namespace

void measure_commands(const Setting& setting, Page& page) {
  const Place place{setting, setting.file("gate")};
  if (mkfifo(place.gate.c_str(), 0600) != 0) {
    fail("mkfifo: " + place.gate);
  }
  const Lockers lockers(setting);
  measure_whole_command(lockers, setting, page);
  for (const int waiters : {2, 8, 64}) {
    measure_hand_off(lockers, place, waiters, page);
  }
  measure_memory(lockers, place, page);
}

}  // namespace bench
