"""HTTP/1.1 for a connection of `serving`: uvicorn's protocol, with what strangers can fill bounded,
and with a word to the connection at each step of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.register import Phase

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from serving.client_connection import Connection

MOST_HEAD_BYTES = 16 * 1024
"""Of a request, all that is not body: head, trailers, and the framing of chunks."""
MOST_HEADERS = 64
"""The API server sends about ten; each costs ten times its bytes."""
VERIFIED = "verified"
"""Key of `scope["state"]`: whether the client has proved that it may ask for admissions."""


class Protocol(HttpToolsProtocol):
    """One connection. No request is begun before the one before it is answered: HTTP calls that
    pipelining, and no client of ours does it.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        verified: Callable[[Connection], bool],
    ) -> None:
        """`verified` says it of a connection with its handshake behind it."""
        super().__init__(config, server_state, app_state)
        self._verified = verified
        self._beside_bytes = 0
        self._fed_body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """A `Connection`."""
        super().connection_made(transport)
        self._connection: Connection = transport  # type: ignore[assignment]  # the listener's own
        if self._verified(self._connection):
            self.app_state = {**self.app_state, VERIFIED: True}
            self._connection.trust()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was sent goes now, not when garbage is collected."""
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]  # as before the first request

    def data_received(self, data: bytes) -> None:
        """What is no HTTP is answered 400 and not logged: anybody may send it."""
        self._fed_body_bytes = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # There is nothing to change to, and the parser reads no further.
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self.send_400_response("the request cannot be read\n")
            return
        self._beside_bytes += len(data) - self._fed_body_bytes
        if self._beside_bytes > MOST_HEAD_BYTES:
            self._connection.end("head")
        else:
            self._connection.holds(len(data))

    # The parser's callbacks. What they raise ends in a 400.

    def on_message_begin(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            raise ValueError("pipelined")
        self._connection.moves(Phase.HEAD)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._connection.moves(Phase.BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._fed_body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.cycle.response_complete:
            self._connection.moves(Phase.WORK)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The request is over; what of its body is still to come is not waited for."""
        self.server_state.total_requests += 1
        self._beside_bytes = 0
        if self.cycle is not None and self.cycle.more_body:
            self.transport.close()
        self.flow.resume_reading()
        self._connection.moves(Phase.IDLE)
