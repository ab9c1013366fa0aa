# SPDX-License-Identifier: Apache-2.0
"""F6: the server is killed while locks are held, and started anew with what is on its disk."""

import concurrent.futures
import http.client

from story import TTL, after_last_renewal, boot_time, exclusive, expect, tell, until


def within_the_lease(stage):
    """back within the lease: the same hold goes on under the same token, and who waits is still next"""
    server = stage.serve()
    holder, other = stage.worker("holder"), stage.worker("other", "leave")
    first, second = stage.hold_and_wait(server, holder, other)
    before = server.holders("job")[0]
    after_last_renewal(server, server)
    server.kill()
    server = stage.again(server)
    expect(server.holders("job")[0]["id"] == before["id"], "another hold")
    expect(server.token("job") == holder.token, "another token")
    for _ in range(3):
        after_last_renewal(server, server)
    until(lambda: server.waiters("job"), "the waiter is back in the queue")
    expect(first.running() and holder.find("term") is None, "the holder was disturbed")
    holder.leave()
    first.ended(0)
    second.ended(0)
    exclusive(holder, other)


def beyond_the_lease(stage):
    """back when the lease is over: the holder has stopped by itself (76), and the hold has a whole lease again before
    the next"""
    server = stage.serve()
    holder, other = stage.worker("holder", "stubborn"), stage.worker("other", "leave")
    first, second = stage.hold_and_wait(server, holder, other)
    counted_from = after_last_renewal(server, server)
    server.kill()
    first.ended(76)
    until(lambda: boot_time() > counted_from + TTL + 0.2, "the lease is over")
    started = boot_time()
    server = stage.again(server)
    expect(len(server.holders("job")) == 1, "the hold was forgotten")
    second.ended(0)
    expect(other.entered() >= started + TTL - 0.1, f"the next was in {other.entered() - started:.2f} s after the start")
    exclusive(holder, other)
    expect(other.token > holder.token, "the token did not grow")


def a_waiter_outlasts_it(stage):
    """nobody is there for longer than first contact may take: one who waits already goes on waiting, one who comes
    gets 69"""
    server = stage.serve()
    holder, other = stage.worker("holder", "unwitnessed"), stage.worker("other", "leave", "unwitnessed")
    first, second = stage.hold_and_wait(server, holder, other)
    until(lambda: server.err.count("POST /v1/acquire") >= 2, "it had an answer, that it has to wait")
    server.kill()
    new = stage.run("exec", server, "new", "--", "true", status=69)
    waiting = [line for line in new.err.splitlines() if "waiting for" in line]
    expect(waiting and "cannot reach" in waiting[0], f"it does not say why it waits: {new.err}")
    first.ended(76)
    expect(second.running(), f"it gave up: {second.err}")
    stage.again(server)
    second.ended(0)


def nothing_acknowledged_is_lost(stage):
    """killed in the middle of a hundred grants: each that was answered is there after the start, with its token"""
    server = stage.serve()
    granted = {}

    def take(number):
        try:
            answer = server.acquire(f"lock-{number}", ttl_ms=60000)
        except (OSError, http.client.HTTPException):
            return
        if answer.get("outcome") == "granted":
            granted[f"lock-{number}"] = answer

    for round_number in range(3):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            numbers = range(round_number * 1000, round_number * 1000 + 300)
            futures = [pool.submit(take, number) for number in numbers]
            enough = len(granted) + 40
            until(lambda enough=enough: len(granted) >= enough, "some have their locks")
            server.kill()
            for future in futures:
                future.result()
        server = stage.again(server)
        listed = {lock["name"]: lock for lock in server.ask("GET", "/v1/locks")[1]["locks"]}
        for name, answer in granted.items():
            expect(name in listed, f"{name} is lost")
            expect(listed[name]["fencing_token"] == answer["fencing_token"], f"{name} has another token")
            expect(listed[name]["holders"][0]["id"] == answer["id"], f"{name} has another holder")
    name, answer = next(iter(granted.items()))
    body = {"name": name, "handle": answer["handle"], "request_id": "r"}
    expect(server.ask("POST", "/v1/release", body)[0] == 200, "its handle is worth nothing")


if __name__ == "__main__":
    tell(within_the_lease, beyond_the_lease, a_waiter_outlasts_it, nothing_acknowledged_is_lost)
