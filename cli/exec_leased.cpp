// SPDX-License-Identifier: Apache-2.0
// lockgate exec with a lock that has a lease.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "cli/exec.hpp"
#include "cli/leased.hpp"
#include "cli/wait_line.hpp"
#include "core/duration.hpp"
#include "core/error.hpp"
#include "core/renewer.hpp"

namespace lockgate {
namespace {

constexpr int kStarts = 3;
constexpr std::chrono::milliseconds kLookEvery{1000};

/// One command under one hold.
class LeasedRun {
 public:
  LeasedRun(Session& session, const Signals& signals, Leased held)
      : session_(session), held_(std::move(held)), supervisor_(signals, options()) {
    note_deadline(held_.lease);
  }

  /// The exit status; empty where so much time went by that the command was not started.
  std::optional<int> run(const std::vector<std::string>& program);

 private:
  SuperviseOptions options();
  int start(const std::vector<std::string>& program);
  void begin_to_renew();
  void note_deadline(const Lease& lease);
  void say_that_it_runs_out() const;
  void say_lost(const std::string& why, const char* what_of_it) const;
  int after_loss(const Outcome& outcome);
  int give_back(const Outcome& outcome);
  [[nodiscard]] bool outlast(const Outcome& outcome) const;
  [[nodiscard]] bool guarded() const { return ends_what_uses_it(session_); }

