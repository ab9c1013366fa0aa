# SPDX-License-Identifier: Apache-2.0
"""F9: the network between a holder and the server is cut."""

from story import KILL_AT, TERM_AFTER, TTL, after_last_renewal, exclusive, expect, gone, is_near, tell, until

TOLERANCE = 0.3


def cut_off(stage, order):
    """Holder behind a proxy, another in the queue with a way of its own; the cut comes just after a renewal."""
    server = stage.serve()
    proxy = stage.proxy(server)
    holder, other = stage.worker("holder", "stubborn"), stage.worker("other")
    first, second = stage.hold_and_wait(server, holder, other, through=proxy)
    counted_from = after_last_renewal(server, proxy)
    proxy.say(order)
    first.ended(76)
    expect("not renewed in time" in first.err, f"it does not say why: {first.err}")
    over = until(lambda: all(gone(pid) for pid in holder.pids), "the whole tree is dead")
    expect(over, "the tree lives")
    is_near(holder.times("term")[0], counted_from + TERM_AFTER, TOLERANCE, stage, "SIGTERM")
    expect(other.find("enter") is None, "the next was in before the lease was over")
    other.entered(second)
    return server, proxy, holder, other, second, counted_from


def heal(server, proxy, other, second):
    """The holder from before takes nothing away when it could again."""
    handle = server.holders("job")[0]["id"]
    before = proxy.requests()
    proxy.say("pass")
    until(lambda: server.lock("job")["holders"][0]["expires_at"], "the server answers")
    expect(proxy.requests() == before, "somebody still asks for the old hold")
    expect(server.holders("job")[0]["id"] == handle, "the hold of the next was touched")
    other.leave()
    second.ended(0)
    expect(server.lock("job")["state"] == "free", "it is not free at the end")


def both_directions(stage):
    """cut off in both directions: SIGTERM at the computed moment, the tree dead, 76, then the next, after the whole
    lease"""
    server, proxy, holder, other, second, counted_from = cut_off(stage, "hole")
    exclusive(holder, other)
    is_near(other.entered(), counted_from + TTL, 1.0, stage, "the next one's turn")
    expect(other.entered() >= counted_from + KILL_AT, "the next was in before KILL")
    heal(server, proxy, other, second)


def requests_are_lost(stage):
    """requests are lost and replies would not be: the same"""
    server, proxy, holder, other, second, counted_from = cut_off(stage, "hole up")
    exclusive(holder, other)
    is_near(other.entered(), counted_from + TTL, 1.0, stage, "the next one's turn")
    heal(server, proxy, other, second)


def replies_are_lost(stage):
    """renewals arrive and their answers are lost: the holder stops as soon, and the next comes a lease after the last
    of them"""
    server, proxy, holder, other, second, counted_from = cut_off(stage, "hole down")
    exclusive(holder, other)
    entered = other.entered()
    expect(counted_from + TTL < entered < counted_from + TERM_AFTER + TTL + 1 + stage.lateness.worst,
           f"the next was in {entered - counted_from:.2f} s after the last renewal that was answered")
    heal(server, proxy, other, second)


def refused(stage):
    """a network that says so at once (RST, nobody listens) changes nothing: the holder tries until its time is over"""
    for order in ("reset", "refuse"):
        server = stage.serve(store=f"sqlite:{stage.path}/{order}.db")
        proxy = stage.proxy(server)
        holder = stage.worker(order, "unwitnessed")
        first = stage.hold(proxy, holder)
        counted_from = after_last_renewal(server, proxy)
        if order == "refuse":
            proxy.say("reset")  # who is in would stay in
        proxy.say(order)
        first.ended(76)
        is_near(holder.times("term")[0], counted_from + TERM_AFTER, TOLERANCE, stage, f"SIGTERM after {order}")


def a_short_cut(stage):
    """cut for less than the lease: nobody notices, and the token stays"""
    server = stage.serve()
    proxy = stage.proxy(server)
    holder, other = stage.worker("holder"), stage.worker("other")
    first, second = stage.hold_and_wait(server, holder, other, through=proxy)
    token = server.token("job")
    for order in ("stall", "hole", "reset"):
        after_last_renewal(server, proxy)
        requests = proxy.requests()
        proxy.say(order)
        until(lambda: proxy.requests() > requests or order == "reset", "a renewal is under way")
        proxy.say("pass")
        after_last_renewal(server, proxy)
    expect(first.running() and holder.find("term") is None, "the holder was disturbed")
    expect(server.token("job") == token, "another hold")
    holder.leave()
    first.ended(0)
    other.leave()
    second.ended(0)
    exclusive(holder, other)


if __name__ == "__main__":
    tell(both_directions, requests_are_lost, replies_are_lost, refused, a_short_cut)
