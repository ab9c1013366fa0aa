# SPDX-License-Identifier: Apache-2.0
"""Asks a real server everything that openapi.json describes, well and badly, and holds each answer against the schema
that it names for it. Run by openapi_test.sh."""

import json
import re
import uuid

from json_schema import Flaw, Schemas
from server_play import EventStream, Server, write_tokens

failures = []
checks = 0


def expect(true, what):
    global checks
    checks += 1
    if not true:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


class Api:
    """The document, and what was seen of it."""

    def __init__(self, document):
        self.document = document
        self.schemas = Schemas(document)
        self.seen = set()   # (method, path, status as the document has it)
        self.codes = set()  # of errors

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def check(self, method, path, reply, status):
        """`reply` came from that operation, and was to have this status."""
        what = f"{method} {path}: {reply.status} {reply.body[:300]!r}"
        expect(reply.status == status, f"{what} and not {status}")
        expect(reply.header("cache-control") == "no-store", f"{what}: it may be cached")
        responses = self.document["paths"][path][method.lower()]["responses"]
        key = str(reply.status) if str(reply.status) in responses else "default"
        self.seen.add((method, path, key))
        described = self.schemas.resolve(responses[key])
        self.check_body(reply, described, what)
        for name, header in described.get("headers", {}).items():
            expect(reply.header(name) is not None, f"{what}: the header {name} is missing")
            if header["schema"].get("enum"):
                expect(reply.header(name) in header["schema"]["enum"], f"{what}: {name}: {reply.header(name)}")
        return reply

    def check_body(self, reply, described, what):
        content = (reply.header("content-type") or "").split(";")[0]
        expect(content in described["content"], f"{what}: {content} is not described")
        if content not in described["content"]:
            return
        schema = described["content"][content]["schema"]
        try:
            value = json.loads(reply.body) if content == "application/json" else reply.body.decode()
            self.schemas.check(value, schema, exact=True)
        except (Flaw, ValueError) as flaw:
            expect(False, f"{what}: {flaw}")
            return
        if reply.status >= 400:
            self.codes.add(value["error"]["code"])


def new_id():
    return str(uuid.uuid4())


def check_document(api):
    """Its own examples, and that it describes each operation in the same way."""
    names = [operation["operationId"] for _, _, operation in api.operations()]
    expect(len(names) == len(set(names)), "an operationId is there twice")
    for name, schema in api.document["components"]["schemas"].items():
        if "example" in schema:
            try:
                api.schemas.check(schema["example"], schema)
            except Flaw as flaw:
                expect(False, f"the example of {name}: {flaw}")
    for name, response in api.document["components"]["responses"].items():
        content = response["content"]["application/json"]
        try:
            api.schemas.check(content["example"], content["schema"])
        except Flaw as flaw:
            expect(False, f"the example of {name}: {flaw}")


