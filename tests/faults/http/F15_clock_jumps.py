# SPDX-License-Identifier: Apache-2.0
"""F15: the wall clock of a host is an hour wrong, or jumps. What counts for a lease is how much time goes by."""

import os

from certificates import Authority
from story import TERM_AFTER, TTL, after_last_renewal, boot_time, exclusive, expect, gone, is_near, tell, until


def clock(stage, offset="0"):
    """(environment, set): of one whose wall clock is wrong by that, until it is set anew; its other clocks are right."""
    name = f"clock-{next(stage.serials)}"

    def set_to(wrong):
        os.rename(stage.write(name + ".new", wrong), os.path.join(stage.path, name))
    set_to(offset)
    return {"LD_PRELOAD": os.environ["WALL_CLOCK_LIBRARY"], "WALL_CLOCK": os.path.join(stage.path, name)}, set_to


def at(stage, offset):
    return clock(stage, offset)[0]


def takeover(stage, server, holder, other, **env):
    """The holder's lockgate is killed: the next is in after one lease, as it would be at any time of the day."""
    first = stage.hold(server, holder, **({"env": env["first"]} if "first" in env else {}))
    second = stage.wait_for(server, other, server=server, **({"env": env["second"]} if "second" in env else {}))
    renewals = server.err.count("/v1/renew 200")
    until(lambda: server.err.count("/v1/renew 200") >= renewals + 2, "it is renewed")
    expect(other.find("enter") is None, "the other is in beside it")
    started = after_renewal(server)
    first.kill()
    second.ended(0)
    is_near(other.entered(), started + TTL, 1.0, stage, "the next one's turn")
    exclusive(holder, other)


def after_renewal(server):
    renewals = server.err.count("/v1/renew 200")
    until(lambda: server.err.count("/v1/renew 200") > renewals, "it is renewed")
    return boot_time()


def clients_ahead_and_behind(stage):
    """D17: holders and waiters an hour ahead or behind: nobody is in too early, nobody waits for longer, and tokens
    grow"""
    server = stage.serve()
    last = 0
    for number, (first, second) in enumerate((("3600", "-3600"), ("-3600", "3600"))):
        holder, other = stage.worker(f"holder-{number}"), stage.worker(f"other-{number}", "leave")
        takeover(stage, server, holder, other, first=at(stage, first), second=at(stage, second))
        expect(other.token > holder.token > last, "tokens do not grow")
        last = other.token


def the_server_jumps(stage):
    """the server's clock jumps by an hour, there and back, while a lock is held and waited for: nothing happens"""
    env, set_to = clock(stage)
    server = stage.serve(env=env)
    holder, other = stage.worker("holder"), stage.worker("other", "leave")
    first, second = stage.hold_and_wait(server, holder, other)
    for offset in ("3600", "-3600", "86400", "0"):
        set_to(offset)
        after_renewal(server)
        after_renewal(server)
        expect(first.running() and holder.find("term") is None and other.find("enter") is None, f"at {offset} something happened")
    set_to("3600")
    first.kill()
    started = after_death(holder)
    second.ended(0)
    expect(other.entered() - started < TTL + 1 + stage.lateness.worst, f"the next was in after {other.entered() - started:.2f} s")
    exclusive(holder, other)


def after_death(worker):
    until(lambda: all(gone(pid) for pid in worker.pids), "the command is dead")
    return boot_time()


def the_holder_jumps(stage):
    """the holder's clock jumps by an hour: it renews when it has to, and stops when it has to"""
    env, set_to = clock(stage)
    server = stage.serve()
    proxy = stage.proxy(server)
    holder = stage.worker("holder")
    first = stage.hold(proxy, holder, env=env)
    for offset in ("3600", "-3600"):
        set_to(offset)
        after_renewal(server)
        after_renewal(server)
    expect(first.running() and holder.find("term") is None, "it was disturbed")
    counted_from = after_last_renewal(server, proxy)
    set_to("3600")
    proxy.say("hole")
    first.ended(76)
    is_near(holder.times("term")[0], counted_from + TERM_AFTER, 0.3, stage, "SIGTERM")


def a_server_from_the_past(stage):
    """a server that starts anew an hour earlier: its tokens still grow, and the hold is there for a whole lease and no
    longer"""
    server = stage.serve(env=at(stage, "3600"))
    before = server.acquire("job")
    server.kill()
    server.more_env = at(stage, "-3600")
    server = stage.again(server)
    expect(server.holders("job"), "the hold was forgotten")
    until(lambda: server.lock("job")["state"] == "free", "the hold is over", patience=TTL + 2)
    after = server.acquire("job")
    expect(after["fencing_token"] > before["fencing_token"], f"{after} after {before}")


def told_of(stage):
    """doctor sees the difference; and a certificate that is not valid yet is told as that"""
    server = stage.serve()
    client = stage.run("doctor", server, env=at(stage, "-3600"), status=1)
    expect("clock" in client.out + client.err, client.out + client.err)
    authority = Authority(stage.path, "ca")
    certificate, key = authority.sign("server")
    server = stage.serve("--tls-cert", certificate, "--tls-key", key, store="memory")
    client = stage.run("exec", server, "--cacert", authority.file, "job", "--", "true", env=at(stage, "-259200"), status=77)
    expect("not yet valid" in client.err and "clock" in client.err, client.err)


if __name__ == "__main__":
    tell(clients_ahead_and_behind, the_server_jumps, the_holder_jumps, a_server_from_the_past, told_of)
