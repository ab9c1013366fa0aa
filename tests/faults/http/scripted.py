# SPDX-License-Identifier: Apache-2.0
"""A server that answers what a story wants, good or bad: for clients that must survive it."""

import contextlib
import http.server
import json
import threading

HANDLE = "3f0d2c9e-5a3b-4f86-9a07-2f6f1f3f8f10"
TOKEN = 1760000000000000


def reply(status, body, kind="application/json", **headers):
    """The bytes of an answer; `body` may be JSON to be."""
    text = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    fields = {"Content-Type": kind, "Content-Length": str(len(text)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + text


def good(path, body):
    """As a lock server would on which all goes well."""
    answers = {
        "/v1/acquire": {"outcome": "granted", "handle": HANDLE, "id": "5f0c3a91de", "fencing_token": TOKEN,
                        "ttl_ms": body.get("ttl_ms", 15000), "waited": False},
        "/v1/renew": {"ttl_ms": body.get("ttl_ms", 2000), "fencing_token": TOKEN},
        "/v1/release": {"outcome": "released"},
        "/v1/leave": {"outcome": "left"},
        "/v1/": {"service": "lockgate", "version": "0.1.0", "api": 1},
        "/v1/locks": {"backend": {"kind": "http", "target": "x"}, "locks": []},
    }
    found = answers.get(path.split("?")[0])
    return reply(200, found) if found else reply(404, {"error": {"code": "not_found", "message": "?"}})


def failure(status, **headers):
    return reply(status, {"error": {"code": "x", "message": "made up"}}, **headers)


class Scripted:
    """script(nth, path, body): bytes, or a function that writes to the connection itself. `nth` counts for each path."""

    def __init__(self, script):
        self.seen = []  # (path, body)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name  # the library's
                size = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(size)
                body = json.loads(text) if text else {}
                nth = outer.count(self.path)
                outer.seen.append((self.path, body))
                answer = script(nth, self.path, body)
                with contextlib.suppress(OSError):
                    if callable(answer):
                        self.close_connection = True
                        answer(self.wfile.write)
                    else:
                        self.wfile.write(answer)

            do_GET = do_POST  # pylint: disable=invalid-name

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # clients hang up here
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self, path):
        return sum(1 for seen, _ in self.seen if seen == path)

    def bodies(self, path):
        return [body for seen, body in self.seen if seen == path]

