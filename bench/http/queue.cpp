// SPDX-License-Identifier: Apache-2.0
#include "queue.hpp"

namespace bench {
namespace {

constexpr int kWaitMs = 60'000;  // the most that a server holds a request back

}  // namespace

Queue::Queue(const Server& server, std::string lock, Mode waiters)
    : server_(server), lock_(std::move(lock)), mode_(waiters) {
  members_.push_back({Wire(server.address()), State::holds});
  Wire& wire = members_.front().wire;
  wire.send(acquire_request(Protocol::v1, {.lock = lock_, .ttl_ms = 600'000}));
  wire.wait();
  handle_ = handle_of(Protocol::v1, wire);
  poller_.add(wire, 0);
}

void Queue::ask_for(Member& member, std::size_t index) {
  member.wire.send(acquire_request(Protocol::v1, {.lock = lock_,
                                                  .shared = mode_ == Mode::shared,
                                                  .wait_ms = kWaitMs,
                                                  .pid = static_cast<int>(index) + 1,
                                                  .acquirer = lock_ + '-' + std::to_string(index)}));
  member.state = State::waits;
}

void Queue::park(int more) {
  const auto size = members_.size() + static_cast<std::size_t>(more);
  while (members_.size() < size) {
    const auto index = members_.size();
    members_.push_back({Wire(server_.address()), State::waits});
    poller_.add(members_.back().wire, index);
    ask_for(members_.back(), index);
  }
  wait_for_metric(server_.address(), "lockgate_waiters", static_cast<long>(size - 1));
}

/// The queue as the server tells it: each waiter told its index, and one, as its process.
std::vector<std::size_t> Queue::order() const {
  const auto text = ask(server_.address(), get("/v1/locks?name=" + lock_));
  std::vector<std::size_t> result;
  const std::string_view key = R"("pid":)";
  for (auto at = text.find(key, text.find(R"("waiters":)")); at != std::string::npos; at = text.find(key, at + 1)) {
    result.push_back(std::stoul(text.substr(at + key.size(), 12)) - 1);
  }
  return result;
}

Queue::Answer Queue::pass_on(Member& member, std::size_t index) {
  if (member.state == State::holds) {
    expect_done(Protocol::v1, member.wire);
    member.state = State::out;
    return Answer::gave_it_back;
  }
  if (is_wait(member.wire)) {
    ask_for(member, index);
    return Answer::shall_wait_on;
  }
  const auto handle = handle_of(Protocol::v1, member.wire);
  member.wire.send(release_request(Protocol::v1, lock_, handle));
  member.state = State::holds;
  return Answer::got_it;
}

Queue::Wake Queue::release_all() {
  const auto expected = order();
  if (expected.size() != members_.size() - 1) {
    fail("the server knows another queue than the one that waits");
  }
  Wake wake;
  const auto start = now();
  auto released = start, last = start;
  members_.front().wire.send(release_request(Protocol::v1, lock_, handle_));
  std::size_t granted = 0;
  for (std::size_t gone = 0; gone < members_.size();) {
    for (const auto index : poller_.wait(kSecond)) {
      Member& member = members_[index];
      if (!member.wire.receive()) {
        continue;
      }
      last = now();
      const auto answer = pass_on(member, index);
      gone += answer == Answer::gave_it_back ? 1 : 0;
      if (answer != Answer::got_it) {
        continue;
      }
      wake.hand_offs.push_back(static_cast<double>(last - released) / 1000);
      released = last;
      wake.seconds = static_cast<double>(last - start) / kSecond;
      wake.in_order = wake.in_order && expected[granted] == index;
      ++granted;
    }
  }
  return wake;
}

std::vector<double> Queue::go_round(double seconds) {
  std::vector<double> result;
  auto released = now();
  const auto end = released + static_cast<Nanoseconds>(seconds * kSecond);
  members_.front().wire.send(release_request(Protocol::v1, lock_, handle_));
  while (released < end) {
    for (const auto index : poller_.wait(kSecond)) {
      Member& member = members_[index];
      if (!member.wire.receive()) {
        continue;
      }
      const auto time = now();
      const auto answer = pass_on(member, index);
      if (answer == Answer::got_it) {
        result.push_back(static_cast<double>(time - released) / 1000);
        released = time;
      } else if (answer == Answer::gave_it_back) {
        ask_for(member, index);
      }
    }
  }
  return result;
}

}  // namespace bench