def refs(thing):
    if isinstance(thing, dict):
        if "$ref" in thing:
            yield thing["$ref"]
        for value in thing.values():
            yield from refs(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from refs(value)


def check_all_parts_are_used(api):
    used = set(refs(api.document))
    for kind in ("schemas", "responses"):
        for name in api.document["components"][kind]:
            expect(f"#/components/{kind}/{name}" in used or name == "Event", f"nothing refers to {kind}/{name}")


def check_paths(api, server):
    """What the server says is there, and what the document says, are the same."""
    reply = server.ask("GET", "/nothing/here")
    expect(reply.status == 404, f"404: {reply.status}")
    api.check("GET", "/", server.ask("GET", "/v1/nothing"), 404)
    api.check_body(reply, api.document["components"]["responses"]["Other"], "404")
    described = {f"{method} {path}" for method, path, _ in api.operations()}
    told = set(reply.json()["error"]["paths"])
    expect(told == described, f"only the server tells of {told - described}, only the document of {described - told}")
    for path, item in api.document["paths"].items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - {m.upper() for m in item}:
            described_method = next(iter(item)).upper()
            reply = server.ask(method, path)
            api.check(described_method, path, reply, 405)
            expect(set((reply.header("allow") or "").replace(" ", "").split(",")) - {"HEAD"} == {m.upper() for m in item},
                   f"{method} {path}: Allow: {reply.header('allow')}")
    api.check("GET", "/v1/", server.ask("GET", "/team/a/v1/"), 200)


def check_holding(api, server):
    def post(path, body, status=200):
        return api.check("POST", path, server.ask("POST", path, body), status).json()

    name = "deploy"
    example = api.document["components"]["schemas"]["AcquireRequest"]["example"]
    granted = post("/v1/acquire", example)
    expect(granted["outcome"] == "granted", f"not granted: {granted}")
    again = post("/v1/acquire", example)
    expect(again["handle"] == granted["handle"], "the same request id got another hold")
    handle = granted["handle"]
    held = post("/v1/acquire", {"name": name, "request_id": new_id()})
    expect(held["outcome"] == "wait" and held["keep_ms"] == 0, f"a try that failed: {held}")
    queued = post("/v1/acquire", {"name": name, "request_id": new_id(), "acquirer_id": "a", "wait_ms": 1, "mode": "shared",
                                  "ttl_ms": None, "value": None, "holder": None, "pass_queue": None})
    expect(queued["outcome"] == "wait" and queued["keep_ms"] > 0, f"a place in the queue: {queued}")
    seen = api.check("GET", "/v1/locks", server.ask("GET", "/v1/locks?name=deploy&name=free"), 200).json()["locks"]
    expect([lock["state"] for lock in seen] == ["held", "free"], f"the list by names: {seen}")
    expect(seen[0]["holders"][0]["reason"] == "nightly" and len(seen[0]["waiters"]) == 1, f"holder and waiter: {seen}")
    expect(handle not in json.dumps(seen), "the list has a handle in it")
    api.check("GET", "/v1/locks", server.ask("GET", "/v1/locks"), 200)
    api.check("GET", "/v1/locks", server.ask("GET", "/v1/locks?prefix=de"), 200)
    post("/v1/leave", {"name": name, "acquirer_id": "a"})
    expect(post("/v1/leave", {"name": name, "acquirer_id": "a"})["outcome"] == "not_queued", "left twice")
    post("/v1/renew", {"name": name, "handle": handle, "ttl_ms": 20000})
    post("/v1/value", {"name": name, "handle": handle, "value": "two\nlines"})
    body = {"name": name, "handle": handle, "request_id": new_id()}
    post("/v1/release", body)
    post("/v1/release", body)
    for path, more in (("/v1/renew", {}), ("/v1/value", {"value": "x"}), ("/v1/release", {"request_id": new_id()})):
        post(path, {"name": name, "handle": handle, **more}, 410)
    post("/v1/acquire", {"name": name, "request_id": new_id(), "mode": "shared"})
    post("/v1/acquire", {"name": name, "request_id": new_id(), "mode": "shared"})
    broken = post("/v1/break", {"name": name})["broken"]
    expect(len(broken) == 2, f"broken: {broken}")
    post("/v1/break", {"name": name, "id": "0123456789"}, server.ask("POST", "/v1/break", {"name": name, "id": "0123456789"}).status)


def check_go(api, server):
    def post(path, body, status=200):
        return api.check("POST", path, server.ask("POST", path, body), status).json()

    granted = post("/acquire", {"lockName": "go", "opts": {"shared": False, "acquirerId": "a"}})
    expect(granted["err"] == "" and granted["lockHandle"]["lockName"] == "go", f"{granted}")
    expect(post("/acquire", {"lockName": "go", "opts": None})["err"] == "should wait", "granted twice")
    body = {"lockHandle": granted["lockHandle"]}
    expect(post("/renew-lease", body)["err"] == "", "not renewed")
    expect(post("/release", body)["err"] == "", "not released")
    for path in ("/release", "/renew-lease"):
        expect(post(path, body)["err"] == "no existing lock lease found", f"{path}: it should be gone")
        post(path, {"lockHandle": {"uuid": "x", "lockName": ""}}, 422)


def check_bad_bodies(api, server):
    """Bodies that each route that takes one has to refuse."""
    for method, path, operation in api.operations():
        if "requestBody" not in operation:
            continue
        schema = api.schemas.resolve(operation["requestBody"]["content"]["application/json"]["schema"])
        example = schema["example"]

        def refused(body, status, code, path=path):
            reply = api.check("POST", path, server.ask("POST", path, body), status)
            if reply.status == status:
                expect(reply.json()["error"]["code"] == code, f"{path} {body!r:.80}: {reply.body!r}")
            return reply

        reply = refused(b'{"name": ', 400, "bad_json")
        expect(isinstance(reply.json()["error"].get("offset"), int), f"{path}: no offset: {reply.body!r}")
        for body in (b"", b"[]", b'{"a":1,"a":2}', b'{} x', b'{"a":' + b"[" * 17 + b"]" * 17 + b"}", b'{"a":"\xff"}'):
            refused(body, 400, "bad_json")
        refused(b" " * (1 << 22), 413, "too_large")
        for member in schema["required"]:
            for body in ({k: v for k, v in example.items() if k != member}, {**example, member: None}, {**example, member: 7}):
                reply = refused(body, 422, "bad_value")
                expect(reply.json()["error"].get("member") == member, f"{path}: {member} in {body}: {reply.body!r}")
        for member, value in bad_values(api, schema):
            reply = refused({**example, member: value}, 422, "bad_value")
            expect(reply.json()["error"].get("member") == member, f"{path}: {member}={value!r:.40}: {reply.body!r}")


def bad_values(api, schema):
    """For each bound that the schema of a body names: what is just outside."""
    for member, described in schema["properties"].items():
        described = api.schemas.resolve(described)
        if "minimum" in described:
            yield member, described["minimum"] - 1
        if "maximum" in described:
            yield member, described["maximum"] + 1
        if "enum" in described:
            yield member, "neither"
        if "maxLength" in described:
            yield member, "x" * (described["maxLength"] + 1)
        if described.get("minLength") == 1 and not described.get("nullable"):
            yield member, ""
        if "pattern" in described and member == "name":
            yield member, "a\nb"


def check_bad_queries(api, server):
    for path in ("/v1/locks", "/v1/events"):
        api.check("GET", path, server.ask("GET", f"{path}?name=a%0Ab"), 400)
        api.check("GET", path, server.ask("GET", f"{path}?name="), 422)
    reply = server.ask("GET", "/v1/locks?prefix=" + "x" * 9000)
    api.check("GET", "/v1/locks", reply, 414)
    api.check("GET", "/v1/locks", server.ask("GET", "/v1/locks", headers={"X-Long": "x" * 40000}), 431)
    api.check("POST", "/v1/acquire", server.ask("POST", "/v1/acquire", {
        "name": "a", "request_id": new_id(), "wait_ms": 10}), 422)
    for path in ("/v1/locks", "/v1/events", "/metrics"):
        api.check("GET", path, server.ask("GET", path, headers={"Origin": "http://evil.example"}), 403)


def check_free_ones(api, server):
    for path in ("/v1/", "/v1/openapi.json", "/healthz", "/readyz", "/metrics", "/"):
        api.check("GET", path, server.ask("GET", path), 200)
    policy = server.ask("GET", "/").header("content-security-policy") or ""
    for part in ("default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "base-uri 'none'",
                 "form-action 'none'", "frame-ancestors 'none'"):
        expect(part in policy, f"the page's policy lacks {part}: {policy}")
    expect("unsafe" not in policy, f"the page's policy: {policy}")


def check_events(api, server):
    schema = api.document["components"]["schemas"]["Event"]
    kinds = set()

    def event(stream, wanted):
        message = stream.next()
        kinds.add(message["event"])
        expect(message["event"] == wanted, f"the event {message} and not {wanted}")
        expect(message.get("id", "").isdigit(), f"an event without a number: {message}")
        try:
            data = json.loads(message["data"])
            if wanted != "ready":
                api.schemas.check(data, schema)
                expect(data["event"] == wanted, f"event and data differ: {message}")
            return data
        except (Flaw, ValueError) as flaw:
            expect(False, f"the event {message}: {flaw}")
            return {}

    stream = EventStream(server, "?name=e%2F1")
    expect(stream.reply.status == 200 and stream.reply.getheader("Content-Type").startswith("text/event-stream"), "no stream")
    expect(stream.reply.getheader("Cache-Control") == "no-store", "the stream may be cached")
    expect(event(stream, "state").get("holder") is None, "a free lock has a holder")
    event(stream, "ready")
    handle = server.acquire("e/1", value="one", ttl_ms=2000, holder={"host": "h", "pid": 1, "user": "u"})["handle"]
    expect(event(stream, "acquired").get("value") == "one", "the value is not told")
    server.ask("POST", "/v1/value", {"name": "e/1", "handle": handle, "value": "two"})
    event(stream, "value")
    server.acquire("e/1", acquirer_id="w", wait_ms=1)
    event(stream, "waiting")
    server.ask("POST", "/v1/leave", {"name": "e/1", "acquirer_id": "w"})
    server.release("e/1", handle)
    event(stream, "released")
    server.acquire("e/1")
    event(stream, "acquired")
    server.ask("POST", "/v1/break", {"name": "e/1"})
    event(stream, "broken")
    server.acquire("e/1", ttl_ms=2000)
    event(stream, "acquired")
    event(stream, "expired")
    stream.close()
    expect(kinds == set(schema["properties"]["event"]["enum"]) | {"ready"}, f"not all kinds came: {kinds}")
    api.seen.add(("GET", "/v1/events", "200"))


def check_tokens(api):
    tokens = write_tokens("tokens", ("r" * 40, "reader", "read", "*"), ("l" * 40, "locker", "lock", "ci-"), ("a" * 40, "ops", "admin", "*"))
    reader, locker, admin = "r" * 40, "l" * 40, "a" * 40
    with Server("--tokens", tokens) as server:
        for method, path, operation in api.operations():
            body = {} if method == "POST" else None
            status = 200 if operation.get("security") == [] else 401
            api.check(method, path, server.ask(method, path, body), status)
        # What is wrong and what is missing are told in the same way. (More than a few wrong ones a second are held off.)
        missing = server.ask("GET", "/v1/locks")
        wrong = server.ask("GET", "/v1/locks", token="x" * 40)
        expect((missing.status, missing.body) == (wrong.status, wrong.body), f"{missing.body!r} and {wrong.body!r}")
        limited = [server.ask("GET", "/v1/locks", token="x" * 40) for _ in range(12)][-1]
        api.check("GET", "/v1/locks", limited, 429)
        granted = server.acquire("ci-1", locker)
        expect(granted["outcome"] == "granted", f"the locker did not get its lock: {granted}")
        for method, path, token, body in (
                ("POST", "/v1/acquire", reader, {"name": "ci-1", "request_id": new_id()}),
                ("POST", "/v1/acquire", locker, {"name": "prod", "request_id": new_id()}),
                ("POST", "/v1/renew", reader, {"name": "ci-1", "handle": granted["handle"]}),
                ("POST", "/v1/release", reader, {"name": "ci-1", "handle": granted["handle"], "request_id": new_id()}),
                ("POST", "/v1/leave", reader, {"name": "ci-1", "acquirer_id": "x"}),
                ("POST", "/v1/value", reader, {"name": "ci-1", "handle": granted["handle"]}),
                ("POST", "/v1/break", locker, {"name": "ci-1"}),
                ("POST", "/acquire", reader, {"lockName": "ci-1"}),
                ("POST", "/renew-lease", reader, {"lockHandle": {"uuid": "x", "lockName": "ci-1"}}),
                ("POST", "/release", reader, {"lockHandle": {"uuid": "x", "lockName": "ci-1"}}),
                ("GET", "/v1/locks?name=prod", locker, None),
                ("GET", "/v1/events?name=prod", locker, None)):
            api.check(method, path.partition("?")[0], server.ask(method, path, body, token), 403)
        api.check("POST", "/v1/renew", server.ask("POST", "/v1/renew", {"name": "ci-1", "handle": granted["handle"]}, admin), 410)
        for path in ("/v1/", "/v1/locks", "/metrics"):
            api.check("GET", path, server.ask("GET", path, token=reader), 200)
        caller = server.ask("GET", "/v1/", token=admin).json().get("caller")
        expect(caller == {"name": "ops", "role": "admin"}, f"whose token it is: {caller}")
        expect("caller" not in server.ask("GET", "/v1/").json(), "a caller without a token")
        api.check("POST", "/v1/break", server.ask("POST", "/v1/break", {"name": "ci-1"}, admin), 200)
        expect(server.stop(), "the server did not end well")


def check_limits(api):
    with Server("--max-locks", "1") as server:
        server.acquire("one")
        api.check("POST", "/v1/acquire", server.ask("POST", "/v1/acquire", {"name": "two", "request_id": new_id()}), 429)
        expect(server.ask("POST", "/acquire", {"lockName": "two"}).json()["err"] == "should wait", "a limit is no `should wait`")


def check_grace(api):
    with Server("--max-ttl", "1h", grace=True) as server:
        reply = api.check("GET", "/readyz", server.ask("GET", "/readyz"), 503)
        error = reply.json()["error"]
        expect(error["code"] == "restart_grace" and re.search(r"grants nothing for (1h00m|59m\d\ds)", error["message"]), f"it says {error}")
        expect(3500 < int(reply.header("Retry-After")) <= 3600, f"Retry-After: {reply.header('Retry-After')}")
        metrics = api.check("GET", "/metrics", server.ask("GET", "/metrics"), 200)
        expect(b"\nlockgate_ready 0\n" in metrics.body, "it grants, by its metrics")
        api.check("GET", "/healthz", server.ask("GET", "/healthz"), 200)


def check_nothing_is_left(api):
    """Each answer of an operation that can be had on purpose was had; the others are named here, with the reason."""
    hard = {"503": "a server that stops", "507": "a full disk", "429": "checked on one of them"}
    for method, path, operation in api.operations():
        for status in operation["responses"]:
            if status not in hard and (method, path, status) not in api.seen:
                expect(False, f"{method} {path}: the answer {status} was never seen")
    codes = set(api.document["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"])
    rest = codes - api.codes
    expect(rest <= {"too_slow", "internal", "stopping", "too_many_connections", "not_durable"},
           f"errors that were never seen: {rest}")


def main():
    with Server() as server:
        api = Api(json.loads(server.ask("GET", "/v1/openapi.json").body))
        check_document(api)
        check_all_parts_are_used(api)
        check_paths(api, server)
        check_free_ones(api, server)
        check_holding(api, server)
        check_go(api, server)
        check_bad_bodies(api, server)
        check_bad_queries(api, server)
        check_events(api, server)
    check_tokens(api)
    check_limits(api)
    check_grace(api)
    check_nothing_is_left(api)
    print(f"- {checks} checks of {len(list(api.operations()))} operations, {len(failures)} failed")
    raise SystemExit(1 if failures else 0)


main()
