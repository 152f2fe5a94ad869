"""A server that says what a test tells it, where Vault would answer."""

from __future__ import annotations

import http.server
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

LOOKED_UP = {"data": {"ttl": 3600}}
MOUNT = {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}
CREATED = "2026-11-26T05:42:01.461812958Z"


def value(number: int = 1, created: str = CREATED, **members: object) -> dict[str, Any]:
    """The answer of KV version 2."""
    metadata = {"created_time": created, "deletion_time": "", "destroyed": False}
    data = {"data": members or {"a": "b"}, "metadata": metadata | {"version": number}}
    return {"data": data, "lease_id": "", "wrap_info": None, "warnings": None, "auth": None}


@dataclass
class Script:
    """Answers by the start of the path after /v1/: the longest that fits."""

    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers and body of each request."""
    address: str = ""

    def say(
        self, path: str, body: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer with bytes, or with anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (status, raw, headers or {})

    def found(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """The answer to a path."""
        fit = [start for start in self.answers if path.startswith(start)]
        return self.answers[max(fit, key=len)] if fit else (404, b'{"errors":[]}', {})


@contextmanager
def scripted(context: ssl.SSLContext | None = None) -> Iterator[Script]:
    """A Script on a free port of loopback; `context`: with TLS."""
    script = Script()
    script.say("auth/token/lookup-self", LOOKED_UP)
    script.say("sys/internal/ui/mounts/secret/", MOUNT)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            path = self.path.removeprefix("/v1/")
            script.asked.append((path, dict(self.headers.items()), body))
            status, raw, headers = script.found(path)
            self.send_response_only(status)
            for name, text in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(raw)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    script.address = f"127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
