# SPDX-License-Identifier: Apache-2.0
"""F7: a server whose locks are in memory is killed and started anew: it cannot know what was granted before."""

from story import boot_time, exclusive, expect, tell, until

GRACE = 5.0


def nothing_is_granted_for_a_while(stage):
    """it grants nothing for the longest lease, says so, takes back what is renewed, and tokens grow on"""
    server = stage.serve("--max-ttl", f"{GRACE:g}s", store="memory")
    first_start = boot_time()
    # Also after its very first start: it cannot tell one from the other.
    holder, other = stage.worker("holder"), stage.worker("other", "leave")
    before = stage.worker("before", "leave", "unwitnessed")
    early = stage.start("exec", server, "--ttl", "2s", "elsewhere", "--", *before.argv)
    first = stage.hold(server, holder)
    expect(holder.entered() >= first_start + GRACE - 0.2, "it granted at once")
    early.ended(0)
    second = stage.wait_for(server, other, server=server)
    server.kill()
    started = boot_time()
    server = stage.again(server)
    hold = until(lambda: server.holders("job"), "the hold is taken back")
    expect(hold[0]["mode"] == "exclusive" and server.token("job") == holder.token, f"another hold: {hold}")
    expect(boot_time() < started + GRACE, "that was too late to show anything")
    busy = stage.run("exec", server, "-n", "--ttl", "2s", "elsewhere", "--", "true", status=75)
    expect("start" in busy.err, f"it is not told why: {busy.err}")
    after = stage.worker("after", "leave", "unwitnessed")
    late = stage.start("exec", server, "--ttl", "2s", "elsewhere", "--", *after.argv)
    late.ended(0)
    expect(after.entered() >= started + GRACE - 0.2, f"granted {after.entered() - started:.2f} s after the start")
    expect(after.token > before.token, "the token did not grow")
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
    tell(nothing_is_granted_for_a_while, who_was_away_has_lost)
