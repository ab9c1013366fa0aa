# SPDX-License-Identifier: Apache-2.0
"""F7: a server whose locks are in memory is killed and started anew: it cannot know what was granted before."""

from story import exclusive, expect, tell, until

GRACE = 5


def who_renews_lives_on(stage):
    """whoever renews has its hold back while nothing is granted, which operators are told, and goes on; who waited is
    next, with a greater token"""
    server = stage.serve("--max-ttl", f"{GRACE}s", store="memory")
    holder, other = stage.worker("holder"), stage.worker("other", "leave")
    first = stage.hold(server, holder)
    until(lambda: server.ask("GET", "/readyz") == (200, {"status": "ready"}), "it is ready after its first start")
    second = stage.wait_for(server, other, server=server)
    server.kill()
    server = stage.again(server)
    hold = until(lambda: server.holders("job"), "the hold is taken back")
    expect(hold[0]["mode"] == "exclusive" and server.token("job") == holder.token, f"another hold: {hold}")
    status, said = server.ask("GET", "/readyz")
    expect(status == 503 and said["error"]["code"] == "restart_grace", f"that was too late to show anything: {status} {said}")
    until(lambda: server.ask("GET", "/readyz")[0] == 200, "it grants again")
    expect(first.running() and holder.find("term") is None, "the holder was disturbed")
    holder.leave()
    first.ended(0)
    second.ended(0)
    exclusive(holder, other)


def who_was_away_has_lost(stage):
    """without the grace, one whose lock was given away meanwhile is told so (76), and ends before it could be in
    beside the next"""
    server = stage.serve("--no-restart-grace", store="memory")
    holder, other = stage.worker("holder", "unwitnessed"), stage.worker("other", "unwitnessed")
    first = stage.hold(server, holder)
    server.kill()
    server = stage.again(server)
    taken = server.acquire("job", ttl_ms=60000)
    if taken["outcome"] == "granted":  # else it was renewed in time
        first.ended(76)
        expect("lost lock" in first.err, first.err)
        expect(taken["fencing_token"] > holder.token, "the token did not grow")
    else:
        second = stage.wait_for(server, other, server=server)
        holder.leave()
        other.entered(second)


if __name__ == "__main__":
    tell(who_renews_lives_on, who_was_away_has_lost)