  Session& session_;
  Leased held_;
  LostEvent lost_;
  std::atomic<BootTime> deadline_{};  // TERM, unless it is renewed; for people
  Supervisor supervisor_;
  Guardian* guardian_ = nullptr;    // the supervisor's
  std::optional<Renewer> renewer_;  // last: it uses the others
};

SuperviseOptions LeasedRun::options() {
  SuperviseOptions options = supervise_options(session_);
  options.lost = &lost_;
  options.on_lost = guarded() ? OnLost::terminate : OnLost::let_run;
  options.say_lost = [this](const std::string& why) { say_lost(why, "the command goes on (--on-lost continue)"); };
  options.before_stop = [this] { say_that_it_runs_out(); };
  if (guarded()) {
    options.kill_after = held_.timing.kill_after;
  }
  return options;
}

std::optional<int> LeasedRun::run(const std::vector<std::string>& program) {
  const int error = start(program);
  if (error != 0) {
    renewer_.reset();
    release_quietly(session_, held_.grant);
    if (error == ETIME && guarded()) {
      return std::nullopt;
    }
    fail_to_start(program[0], error);
  }
  const Outcome outcome = supervisor_.run();
  if (outcome.cause == Outcome::Cause::lost) {
    return after_loss(outcome);
  }
  if (outcome.cause == Outcome::Cause::guardian_died) {
    session_.log.error("the guardian process was killed: without it nothing may run, so the command was ended");
  }
  if (outcome.left == Outcome::Left::something && !outlast(outcome)) {
    renewer_.reset();
    session_.backend->abandon(held_.grant);
    session_.log.error(
        fmt::format("{} is not given back: it is free when its lease has run out", held_.grant.name.quoted()));
    return lost_.reason() ? to_int(ExitCode::lost) : conclude(session_, outcome);
  }
  return give_back(outcome);
}

int LeasedRun::start(const std::vector<std::string>& program) {
  const Command command = command_under(session_, held_.grant, -1, program);
  if (!guarded()) {
    const int error = supervisor_.start(command);
    if (error == 0) {
      begin_to_renew();
    }
    return error;
  }
  try {
    // The thread comes after the fork, and before a program that may take its time to load.
    guardian_ = &supervisor_.start_guarded(command, held_.timing.kill_at(held_.lease));
    begin_to_renew();
    return supervisor_.wait_for_start();
  } catch (const Error&) {
    renewer_.reset();
    release_quietly(session_, held_.grant);
    throw;
  }
}

void LeasedRun::begin_to_renew() {
  renewer_.emplace(
      held_.timing, held_.lease,
      [this](const Attempt& attempt) { return session_.backend->renew(held_.grant, attempt); },
      [this](const Lease& lease) {
        if (guardian_ != nullptr) {
          guardian_->move_deadline(held_.timing.kill_at(lease));
        }
        note_deadline(lease);
      },
      lost_);
}

void LeasedRun::note_deadline(const Lease& lease) {
  deadline_ = held_.timing.term_at(lease);
}

void LeasedRun::say_that_it_runs_out() const {
  const Duration left = std::max(Duration(0), deadline_.load() - BootClock::now());
  session_.log.say(fmt::format("while it is stopped, lockgate cannot renew the lease of {}: in {} {}",
                               held_.grant.name.quoted(), format_duration(left),
                               guarded() ? "the command will be ended" : "the lock will be lost"));
}

void LeasedRun::say_lost(const std::string& why, const char* what_of_it) const {
  session_.log.error(fmt::format("lost lock {}: {}; {}", held_.grant.name.quoted(), printable(why), what_of_it));
}

int LeasedRun::after_loss(const Outcome& outcome) {
  renewer_.reset();  // then the reason is there, if it was not before
  say_lost(lost_.reason().value_or("not renewed in time"), "the command was ended");
  tell_what_is_left(session_, outcome, "and goes on without the lock");
  session_.backend->abandon(held_.grant);
  return to_int(ExitCode::lost);
}

/// Something could not be ended, so the lock is kept for as long as it runs. False where that came to nothing.
bool LeasedRun::outlast(const Outcome& outcome) const {
  tell_what_is_left(session_, outcome, "and the lock is kept until it has ended; another signal ends that");
  const UniqueFd signals = Signals::open({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD});
  while (!nothing_is_left()) {
    std::array<pollfd, 2> fds{{{signals.get(), POLLIN, 0}, {lost_.fd(), POLLIN, 0}}};
    poll(fds.data(), fds.size(), static_cast<int>(kLookEvery.count()));
    if (fds[1].revents != 0) {
      say_lost(lost_.reason().value_or(""), "what could not be ended goes on");
      return false;
    }
    while (const auto number = Signals::next(signals)) {
      if (*number != SIGCHLD) {
        return false;
      }
    }
  }
  return true;
}

int LeasedRun::give_back(const Outcome& outcome) {
  renewer_->send_no_more();  // a renewal behind the release could bring the hold back
  const bool is_told = lost_.reason().has_value() && !guarded();
  try {
    const bool was_lost = session_.backend->release(held_.grant) == Released::was_lost;
    if (was_lost && !is_told) {
      session_.log.error(fmt::format("lost lock {}: {}", held_.grant.name.quoted(),
                                     printable(lost_.reason().value_or("it was gone before it was released"))));
    }
    if (was_lost && guarded()) {
      return to_int(ExitCode::lost);
    }
  } catch (const Error& error) {
    session_.log.error(fmt::format("{} was not given back, and is free when its lease has run out: {}",
                                   held_.grant.name.quoted(), error.what()));
  }
  return conclude(session_, outcome);
}

/// The limit counts from `begin`, however often this is called.
std::variant<Leased, Busy> wait_for_lease(Session& session, const Request& request, BootTime begin) {
  WaitLine line(session, request.name);
  CommandWaitOptions options = line.options();
  if (options.limit) {
    options.limit = std::max(Duration(0), *options.limit - (BootClock::now() - begin));
  }
  CommandWait waiting(std::move(options));
  return take_leased(session, request, waiting);
}

}  // namespace

int exec_leased(Session& session, const Signals& signals, const Request& request,
                const std::vector<std::string>& program) {
  const BootTime begin = BootClock::now();
  for (int starts = 0; starts < kStarts; ++starts) {
    auto taken = wait_for_lease(session, request, begin);
    if (const auto* busy = std::get_if<Busy>(&taken)) {
      session.log.say(busy_line(session, request.name, *busy));
      return session.settings.conflict_exit_code.value;
    }
    if (const auto status = LeasedRun(session, signals, std::move(std::get<Leased>(taken))).run(program)) {
      return *status;
    }
  }
  throw Error(
      ExitCode::unavailable,
      fmt::format("the command could not be started in time under {}, {} times", request.name.quoted(), kStarts),
      "is this machine overloaded? A longer --ttl may help");
}

}  // namespace lockgate
