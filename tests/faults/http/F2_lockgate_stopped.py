# SPDX-License-Identifier: Apache-2.0
"""F2: the lockgate that holds a lease is stopped (SIGSTOP) for longer than that."""

import signal

from story import KILL_AT, TERM_AFTER, TTL, after_last_renewal, boot_time, exclusive, expect, gone, is_near, tell, until


def stopped(stage):
    """the guardian ends the tree in time; the next is in after the lease; continued, lockgate asks the server nothing
    and says 76"""
    server = stage.serve()
    proxy = stage.proxy(server)
    holder, other = stage.worker("holder", "stubborn"), stage.worker("other")
    first, second = stage.hold_and_wait(server, holder, other, through=proxy)
    counted_from = after_last_renewal(server, proxy)
    first.signal(signal.SIGSTOP)
    until(lambda: all(gone(pid) for pid in holder.pids), "the whole tree is dead")
    expect(boot_time() < counted_from + TTL, "the tree outlived the lease")
    is_near(holder.times("term")[0], counted_from + TERM_AFTER, 0.3, stage, "SIGTERM")
    other.entered(second)
    expect(other.entered() > counted_from + KILL_AT, "the next came too early")
    before = proxy.requests()
    first.signal(signal.SIGCONT)
    first.ended(76)
    expect("lost lock" in first.err, first.err)
    expect(proxy.requests() == before, "it asked the server for something that was another's")
    expect(len(server.holders("job")) == 1, "the next has lost the lock")
    other.leave()
    second.ended(0)
    exclusive(holder, other)


def stopped_for_a_moment(stage):
    """stopped for less than that: nothing happens"""
    server = stage.serve()
    holder = stage.worker("holder")
    first = stage.hold(server, holder)
    after_last_renewal(server, server)
    first.signal(signal.SIGSTOP)
    until(lambda: gone(first.pid) or True, "it is stopped")
    first.signal(signal.SIGCONT)
    after_last_renewal(server, server)
    holder.leave()
    first.ended(0)
    expect(holder.find("term") is None, "the command was disturbed")


def waiter_stopped(stage):
    """a waiter that is stopped when its turn comes holds the others up for no longer than a lease, and starts nothing
    that it must not"""
    server = stage.serve()
    holder, sleeper, other = stage.worker("holder"), stage.worker("sleeper"), stage.worker("other")
    first, second = stage.hold_and_wait(server, holder, sleeper)
    third = stage.wait_for(server, other, server=server, place=2)
    second.signal(signal.SIGSTOP)
    freed = boot_time()
    holder.leave()
    first.ended(0)
    other.entered(third)
    is_near(other.entered(), freed + TTL, 1.0, stage, "the turn of the one behind it")
    second.signal(signal.SIGCONT)
    until(lambda: server.waiters("job"), "it queues again")
    expect(sleeper.find("enter") is None, "it started its command beside another's")
    other.leave()
    third.ended(0)
    sleeper.entered(second)
    sleeper.leave()
    second.ended(0)
    exclusive(holder, other, sleeper)


def waiter_stopped_early(stage):
    """a waiter that is stopped before it had any answer, for longer than first contact may take, goes on waiting"""
    server = stage.serve()
    holder, other = stage.worker("holder"), stage.worker("other", "leave")
    first, second = stage.hold_and_wait(server, holder, other)
    second.signal(signal.SIGSTOP)
    stopped_at = boot_time()
    until(lambda: boot_time() > stopped_at + 6.5, "first contact is over")
    second.signal(signal.SIGCONT)
    until(lambda: server.waiters("job"), "it is in the queue")
    holder.leave()
    first.ended(0)
    second.ended(0)
    exclusive(holder, other)


if __name__ == "__main__":
    tell(stopped, stopped_for_a_moment, waiter_stopped, waiter_stopped_early)
