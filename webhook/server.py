"""The HTTP routes: POST /mutate, GET /healthz, /readyz, /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from webhook import telemetry

if TYPE_CHECKING:
    from webhook.handler import Answer, Handler
    from webhook.telemetry import Telemetry

BODY_LIMIT = 3 << 20
"""Bytes of a review that are read: as much as the API server takes for an object
(MaxRequestBodyBytes).
"""


class Lifecycle:
    """Whether the process still takes requests. The one thing that changes while it serves."""

    def __init__(self) -> None:
        self.draining = False
        """True: not ready any more, and each answer ends its connection."""


def make_app(handler: Handler, metrics: Telemetry, lifecycle: Lifecycle) -> FastAPI:
    """The routes."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/mutate")
    async def mutate(request: Request) -> Response:
        body = await _read(request)
        answer = (
            handler.reject(413, f"a review has at most {BODY_LIMIT} bytes")
            if body is None
            else handler.handle(body)
        )
        return _response(answer, lifecycle, close=body is None)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Alive: the loop turns."""
        return Response("ok")

    @app.get("/readyz")
    async def readyz() -> Response:
        """Ready: a certificate and policies were loaded, or this would not serve; not while
        draining.
        """
        return Response("draining", 503) if lifecycle.draining else Response("ok")

    @app.get("/metrics")
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=telemetry.CONTENT_TYPE)

    return app


async def _read(request: Request) -> bytes | None:
    """The body; None as soon as it is over the limit, whatever Content-Length says."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            return None
        parts.append(part)
    return b"".join(parts)


def _response(answer: Answer, lifecycle: Lifecycle, *, close: bool) -> Response:
    headers = {"connection": "close"} if close or lifecycle.draining else None
    return Response(answer.body, answer.status, headers, media_type="application/json")
