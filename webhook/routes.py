"""The HTTP routes: POST /mutate, GET /healthz, /readyz, /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Response

from serving.address_queue import AddressQueue
from webhook import telemetry
from webhook.http_protocol import VERIFIED

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive, Scope, Send

    from webhook.handler import Handler, HttpAnswer

BODY_LIMIT = 3 << 20
"""Bytes of a review that are read: as much as the API server takes for an object
(MaxRequestBodyBytes).
"""


class Lifecycle:
    """Whether the process takes requests. The one thing that changes while it serves."""

    def __init__(self) -> None:
        self.draining = False
        """True: not ready any more, and each answer ends its connection."""
        self.conditions: list[Callable[[], str | None]] = []
        """Each says why we are not ready, or None."""

    def problem(self) -> str | None:
        """Why we are not ready; None: we are."""
        if self.draining:
            return "draining"
        found = (condition() for condition in self.conditions)
        return next((problem for problem in found if problem is not None), None)


class _ClientGoneError(Exception):
    """The client closed before its body was complete. Caught by Mutate."""


class Mutate:
    """POST /mutate as plain ASGI: of a review's time FastAPI's own would be a third
    (docs/design/003).
    """

    def __init__(
        self, handler: Handler, lifecycle: Lifecycle, turns: AddressQueue, *, verified_only: bool
    ) -> None:
        self._handler = handler
        self._lifecycle = lifecycle
        self._turns = turns
        self._verified_only = verified_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _send(send, self._handler.reject(405, "write POST /mutate"), close=False)
            return
        if self._verified_only and not scope["state"].get(VERIFIED):
            message = "a client certificate with a name of LASTGOOD_WEBHOOK_CLIENT_NAMES is needed"
            await _send(send, self._handler.reject(403, message), close=True)
            return
        try:
            body = await _read(receive)
        except _ClientGoneError:
            return
        if body is None:
            message = f"a review has at most {BODY_LIMIT} bytes"
            await _send(send, self._handler.reject(413, message), close=True)
            return
        await self._turns.turn(_address(scope))
        answer = await self._handler.answer(body)
        await _send(send, answer, close=self._lifecycle.draining)


class Routes(FastAPI):
    """FastAPI's routes, and before them the one that pods wait for. The requests of one address,
    whatever they cost, let those of another one go between.
    """

    def __init__(self, mutate: Mutate, turns: AddressQueue) -> None:
        super().__init__(openapi_url=None, docs_url=None, redoc_url=None)
        self._mutate = mutate
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/mutate":
            await self._mutate(scope, receive, send)
        else:
            await self._turns.turn(_address(scope))
            await super().__call__(scope, receive, send)


def make_app(
    handler: Handler,
    metrics: Callable[[], bytes],
    lifecycle: Lifecycle,
    *,
    verified_only: bool = False,
) -> FastAPI:
    """The routes. `metrics` is cheap: anybody may ask for them. `verified_only`: admissions are for
    clients that `webhook.http_protocol` has found VERIFIED.
    """
    turns = AddressQueue()
    app = Routes(Mutate(handler, lifecycle, turns, verified_only=verified_only), turns)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Alive: the loop runs."""
        return Response("ok")

    @app.get("/readyz")
    async def readyz() -> Response:
        """Ready: policies are known, our certificate is trusted, and we are not draining."""
        problem = lifecycle.problem()
        return Response("ok") if problem is None else Response(problem, 503)

    @app.get("/metrics")
    async def exposition() -> Response:
        return Response(metrics(), media_type=telemetry.CONTENT_TYPE)

    return app


async def _receive(receive: Receive) -> Message:
    """The next part of a body."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _ClientGoneError
    return message


async def _read(receive: Receive) -> bytes | None:
    """The body; None as soon as it is over the limit, whatever Content-Length says. _GoneError."""
    message = await _receive(receive)
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body if len(body) <= BODY_LIMIT else None
    parts, size = [body], len(body)
    while message.get("more_body") and size <= BODY_LIMIT:
        message = await _receive(receive)
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
    return b"".join(parts) if size <= BODY_LIMIT else None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


async def _send(send: Send, answer: HttpAnswer, *, close: bool) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode("ascii")),
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
