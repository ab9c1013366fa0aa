// SPDX-License-Identifier: Apache-2.0
// One lock that somebody holds, and a crowd that waits for it: each waiter with a request that the server holds back.
#pragma once

#include "protocol.hpp"
#include "server.hpp"

namespace bench {

enum class Mode { exclusive, shared };

class Queue {
 public:
  /// Takes the lock.
  Queue(const Server& server, std::string lock, Mode waiters);
  /// `more` waiters; returns when the server has all of them.
  void park(int more);

  struct Wake {
    double seconds = 0;  // from the release to the last grant
    bool in_order = true;
    std::vector<double> hand_offs;  // us, each from the sending of a release to the arrival of the next grant
  };
  /// The holder gives back, and so does everybody else as soon as it has the lock.
  Wake release_all();
  /// The same for `seconds`, but whoever has had the lock queues anew.
  std::vector<double> go_round(double seconds);

 private:
  enum class State { waits, holds, out };
  struct Member {
    Wire wire;
    State state;
  };
  void ask_for(Member& member, std::size_t index);
  [[nodiscard]] std::vector<std::size_t> order() const;
  enum class Answer { got_it, gave_it_back, shall_wait_on };
  /// Once the member was answered. Whoever got the lock gives it back; whoever shall wait on does.
  Answer pass_on(Member& member, std::size_t index);

  const Server& server_;
  std::string lock_;
  Mode mode_;
  std::vector<Member> members_;  // the first is the holder
  std::string handle_;           // of the first
  Poller poller_;
};

}  // namespace bench
