"""The page's HTTP server, for one browser on this machine. It answers GET only, to whom has the
token that the command printed, under its own name only, and nothing from elsewhere is ever loaded.
"""

from __future__ import annotations

import json
import secrets
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from cli.exit_codes import CommandError, UnreachableError
from contract.quoted import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cli.dashboard.reading import ClusterReader
    from workqueue.clock import Clock

Json = dict[str, Any]
LOOPBACK = "127.0.0.1"
TOKEN, CODE = "X-Lastgood-Token", "X-Lastgood-Code"
SHORTEST_S = 2.0
"""A reading of the cluster serves all pages for this long."""
DUTY = 10
"""A reading that took long serves for this many times as long, so that at most a tenth of the time
is spent with reading.
"""
_KEPT = 64
"""Readings, one for each thing that pages look at."""
_IDLE_S = 10.0
"""A client that sends nothing for so long is cut off."""
_MOST_CLIENTS = 64
_FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Readings:
    """What a ClusterReader finds, one reading at a time, each for a while. Safe across threads."""

    def __init__(self, reader: ClusterReader, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, tuple[str, ...]], tuple[float, HTTPStatus, Json]] = {}
        """With until when, monotonic, it is used."""
        self._reads: dict[str, tuple[tuple[str, ...], Callable[..., Json]]] = {
            "/data/fleet": ((), reader.fleet),
            "/data/snapshot": (("namespace", "name"), reader.snapshot),
            "/data/pods": (("namespace",), reader.pods),
            "/data/pod": (("namespace", "name"), reader.pod),
        }

    def of(self, path: str, query: Mapping[str, str]) -> tuple[HTTPStatus, Json]:
        """The answer to a request of the page. What the cluster refuses is a sentence."""
        if path not in self._reads:
            return HTTPStatus.NOT_FOUND, _error("missing", "there is no such page")
        names, read = self._reads[path]
        if set(query) != set(names) or not all(query.values()):
            return HTTPStatus.BAD_REQUEST, _error("refused", f"{path} needs {', '.join(names)}")
        key = path, tuple(query[name] for name in names)
        with self._lock:
            known = self._known.pop(key, None)
            began = self._clock.monotonic()
            if known is None or known[0] <= began:
                status, found = _read(read, key[1])
                lasts_s = max(SHORTEST_S, DUTY * (self._clock.monotonic() - began))
                found["lasts_s"] = lasts_s
                known = self._clock.monotonic() + lasts_s, status, found
            self._known[key] = known
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
        return known[1], known[2]

    def end(self) -> None:
        """Waits until nothing is read, and lets nothing be read again."""
        self._lock.acquire()


class PageServer(ThreadingHTTPServer):
    """Listens on 127.0.0.1. OSError: the port is taken."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, readings: Readings) -> None:
        """`port` 0: any that is free."""
        self.readings = readings
        self.token = secrets.token_urlsafe(24)
        self._code: str | None = secrets.token_urlsafe(24)
        self._places = threading.BoundedSemaphore(_MOST_CLIENTS)
        self.files = {
            f"/{file.name}": (_TYPES[file.suffix], file.read_bytes())
            for file in _FOLDER.iterdir()
            if file.suffix in _TYPES
        }
        super().__init__((LOOPBACK, port), _PageHandler)

    def server_bind(self) -> None:
        """Without the base class's look-up of our name, which may ask a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """For people. What follows the # is sent to nobody."""
        return f"http://{LOOPBACK}:{self.server_port}/#token={self.token}"

    @property
    def once(self) -> str:
        """For a browser's arguments, which others on this machine can read: it works once."""
        return f"http://{LOOPBACK}:{self.server_port}/#code={self._code}"

    @property
    def names(self) -> frozenset[str]:
        """Hosts that we answer to. Any other one is a page that renamed itself to us."""
        return frozenset(f"{host}:{self.server_port}" for host in (LOOPBACK, "localhost"))

    def exchanged(self, code: str) -> str | None:
        """The token for the code that works once; None: it is another one, or was used."""
        if self._code is None or not _same(code, self._code):
            return None
        self._code = None
        return self.token

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """One more client, if there is a place."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """Its place is free afterwards."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's
        """A browser that went away is nobody's fault."""


class _PageHandler(BaseHTTPRequestHandler):
    server: PageServer  # type: ignore[mutable-override]  # only PageServer makes one
    timeout = _IDLE_S  # type: ignore[mutable-override]  # nobody sets it
    server_version, sys_version = "lastgood", ""

    def do_GET(self) -> None:
        if not self._is_own():
            self._text(HTTPStatus.FORBIDDEN, "open the address that lastgood dashboard printed")
            return
        url = urlsplit(self.path)
        name = "/index.html" if url.path == "/" else url.path
        if name in self.server.files:
            self._send(HTTPStatus.OK, *self.server.files[name])
        elif url.path == "/session":
            token = self.server.exchanged(self.headers.get(CODE, ""))
            self._json(HTTPStatus.OK, {"token": token})
        elif not _same(self.headers.get(TOKEN, ""), self.server.token):
            message = "open the address that lastgood dashboard printed"
            self._json(HTTPStatus.UNAUTHORIZED, _error("token", message))
        else:
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            self._json(*self.server.readings.of(url.path, query))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Without a word of the request. The base class knows no method that we do not have."""
        del message, explain
        known = HTTPStatus(code)
        status = HTTPStatus.METHOD_NOT_ALLOWED if known == HTTPStatus.NOT_IMPLEMENTED else known
        self._text(status, status.phrase)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """A terminal that shows each request would show nothing else."""

    def _is_own(self) -> bool:
        """Whether it comes from our own page, or from the address bar."""
        hosts = self.headers.get_all("Host") or []
        origin = self.headers.get("Origin")
        ours = {f"http://{name}" for name in self.server.names}
        return (
            len(hosts) == 1
            and hosts[0].lower() in self.server.names
            and (origin is None or origin in ours)
            and self.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}
        )

    def _json(self, status: HTTPStatus, document: Json) -> None:
        self._send(status, "application/json", json.dumps(_shown(document)).encode())

    def _text(self, status: HTTPStatus, text: str) -> None:
        self._send(status, "text/plain", f"{text}\n".encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
        for name, value in {**headers, **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _read(read: Callable[..., Json], words: tuple[str, ...]) -> tuple[HTTPStatus, Json]:
    try:
        return HTTPStatus.OK, dict(read(*words))
    except UnreachableError as error:
        return HTTPStatus.SERVICE_UNAVAILABLE, _error("unreachable", str(error))
    except CommandError as error:
        return HTTPStatus.FORBIDDEN, _error("refused", str(error))


def _error(kind: str, message: str) -> Json:
    return {"error": {"kind": kind, "message": message}}


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def _shown(found: Any) -> Any:  # noqa: ANN401 - JSON
    """The same, with nothing in its texts that turns a line around or can't be seen."""
    if isinstance(found, str):
        return printable(found)
    if isinstance(found, dict):
        return {key: _shown(value) for key, value in found.items()}
    return [_shown(item) for item in found] if isinstance(found, list | tuple) else found
