# SPDX-License-Identifier: Apache-2.0
"""F11: the network is slow, breaks off, or loses the answer to what was done."""

from story import KILL_AT, TERM_AFTER, TTL, after_last_renewal, boot_time, exclusive, expect, is_near, tell, until


def one_hold(watcher, name, released="released"):
    """It was taken once, and given back once."""
    until(lambda: watcher.heard(name, released), f"{name} is over")
    for event in ("acquired", released):
        count = len(watcher.heard(name, event))
        expect(count == 1, f"{name}: {count} times {event}")


def answers_lost(stage):
    """an answer that is lost after the server has done it, or cut in the middle: no second hold, no second release"""
    server = stage.serve()
    proxy = stage.proxy(server)
    watcher = stage.watch(server)
    orders = {"lose-reply": "lost", "cut-reply 1": "cut-1", "cut-reply 60": "cut-60", "cut-reply 250": "cut-250"}
    for order, tag in orders.items():
        for what in ("acquire", "release"):
            proxy.say(f"{order} /v1/{what}")
            stage.run("exec", proxy, f"{what}-{tag}", "--", "true", status=0)
            one_hold(watcher, f"{what}-{tag}")


def renewals_lost(stage):
    """an answer to a renewal that is lost, or cut: the next renewal is soon enough"""
    server = stage.serve()
    proxy = stage.proxy(server)
    watcher = stage.watch(server)
    worker = stage.worker("worker")
    holder = stage.hold(proxy, worker)
    for order in ("lose-reply", "cut-reply 1", "cut-reply 60"):
        after_last_renewal(server, proxy)
        before = proxy.requests()
        proxy.say(f"{order} /v1/renew")
        until(lambda: proxy.requests() >= before + 2, "it is asked again")
        after_last_renewal(server, proxy)
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the command was disturbed")
    one_hold(watcher, "job")


def release_lost_beside_others(stage):
    """a release whose answer is lost, and that is repeated when the next one has the lock, takes nothing from that one"""
    server = stage.serve()
    proxy = stage.proxy(server)
    first, second = stage.worker("first"), stage.worker("second")
    holder, waiter = stage.hold_and_wait(server, first, second, through=proxy)
    proxy.say("lose-reply /v1/release")
    first.leave()
    holder.ended(0)
    second.entered(waiter)
    expect(len(server.holders("job")) == 1, "the second hold is gone")
    after_last_renewal(server, server)
    second.leave()
    waiter.ended(0)
    exclusive(first, second)


def half_closed(stage):
    """the end of the stream in place of an answer: asked again, and one hold"""
    server = stage.serve()
    proxy = stage.proxy(server)
    watcher = stage.watch(server)
    proxy.say("half-close")
    client = stage.start("exec", proxy, "job", "--", "true")
    before = proxy.requests()
    until(lambda: proxy.requests() >= before + 2, "it asks again")
    proxy.say("pass")
    client.ended(0)
    one_hold(watcher, "job")


def renewed_over(stage, delay, ttl):
    server = stage.serve()
    proxy = stage.proxy(server)
    proxy.say(f"delay {delay}")
    worker = stage.worker("worker")
    holder = stage.hold(proxy, worker, "--ttl", f"{ttl}s")
    renewals = 2 if ttl < 5 else 1
    until(lambda: server.err.count("POST /v1/renew") >= renewals or not holder.running(), "it is renewed")
    worker.leave()
    holder.ended(0)
    expect(worker.find("term") is None, "the command was disturbed")


def latency(stage):
    """answers that take a tenth of a second: the shortest lease is kept all the same"""
    renewed_over(stage, 50, TTL)


def more_latency(stage):
    """answers that take a second: a lease of six seconds is kept"""
    renewed_over(stage, 400, 6)


def slow_grant(stage):
    """a grant that comes when its lease is nearly over is no grant: nothing runs, and the lock is given back"""
    server = stage.serve()
    proxy = stage.proxy(server)
    proxy.say("delay 800")
    worker = stage.worker("worker", "leave")
    late = stage.start("exec", proxy, "--ttl", "2s", "-w", "4s", "job", "--", *worker.argv)
    late.ended((69, 75))
    expect(worker.find("enter") is None, "it ran")
    until(lambda: server.lock("job")["state"] == "free", "the lock is free", patience=TTL + 2)


def out_of_time(stage):
    """answers that take five seconds are none: 69, and nothing runs"""
    server = stage.serve()
    proxy = stage.proxy(server)
    proxy.say("delay 5000")
    worker = stage.worker("worker", "leave")
    began = boot_time()
    client = stage.run("exec", proxy, "job", "--", *worker.argv, status=69)
    expect(worker.find("enter") is None, "it ran")
    expect(boot_time() - began < 9 + stage.lateness.worst, f"that took {boot_time() - began:.1f} s")
    expect("no answer" in client.err, client.err)


def a_byte_a_second(stage):
    """a byte a second: no answer to who comes, and no renewal for who holds, who stops in time"""
    server = stage.serve()
    proxy = stage.proxy(server)
    worker, next_one = stage.worker("worker", "stubborn"), stage.worker("next", "leave")
    holder, waiter = stage.hold_and_wait(server, worker, next_one, through=proxy)
    counted_from = after_last_renewal(server, proxy)
    proxy.say("trickle 1")
    comer = stage.start("exec", proxy, "-n", "other", "--", "true")
    holder.ended(76)
    is_near(worker.times("term")[0], counted_from + TERM_AFTER, 0.3, stage, "SIGTERM")
    expect(next_one.entered(waiter) > counted_from + KILL_AT, "the next came too early")
    waiter.ended(0)
    exclusive(worker, next_one)
    comer.ended(69)


if __name__ == "__main__":
    tell(out_of_time, answers_lost, renewals_lost, release_lost_beside_others, half_closed, latency, more_latency, slow_grant, a_byte_a_second)
