// SPDX-License-Identifier: Apache-2.0
// Locks with a lease in a folder, in place of a lock server: lockgate-net for tests, without a network, that does as it
// is told. The folder is $LEASES; a test makes the network fail by putting files there:
//   renew.error renew.lost release.error   that answer, from then on
//   grant.late                             the next grant comes when its lease has nearly run out; then it is gone
//   ttl.short                              no lease is longer than 2s
// Each call is a line in `log`.
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "backends/file/file_backend.hpp"
#include "backends/registry.hpp"
#include "cli/program.hpp"
#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/unique_fd.hpp"

namespace lockgate {
namespace {

using namespace std::chrono_literals;

class FakeBackend : public Backend {
 public:
  FakeBackend() : folder_(std::getenv("LEASES") == nullptr ? "/nonexistent" : std::getenv("LEASES")) {}

  std::variant<Grant, Busy> acquire(const Request& request, Waiting& waiting) override {
    while (true) {
      if (auto grant = try_acquire(request)) {
        return std::move(*grant);
      }
      if (waiting.nonblocking()) {
        return Busy{};
      }
      waiting.begin(BootClock::now());
      pollfd attention{waiting.fd(), POLLIN, 0};
      ::poll(&attention, 1, 5);
      switch (waiting.attend(BootClock::now())) {
        case WaitVerdict::go_on:
          break;
        case WaitVerdict::timed_out:
          return Busy{Busy::Why::timed_out, ""};
        case WaitVerdict::cancelled:
          throw waiting.cancellation();
        case WaitVerdict::suspend:
          waiting.suspend();
          break;
      }
    }
  }

  Released release(const Grant& grant) override {
    log("release");
    if (has("release.error")) {
      throw Error(ExitCode::unavailable, "no answer from the server");
    }
    const auto guard = lock();
    if (!is_held_by(grant.name.text(), grant.handle)) {
      return Released::was_lost;
    }
    std::filesystem::remove(folder_ / grant.name.text());
    return Released::done;
  }

  Renewal renew(const Grant& grant, const Attempt&) override {
    log("renew");
    if (has("renew.error")) {
      throw Error(ExitCode::unavailable, "no answer from the server");
    }
    const auto guard = lock();
    if (has("renew.lost") || !is_held_by(grant.name.text(), grant.handle)) {
      return {Renewal::Result::lost, {}, "taken over by another"};
    }
    const Lease lease{ttl(ttl_), BootClock::now()};
    write(grant.name.text(), grant.handle, lease);
    return {Renewal::Result::renewed, lease, ""};
  }

  ValueSet set_value(const Grant&, const std::optional<std::string>&) override { return ValueSet::done; }
  void watch(const Watched&, int, const std::function<Hearing(const LockEvent&)>&) override {}
  void abandon(const Grant&) override { log("abandon"); }
  std::optional<std::string> damage(const Grant&) override { return std::nullopt; }
  bool is_live(const LockName& name, const std::string& handle, Mode) override {
    return is_held_by(name.text(), handle);
  }
  std::vector<LockState> list(const std::vector<LockName>& names) override {
    std::vector<LockState> states;
    for (const LockName& name : names) {
      LockState state{.name = name.text(), .key = name.text(), .mode = {}, .token = {}, .holders = {}, .waiters = {}};
      state.state = is_held_by(name.text(), "") ? LockState::State::held : LockState::State::free;
      states.push_back(std::move(state));
    }
    return states;
  }
  std::string url() const override { return "http://fake.test"; }
  LockIdentity identity(const LockName& name) const override { return {url(), name.text()}; }
  bool is_same(const LockIdentity& lock, const LockName& name) const override {
    return lock.url == url() && lock.name == name.text();
  }
  std::vector<Breaking> break_holds(const LockName&, Duration) override { return {}; }
  std::string place() const override { return url(); }
  std::vector<std::string> diagnose() override { return {}; }

 private:
  std::optional<Grant> try_acquire(const Request& request) {
    const auto guard = lock();
    if (is_held_by(request.name.text(), "")) {
      return std::nullopt;
    }
    log("acquire");
    Grant grant{.name = request.name, .mode = request.mode, .handle = new_handle(), .token = 7, .lease = {}};
    ttl_ = request.ttl;
    grant.lease = Lease{ttl(request.ttl), BootClock::now()};
    if (std::filesystem::remove(folder_ / "grant.late")) {
      grant.lease->counted_from -= grant.lease->ttl - 100ms;
    }
    write(request.name.text(), grant.handle, *grant.lease);
    return grant;
  }
  [[nodiscard]] Duration ttl(Duration wanted) const {
    return has("ttl.short") ? std::min<Duration>(wanted, 2s) : wanted;
  }
  [[nodiscard]] bool has(const char* name) const { return std::filesystem::exists(folder_ / name); }
  [[nodiscard]] UniqueFd lock() const {
    UniqueFd fd(::open((folder_ / ".guard").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd || ::flock(fd.get(), LOCK_EX) != 0) {
      throw Error(ExitCode::unavailable, "no folder $LEASES");
    }
    return fd;
  }
  void log(const std::string& what) const {
    std::ofstream(folder_ / "log", std::ios::app) << what + "\n" << std::flush;
  }
  void write(const std::string& name, const std::string& handle, const Lease& lease) const {
    std::ofstream(folder_ / name) << handle << " " << (lease.counted_from + lease.ttl).time_since_epoch().count();
  }
  /// By anyone, where `handle` is empty.
  [[nodiscard]] bool is_held_by(const std::string& name, const std::string& handle) const {
    std::ifstream in(folder_ / name);
    std::string holder;
    BootTime::rep expires = 0;
    return in >> holder >> expires && BootClock::now() < BootTime(Duration(expires)) &&
           (handle.empty() || handle == holder);
  }

  std::filesystem::path folder_;
  Duration ttl_ = 15s;
};

}  // namespace

std::span<const BackendEntry> backend_table() {
  static constexpr std::array kBackends = {
      BackendEntry{"file", "locks in files of this host", make_file_backend},
      BackendEntry{"http", "pretended leases",
                   [](const BackendPlace&) -> std::unique_ptr<Backend> { return std::make_unique<FakeBackend>(); }},
  };
  return kBackends;
}

int run_serve(const CommandLine& /*line*/, const Start& /*start*/) {
  throw Error(ExitCode::usage, "there is no server here");
}

}  // namespace lockgate
