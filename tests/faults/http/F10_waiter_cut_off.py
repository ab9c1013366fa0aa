# SPDX-License-Identifier: Apache-2.0
"""F10: the network between one who waits and the server is cut."""

from story import TTL, boot_time, exclusive, expect, is_near, tell, until


def queue(stage, *options, worker_options=()):
    """A holder, and behind a proxy one who waits and has been told so."""
    server = stage.serve()
    proxy = stage.proxy(server)
    holder, waiter = stage.worker("holder"), stage.worker("waiter", *worker_options)
    first = stage.hold(server, holder)
    began = boot_time()
    second = stage.wait_for(proxy, waiter, *options, server=server)
    until(lambda: server.err.count("POST /v1/acquire") >= 2, "it had its first answer")
    return server, proxy, holder, first, waiter, second, began


def out_of_reach_until_the_timeout(stage, order):
    _, proxy, _, _, waiter, second, began = queue(stage, "-w", "5s")
    if order == "refuse":
        proxy.say("reset")  # who is in would stay in
    proxy.say(order)
    second.ended(69)
    # It looks once more whether the lock is its own by now, and gives that a second or two.
    is_near(boot_time(), began + 5.0, 3.0, stage, "the end of the wait")
    expect(boot_time() > began + 4.9, "it gave up before its time")
    expect(waiter.find("enter") is None, "it ran")
    expect("cannot reach" in second.err or "no answer" in second.err, second.err)


def swallowed_until_the_timeout(stage):
    """cut off until the timeout: it waits for that long and says that the server is out of reach (69)"""
    out_of_reach_until_the_timeout(stage, "hole")


def refused_until_the_timeout(stage):
    """the same where the network says so at once"""
    out_of_reach_until_the_timeout(stage, "refuse")


def reachable_until_the_timeout(stage):
    """not cut off: the same wait ends as busy (75), and its place is gone with it"""
    server, _, holder, first, waiter, second, began = queue(stage, "-w", "4s")
    second.ended(75)
    is_near(boot_time(), began + 4.0, 1.0, stage, "the end of the wait")
    expect(not server.waiters("job"), "a place is left in the queue")
    expect(waiter.find("enter") is None, "it ran")
    holder.leave()
    first.ended(0)


def healed(stage):
    """cut off for a while: it waits on, keeps its place before one who came later, and gets the lock"""
    server, proxy, holder, first, waiter, second, _ = queue(stage, worker_options=("leave",))
    later = stage.worker("later", "leave")
    third = stage.wait_for(server, later, server=server, place=2)
    proxy.say("reset")
    proxy.say("pass")
    until(lambda: server.err.count("POST /v1/acquire") >= 3 and len(server.waiters("job")) == 2, "it is back")
    holder.leave()
    first.ended(0)
    second.ended(0)
    third.ended(0)
    exclusive(holder, waiter, later)
    expect(waiter.token < later.token, "it lost its place")


def granted_to_nobody(stage):
    """its turn comes while it is cut off: it holds the others up for no longer than a lease, and starts nothing beside
    them"""
    server, proxy, holder, first, waiter, second, _ = queue(stage)
    later = stage.worker("later")
    third = stage.wait_for(server, later, server=server, place=2)
    proxy.say("hole")
    freed = boot_time()
    holder.leave()
    first.ended(0)
    later.entered(third)
    is_near(later.entered(), freed + TTL, 1.0, stage, "the turn of the one behind it")
    proxy.say("reset")
    proxy.say("pass")
    until(lambda: server.waiters("job"), "it is back in the queue")
    expect(waiter.find("enter") is None, "it runs beside another")
    later.leave()
    third.ended(0)
    waiter.entered(second)
    waiter.leave()
    second.ended(0)
    exclusive(holder, later, waiter)


def hung_up(stage):
    """a connection that breaks off takes the place away within a second or so, if nobody comes back for it"""
    server, proxy, holder, first, waiter, second, _ = queue(stage)
    # Between two requests its place would be kept for longer: it has asked, looked who has the lock, and asked again.
    until(lambda: proxy.requests() >= 3, "it is parked at the server")
    proxy.say("reset")
    proxy.say("refuse")
    cut = boot_time()
    until(lambda: not server.waiters("job"), "its place is gone")
    expect(boot_time() < cut + 2 + stage.lateness.worst, f"that took {boot_time() - cut:.2f} s")
    expect(second.running(), "it gave up")
    proxy.say("pass")
    until(lambda: server.waiters("job"), "it is back in the queue")
    holder.leave()
    first.ended(0)
    waiter.entered(second)
    waiter.leave()
    second.ended(0)
    exclusive(holder, waiter)


if __name__ == "__main__":
    tell(swallowed_until_the_timeout, refused_until_the_timeout, reachable_until_the_timeout, healed, granted_to_nobody, hung_up)
