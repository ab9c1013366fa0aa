# SPDX-License-Identifier: Apache-2.0
"""Tokens and handles are told to nobody who does not have them, however much is asked for and whatever goes wrong."""

import hashlib
import os

from scripted import Scripted, failure, reply
from story import expect, tell, until

TOKEN = "canary-token-" + "k" * 40
LOUD = ("-vv",)


def command_lines():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    yield file.read()
            except OSError:
                pass


def everything_said(stage):
    return "".join(process.err + process.out for process in stage.processes)


def serve(stage):
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens = stage.write("tokens", f"{digest} ci admin *\n")
    return stage.serve("-vv", "--tokens", tokens), stage.write("token", TOKEN + "\n")


def all_goes_well(stage):
    """taken, waited for, watched, listed, renewed, broken, and kept by a keeper: no token, and no handle but for its
    owner"""
    server, file = serve(stage)
    known = ("--token-file", file)
    env = {"LOCKGATE_DEBUG": "1"}
    watcher = stage.start("watch", server, *known, *LOUD, "--json", env=env)
    worker, other = stage.worker("worker"), stage.worker("other", "leave")
    holder = stage.hold(server, worker, *known, *LOUD, env=env)
    waiter = stage.start("exec", server, *known, *LOUD, "job", "--", *other.argv, env=env)
    waiter.says("waiting for")
    handles = [worker.find("enter")[4]]
    kept = stage.run("acquire", server, *known, *LOUD, "kept", status=0, env=env).out.strip()
    for words in (["status", "job"], ["status", "--json"], ["doctor"], ["get", "job"]):
        stage.run(words[0], server, *known, *LOUD, *words[1:], env=env)
    told = "".join(str(server.ask("GET", path, token=TOKEN)) for path in ("/", "/v1/", "/v1/locks", "/metrics", "/v1/openapi.json"))
    expect(TOKEN.encode() not in b"".join(command_lines()), "a token is in a command line")
    stage.run("release", server, *known, *LOUD, "--force", "--yes", "job", env=env)
    holder.ended(76)
    waiter.ended(0)
    until(lambda: other.find("enter"), "the next was in")
    handles.append(other.find("enter")[4])
    until(lambda: watcher.out.count('"acquired"') >= 1 or '"event":"acquired"' in watcher.out, "the watcher has heard")
    stage.run("release", server, *known, *LOUD, "kept", kept, env=env)
    said = everything_said(stage) + told
    expect("canary-" not in said, "a token was told")
    for handle in handles:
        expect(len(handle) == 36 and handle not in said, f"a handle was told: {handle}")
    expect((everything_said(stage) + told).count(kept) <= 1, "a keeper's handle was told to others than who asked for it")
    for folder, _, files in os.walk(stage.path):
        for name in files:
            path = os.path.join(folder, name)
            if path != file and os.path.isfile(path):
                with open(path, "rb") as kept_file:
                    expect(b"canary-" not in kept_file.read(), f"a token is in {path}")


def all_goes_wrong(stage):
    """refused, redirected, cut off, and met with nonsense: the messages have no token in them, and no other host gets
    it"""
    file = stage.write("token", TOKEN + "\n")
    stranger = Scripted(lambda _nth, _path, _body: failure(500))
    echo = reply(401, {"error": {"code": "unauthorized", "message": "no", "hint": "no"}})
    answers = [echo, failure(403), reply(302, "", Location=stranger.url + "/v1/acquire"), reply(307, "", Location=stranger.url),
               failure(503), reply(200, "<html>", "text/html"), lambda write: None]
    for answer in answers:
        server = Scripted(lambda _nth, _path, _body, answer=answer: answer)
        client = stage.run("exec", server, *LOUD, "--token-file", file, "-w", "1s", "job", "--", "touch", "ran", env={"LOCKGATE_DEBUG": "1"})
        expect(client.ended() in (65, 69, 77), f"{client.ended()}: {client.err}")
    expect(not stranger.seen, f"another host was asked: {stranger.seen}")
    client = stage.run("exec", "http://locks.example.com:1", *LOUD, "--token-file", file, "-n", "job", "--", "true")
    expect(client.ended() != 0, "a token was to go to another host in the clear")
    expect("canary-" not in everything_said(stage), "a token was told")
    expect(not os.path.exists(os.path.join(stage.path, "ran")), "it ran")


def in_a_url(stage):
    """a password in a URL is refused, and not repeated"""
    client = stage.process("exec", *LOUD, "-b", "http://ci:canary-password@127.0.0.1:1", "job", "--", "true")
    client.ended((64, 78))
    expect("canary-" not in client.err, client.err)


def a_new_token(stage):
    """a new token is told on standard output, and its file has its digest alone"""
    tokens = os.path.join(stage.path, "new-tokens")
    made = stage.process("serve", "--new-token", "--name", "ci", "--tokens", tokens, "-vv")
    made.ended(0)
    token = made.out.strip()
    expect(len(token) >= 40 and token not in made.err, made.err)
    with open(tokens, encoding="ascii") as file:
        text = file.read()
    expect(token not in text and hashlib.sha256(token.encode()).hexdigest() in text, text)
    expect(os.stat(tokens).st_mode & 0o077 == 0, "others can read it")


if __name__ == "__main__":
    tell(all_goes_well, all_goes_wrong, in_a_url, a_new_token)
