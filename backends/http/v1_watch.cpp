// SPDX-License-Identifier: Apache-2.0
#include "backends/http/v1_watch.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>

#include "backends/http/acquire_wait.hpp"
#include "backends/http/event_stream.hpp"
#include "backends/http/v1_calls.hpp"

namespace lockgate::http {
namespace {

constexpr std::chrono::seconds kContact{5};
/// The server says something every fifteen seconds.
constexpr std::chrono::seconds kSilence{45};

bool is_readable(int fd, Duration patience) {
  pollfd entry{fd, POLLIN, 0};
  const BootTime until = BootClock::now() + patience;
  return ::poll(&entry, fd >= 0 ? 1 : 0, poll_timeout(until, BootClock::now())) > 0;
}

class Watcher {
 public:
  Watcher(LockServer& server, HttpClient& client, const Watched& what, int stop,
          const std::function<Hearing(const LockEvent&)>& hear)
      : server_(server), client_(client), stop_(stop), hear_(hear) {
    call_ = {.path = "/v1/events" + query_of(what.names, what.prefixes), .headers = {{"Accept", "text/event-stream"}}};
  }

  void run();

 private:
  std::optional<Setback> listen();
  bool take(EventStream& events, std::string_view piece);

  LockServer& server_;
  HttpClient& client_;
  int stop_;
  const std::function<Hearing(const LockEvent&)>& hear_;
  HttpCall call_;
  BootTime heard_at_;
  bool heard_ = false;  // anything, on this connection
  bool enough_ = false;
};

bool Watcher::take(EventStream& events, std::string_view piece) {
  heard_at_ = BootClock::now();
  heard_ = true;
  try {
    return events.feed(piece, [&](const ServerEvent& event) {
      if (is_event_kind(event.kind)) {  // else it is "ready", or something that later servers tell
        enough_ = hear_(decode_event(event.data)) == Hearing::enough;
      }
      return !enough_;
    });
  } catch (const NotUnderstood& flaw) {
    throw Error(ExitCode::not_understood,
                fmt::format("{} sent an event that is not understood: {}", server_.url(), flaw.why));
  }
}

/// One connection, from its beginning to its end. Empty: nobody wants to hear more.
std::optional<Setback> Watcher::listen() {
  EventStream events;
  heard_at_ = BootClock::now();
  heard_ = false;
  HttpWait wait{.stop = stop_};
  wait.attend_at = [this] { return heard_at_ + (heard_ ? kSilence : kContact); };
  wait.attend = [this] { return BootClock::now() < heard_at_ + (heard_ ? kSilence : kContact); };
  try {
    Asked asked = server_.stream(client_, call_, wait, [&](std::string_view piece) { return take(events, piece); });
    if (enough_) {
      return std::nullopt;
    }
    if (auto* setback = std::get_if<Setback>(&asked)) {
      return std::move(*setback);
    }
  } catch (const HttpStopped&) {
    if (is_readable(stop_, Duration(0))) {
      return std::nullopt;
    }
  }
  return Setback{
      Error(ExitCode::unavailable, server_.url() + (heard_ ? " ended its stream of events" : " does not answer"))};
}

void Watcher::run() {
  const BootTime contact_by = BootClock::now() + kContact;
  bool contacted = false;
  Backoff backoff;
  while (const auto setback = listen()) {
    if (heard_) {
      contacted = true;
      backoff.reset();
    } else if (!contacted && BootClock::now() >= contact_by) {
      throw setback->error;
    }
    if (is_readable(stop_, std::max(backoff.next(), setback->retry_after.value_or(Duration(0))))) {
      return;
    }
  }
}

}  // namespace

void watch_v1(LockServer& server, HttpClient& client, const Watched& what, int stop,
              const std::function<Hearing(const LockEvent&)>& hear) {
  Watcher(server, client, what, stop, hear).run();
}

}  // namespace lockgate::http
