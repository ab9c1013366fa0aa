# SPDX-License-Identifier: Apache-2.0
"""F3: lockgate, its guardian and the command are all stopped for longer than the lease, as a machine is that sleeps."""

import contextlib
import os
import signal

from story import TTL, after_last_renewal, expect, gone, is_near, tell, until


def family(pid):
    """A process and its descendants."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = [int(child) for child in file.read().split()]
    return [pid] + [member for child in children for member in family(child)]


def all_stopped(stage):
    """the next is in after exactly one lease; only the token protects, and does; continued, the tree is ended at once:
    76"""
    server = stage.serve()
    holder = stage.worker("holder", "writes", "unwitnessed")
    other = stage.worker("other", "writes", "unwitnessed")
    first, second = stage.hold_and_wait(server, holder, other)
    until(lambda: holder.find("written"), "it has written")
    counted_from = after_last_renewal(server, server)
    members = family(first.pid)
    expect(len(members) >= 3, f"lockgate, a guardian and a command were expected: {members}")
    for member in members:
        os.kill(member, signal.SIGSTOP)
    other.entered(second)
    is_near(other.entered(), counted_from + TTL, 1.0, stage, "the next one's turn")
    until(lambda: other.find("written"), "the next has written")
    command = holder.pids[0]
    os.kill(command, signal.SIGCONT)  # first, so that it surely tries
    refused = until(lambda: holder.find("refused"), "the writer from the past is refused")
    expect(int(refused[2]) == holder.token < other.token, f"refused: {refused}")
    for member in members:
        with contextlib.suppress(ProcessLookupError):  # those that were first may have ended it
            os.kill(member, signal.SIGCONT)
    first.ended(76)
    expect(gone(command), "the command lives")
    expect(len(server.holders("job")) == 1, "the next has lost the lock")
    expect(len(holder.times("written")) == 1, "the writer from the past has written")
    other.leave()
    second.ended(0)


if __name__ == "__main__":
    tell(all_stopped)
