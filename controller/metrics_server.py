"""/metrics and /healthz, in a thread with a loop of its own: a scrape is answered while the work's
loop is busy, and no client, whatever it sends, takes more than a thread and a few connections.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.get import TEXT, Get, GetAnswer
from serving.limits import ClientLimits
from serving.listener import Listener, bind
from serving.page import Page

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

LIMITS = ClientLimits(
    connections=64,
    per_address=32,
    held_bytes=16 * 1024 * 1024,
    accept_pause_s=0.05,
    head_s=5.0,
    answer_s=5.0,
)
"""A kubelet, and a few scrapers. 320 connections a second at most, because this thread and the
work's share one lock. The page of 10,000 snapshots has about 4 MB.
"""
JOIN_S = 5.0


def serve(
    host: str,
    port: int,
    registry: CollectorRegistry,
    healthy: Callable[[], bool],
    monotonic: Callable[[], float],
) -> MetricsServer:
    """Serves until `close`. OSError: the address can't be had.

    `healthy` says whether the loop runs; neither provider nor freshness matter for it. `monotonic`
    gives seconds of a clock that never goes back.
    """
    page = Page(lambda: generate_latest(registry), monotonic)

    def health() -> GetAnswer:
        if healthy():
            return GetAnswer(b"ok\n", TEXT)
        return GetAnswer(b"the loop stands still\n", TEXT, HTTPStatus.SERVICE_UNAVAILABLE)

    pages = {"/metrics": lambda: GetAnswer(page(), CONTENT_TYPE_LATEST), "/healthz": health}
    return MetricsServer(bind(host, port), pages)


class MetricsServer:
    """The thread."""

    def __init__(self, bound: socket.socket, pages: Mapping[str, Callable[[], GetAnswer]]) -> None:
        self.port: int = bound.getsockname()[1]
        self._bound = bound
        self._pages = pages
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._serve, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers no more, and ends the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(JOIN_S)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        listener = Listener(self._bound, LIMITS, lambda: Get(self._pages), loop=self._loop)
        listener.start()
        try:
            self._loop.run_forever()
        finally:
            listener.close()
            listener.end()
            self._loop.close()
