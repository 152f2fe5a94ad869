"""A server whose every answer a test decides, in this process but over real HTTP. It has lists with
pages, and watches.

It stays beside the stand-in (`apiserver/`), which answers as a real API server does and can only
refuse, delay, drop or lose an answer. Here a test sends what no API server sends: bytes that are no
JSON, half a line of a watch, events of its own order, values in a refusal, a policy's denials. What
a real server does belongs into the table of `tests/apiserver`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

Json = dict[str, Any]


class Watch:
    """One watch that a client holds."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self.query = dict(request.query)
        self._request = request
        self._response = response
        self.ended = asyncio.Event()

    async def send(self, kind: str, content: Json) -> None:
        """One event."""
        await self.raw(json.dumps({"type": kind, "object": content}).encode() + b"\n")

    async def raw(self, content: bytes) -> None:
        """Bytes, as they are."""
        await self._response.write(content)

    def end(self) -> None:
        """As a server does when the time is over."""
        self.ended.set()

    def reset(self) -> None:
        """Without a goodbye: the stream breaks off."""
        transport = self._request.transport
        assert transport is not None
        transport.abort()
        self.ended.set()


class Server:
    """`faults` are taken one per request, before anything else; None lets a request pass."""

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[tuple[str, str], Json] = {}
        self.faults: deque[Fault | None] = deque()
        self.instead: Fault | None = None
        """Answers everything, when it is set."""
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.watches: list[Watch] = []
        self.came = asyncio.Event()
        """Set when a watch has begun; clear it before you wait."""
        self.url = ""

    def put(self, name: str, namespace: str = "a", **content: Any) -> Json:  # noqa: ANN401 - JSON
        """An object, of a new version, without telling the watches."""
        self.version += 1
        metadata = {"namespace": namespace, "name": name, "resourceVersion": str(self.version)}
        self.objects[namespace, name] = {"metadata": metadata, **content}
        return self.objects[namespace, name]

    async def change(self, name: str, namespace: str = "a", **content: Any) -> None:  # noqa: ANN401
        """An object, and every watch is told."""
        new = (namespace, name) not in self.objects
        await self.tell("ADDED" if new else "MODIFIED", self.put(name, namespace, **content))

    async def remove(self, name: str, namespace: str = "a") -> None:
        """And every watch is told."""
        self.version += 1
        gone = self.objects.pop((namespace, name))
        gone["metadata"]["resourceVersion"] = str(self.version)
        await self.tell("DELETED", gone)

    async def bookmark(self) -> None:
        """Of a new version."""
        self.version += 1
        await self.tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    async def tell(self, kind: str, content: Json) -> None:
        """Every watch that is open."""
        for watch in self.watches:
            if not watch.ended.is_set():
                await watch.send(kind, content)

    async def watched(self) -> Watch:
        """The next watch, or the one that is open now."""
        await asyncio.wait_for(self.came.wait(), 10)
        self.came.clear()
        return self.watches[-1]

    def lists(self) -> list[web.Request]:
        """The lists so far, each page counted."""
        return [request for request in self.requests if "watch" not in request.query]

    def configuration(self) -> Configuration:
        """How to reach it."""
        configuration = Configuration()
        configuration.host = self.url
        return configuration

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The one route."""
        self.requests.append(request)
        self.bodies.append(await request.read())
        fault = self.faults.popleft() if self.faults else self.instead
        if fault is not None:
            return await fault(request)
        if request.method != "GET":
            return web.json_response({"kind": "Any"})
        return await self._watch(request) if "watch" in request.query else self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "0")) or len(self.objects) or 1
        every = [self.objects[key] for key in sorted(self.objects)]
        metadata = {"resourceVersion": str(self.version)}
        if start + limit < len(every):
            metadata["continue"] = str(start + limit)
        return web.json_response({"metadata": metadata, "items": every[start : start + limit]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        watch = Watch(request, response)
        self.watches.append(watch)
        self.came.set()
        await watch.ended.wait()
        return response


def refuse(status: int, reason: str, message: str = "", **headers: str) -> Fault:
    """A fault: a `Status` with this code."""

    async def fault(_: web.Request) -> web.StreamResponse:
        body = {"kind": "Status", "code": status, "reason": reason, "message": message}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return fault


def say(content: bytes, status: int = 200) -> Fault:
    """A fault: these bytes as the answer."""

    async def fault(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, status=status, content_type="application/json")

    return fault


async def hang_up(request: web.Request) -> web.StreamResponse:
    """A fault: the connection is reset instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def never(_: web.Request) -> web.StreamResponse:
    """A fault: no answer."""
    await asyncio.sleep(60)
    return web.Response()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """On a free port of loopback."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        for watch in server.watches:
            watch.end()
        await runner.cleanup()
