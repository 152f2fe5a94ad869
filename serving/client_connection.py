"""One connection to a client that may be anybody: a transport of asyncio's kind on a socket that
does not block, with TLS where there is a context.

asyncio's own TLS transports keep 256 KiB of buffer for each connection, and the protocol hears of a
connection only after its handshake, so that handshakes can't be counted or ordered. Here OpenSSL
reads the socket itself: what is not read yet stays in the kernel, whose buffers are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

from serving.register import LARGE_BYTES, Phase, Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving.address_queue import AddressQueue
    from serving.register import Register

READ_BYTES = 64 * 1024
"""At least a TLS record, so that OpenSSL keeps none of it."""
WRITE_BYTES = 64 * 1024
"""More in memory, and the protocol is asked to pause."""
CLOSED = "closed"
"""Why a connection ended that the client or we closed in order."""


class Connection(asyncio.Transport):
    """What uvicorn's protocols need of a transport, and which phase a request is in."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connected: socket.socket,
        peer: tuple[str, int],
        *,
        protocol: asyncio.Protocol,
        context: Callable[[], ssl.SSLContext] | None,
        register: Register,
        turns: AddressQueue,
        ended: Callable[[str], None],
    ) -> None:
        """`context` None: without TLS. `ended` is told once why the connection is over."""
        super().__init__()
        self._loop = loop
        self._socket: socket.socket | None = connected
        self._fd = connected.fileno()
        self._peer = peer
        self._protocol: asyncio.Protocol | None = protocol
        self._context = context
        self._register = register
        self._turns = turns
        self._ended = ended
        self.visit = Visit(peer[0], self.end)
        self._closing = False
        self._made = False
        self._on_readable: Callable[[], None] = self._ask_for_handshake
        self._reading = False
        self._paused = False
        self._out: list[bytes | memoryview] = []
        self._out_bytes = 0
        self._request_bytes = 0
        self._flushing = False
        self._write_paused = False

    # From the listener

    def start(self) -> None:
        """After it was taken into the register."""
        if self._context is None:
            self._establish()
        else:
            self._read_or_not()

    def end(self, why: str) -> None:
        """Closes at once, whatever is still to be written. Nothing when it is closed."""
        if self._socket is None:
            return
        self._closing, self._out = True, []
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        for act in (self._shake_hands, self._read_more):
            self._turns.drop(self.visit.address, act)
        self._register.leave(self.visit)
        self._socket.close()
        # What OpenSSL keeps for it goes now, not when garbage is collected.
        self._socket = None
        self._ended(why)
        self._loop.call_soon(self._lost)

    def _lost(self) -> None:
        if self._made and self._protocol is not None:
            self._protocol.connection_lost(None)
        self._protocol = None

    # From the protocol: how far a request is

    def certificate(self) -> dict[str, Any] | None:
        """What the client has proved to be, as `SSLSocket.getpeercert`; None: nothing."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        return self._socket.getpeercert() or None

    def trust(self) -> None:
        """Close it only after those of strangers."""
        self._register.trust(self.visit)

    def moves(self, phase: Phase) -> None:
        """A request is here now; an answer that is not taken yet stays ANSWER. During WORK nothing
        is read, so that what a request holds is counted until its work is done, also when its
        client is gone.
        """
        answered = phase is Phase.IDLE
        if answered:
            self._request_bytes = 0
            phase = Phase.ANSWER if self._out else phase
        if self.visit.phase is not Phase.LINGER:
            self._register.move(self.visit, phase, self._loop.time())
        if answered:
            self._flush()
            self._weigh()
        self._read_or_not()

    def holds(self, more_bytes: int) -> None:
        """So much more of a request is kept in memory, until `moves(Phase.IDLE)`."""
        self._request_bytes += more_bytes
        self._weigh()

    # A transport

    def get_extra_info(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - asyncio's
        """`peername`, and `sslcontext` where there is TLS."""
        known = {"peername": self._peer, "sslcontext": self._context}
        return known.get(name) or default

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True
        self._read_or_not()

    def resume_reading(self) -> None:
        self._paused = False
        self._read_or_not()

    def get_write_buffer_size(self) -> int:
        return self._out_bytes

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Sent in the next turn of the loop, with what else is written in this one."""
        if self._closing or not data:
            return
        self._out.append(bytes(data))
        self._out_bytes += len(data)
        self._flush_soon()
        if self._out_bytes > WRITE_BYTES and not self._write_paused:
            self._write_paused = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def close(self) -> None:
        """After what was written is taken."""
        if self._closing:
            return
        self._closing = True
        self._register.move(self.visit, Phase.ANSWER, self._loop.time())
        self._read_or_not()
        self._flush_soon()

    def abort(self) -> None:
        self.end(CLOSED)

    # The socket

    def _read_or_not(self) -> None:
        wanted = self._closing or not self._paused
        if self._socket is None or wanted is self._reading:
            return
        if not wanted:
            self._read_no_more()
            self._turns.drop(self.visit.address, self._read_more)
        elif self._closing or self.visit.phase is not Phase.WORK:
            self._reading = True
            self._loop.add_reader(self._fd, self._on_readable)

    def _read_no_more(self) -> None:
        self._reading = False
        self._loop.remove_reader(self._fd)

    def _ask_for_handshake(self) -> None:
        """A step of it costs as much as an answer, so addresses take turns."""
        self._read_no_more()
        self._loop.remove_writer(self._fd)
        self._turns.add(self.visit.address, self._shake_hands)

    def _shake_hands(self) -> None:
        if self._socket is None or self._context is None:
            return
        try:
            self._secured(self._socket, self._context).do_handshake()
        except ssl.SSLWantReadError:
            self._read_or_not()
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._fd, self._ask_for_handshake)
        except (OSError, ValueError):
            self.end("handshake")
        else:
            self._establish()

    def _secured(
        self, plain: socket.socket, context: Callable[[], ssl.SSLContext]
    ) -> ssl.SSLSocket:
        if isinstance(plain, ssl.SSLSocket):
            return plain
        secured = context().wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._socket = secured
        return secured

    def _establish(self) -> None:
        self._made = True
        self._on_readable = self._read_in_turn
        self.moves(Phase.HEAD)
        if self._protocol is not None:
            self._protocol.connection_made(self)

    def _read_in_turn(self) -> None:
        """Usual requests are read at once. Addresses take turns with the rest of large ones."""
        if self.visit.phase is Phase.WORK and not self._closing:
            self._read_no_more()
        elif self._request_bytes < LARGE_BYTES and not self._closing:
            self._read()
        else:
            self._read_no_more()
            self._turns.add(self.visit.address, self._read_more)

    def _read_more(self) -> None:
        self._read()
        self._read_or_not()

    def _read(self) -> None:
        if self._socket is None or self._protocol is None:
            return
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, InterruptedError):
            return
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._fd, self._flush)
            return
        except OSError:
            self.end("reset")
            return
        if not data:
            self.end(CLOSED)
        elif not self._closing:
            self._protocol.data_received(data)

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._socket is None or not (self._out or self._closing):
            return
        try:
            self._out = _send(self._socket, self._out)
        except OSError:
            self.end("reset")
            return
        self._out_bytes = sum(map(len, self._out))
        self._weigh()
        if self._out:
            self._loop.add_writer(self._fd, self._flush)
            return
        self._loop.remove_writer(self._fd)
        if self._closing:
            self._linger()
            return
        if self.visit.phase is Phase.ANSWER:
            self.moves(Phase.IDLE)
        if self._write_paused:
            self._write_paused = False
            if self._protocol is not None:
                self._protocol.resume_writing()

    def _linger(self) -> None:
        """Says goodbye, and drops what still comes."""
        if self._socket is None or self.visit.phase is Phase.LINGER:
            return
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                with contextlib.suppress(ssl.SSLError):
                    self._socket.unwrap()
            self._socket.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            self.end(CLOSED)
            return
        self._register.move(self.visit, Phase.LINGER, self._loop.time())
        self._read_or_not()

    def _weigh(self) -> None:
        held_bytes = self._request_bytes + self._out_bytes
        if held_bytes == self.visit.held_bytes:
            return
        over = self._register.hold(self.visit, held_bytes)
        if over is not None:
            over.end("bytes")


def _send(
    connected: socket.socket, parts: Sequence[bytes | memoryview]
) -> list[bytes | memoryview]:
    """What the kernel did not take. Large parts are not copied: many clients may be sent one page.
    OSError.
    """
    if len(parts) > 1 and sum(map(len, parts)) <= WRITE_BYTES:
        parts = [b"".join(parts)]
    left = [memoryview(part) for part in parts]
    with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        while left:
            left[0] = left[0][connected.send(left[0]) :]
            if not left[0]:
                del left[0]
    return [*left]
