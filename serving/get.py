"""HTTP/1.1 as far as a kubelet and a scraper need it: GET, one request for each connection, at most
8 KiB of it. Without TLS.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from serving.register import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from serving.client_connection import Connection

MOST_REQUEST_BYTES = 8192
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class GetAnswer:
    """What a page says."""

    body: bytes
    kind: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


class Get(asyncio.Protocol):
    """One connection."""

    def __init__(self, pages: Mapping[str, Callable[[], GetAnswer]]) -> None:
        """`pages` by path; each is called once a request, in the loop."""
        self._pages = pages
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A `Connection`."""
        self._connection: Connection = transport  # type: ignore[assignment]  # the listener's own

    def data_received(self, data: bytes) -> None:
        self._request += data
        self._connection.holds(len(data))
        if b"\r\n\r\n" in self._request:
            self._connection.moves(Phase.WORK)
            for part in self._answer():
                self._connection.write(part)
            self._connection.close()
        elif len(self._request) >= MOST_REQUEST_BYTES:
            self._connection.end("head")

    def _answer(self) -> tuple[bytes, bytes]:
        """Head and body."""
        method, _, rest = self._request.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0].decode("ascii", "replace")
        page = self._pages.get(path)
        allow = ""
        if method != b"GET":
            answer = GetAnswer(b"", status=HTTPStatus.METHOD_NOT_ALLOWED)
            allow = "Allow: GET\r\n"
        elif page is None:
            known = " or ".join(self._pages)
            answer = GetAnswer(f"{known}\n".encode(), status=HTTPStatus.NOT_FOUND)
        else:
            answer = page()
        head = (
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n{allow}"
            f"Content-Type: {answer.kind}\r\nContent-Length: {len(answer.body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode("ascii"), answer.body
