# SPDX-License-Identifier: Apache-2.0
"""F1: the lockgate that holds a lease is killed (SIGKILL)."""

import os
import signal

from story import TERM_AFTER, TTL, after_last_renewal, boot_time, exclusive, expect, gone, is_near, tell, until


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def killed(stage):
    """the guardian ends the command's whole tree within the lease; the next has the lock when that is over, not before"""
    server = stage.serve()
    holder, other = stage.worker("holder", "stubborn"), stage.worker("other", "leave")
    first, second = stage.hold_and_wait(server, holder, other)
    counted_from = after_last_renewal(server, server)
    first.kill()
    until(lambda: all(gone(pid) for pid in holder.pids), "the whole tree is dead")
    dead = boot_time()
    expect(dead < counted_from + TTL, f"the tree was dead {dead - counted_from:.2f} s after the last renewal")
    second.ended(0)
    is_near(other.entered(), counted_from + TTL, 1.0, stage, "the next one's turn")
    expect(other.entered() > counted_from + TTL - 0.05, "the next was in before the lease was over")
    exclusive(holder, other)


def keeps_nothing(stage):
    """what it leaves is over with the lease: no place in the queue, no hold, and tokens grow on"""
    server = stage.serve()
    holder, waiter = stage.worker("holder"), stage.worker("waiter")
    first, second = stage.hold_and_wait(server, holder, waiter)
    second.kill()
    until(lambda: not server.waiters("job"), "the dead waiter is out of the queue", patience=3)
    first.kill()
    until(lambda: server.lock("job")["state"] == "free", "the lock is free", patience=TTL + 2)
    expect(waiter.find("enter") is None, "the dead waiter's command ran")
    after = stage.worker("after", "leave")
    stage.run("exec", server, "job", "--", *after.argv, status=0)
    exclusive(holder, after)


def with_its_guardian(stage):
    """killed together with its guardian: what the kernel still does ends the command"""
    server = stage.serve()
    holder = stage.worker("holder")
    first = stage.hold(server, holder)
    command = holder.pids[0]
    guardian = parent_of(command)
    expect(guardian not in (1, first.pid), "the command has no guardian")
    os.kill(first.pid, signal.SIGSTOP)
    os.kill(guardian, signal.SIGKILL)
    first.kill()
    until(lambda: gone(command), "the command is dead", patience=TERM_AFTER)
    until(lambda: server.lock("job")["state"] == "free", "the lock is free", patience=TTL + 2)


if __name__ == "__main__":
    tell(killed, keeps_nothing, with_its_guardian)
