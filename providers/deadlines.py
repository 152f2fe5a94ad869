"""A bound on a whole call of urllib3, whose own time-outs bound only the silence between two bytes.

At the end the sockets of the call are shut down, so whatever reads or writes them ends: a
connection through a proxy, TLS, answers that announce another, head, body, and what comes after it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from types import TracebackType

    _Connection = HTTPConnection
else:
    _Connection = object

_calls = threading.local()
"""The deadline of the call in progress in this thread, as `innermost`."""
_Class = TypeVar("_Class", bound=type[HTTPConnection])


class Deadline:
    """Bounds the block to `whole_s` seconds, if it uses connections of `watched` classes.

    Not bounded: DNS, and connecting to each of the addresses that it gives, which has a time-out of
    its own. One thread lives as long as the block.
    """

    def __init__(self, whole_s: float) -> None:
        self.over = False
        """Whether it came before the end of the block. What the block found is not to be used."""
        self._lock = threading.Lock()
        self._ended = False
        self._sockets: list[socket.socket] = []
        """Our own handles on them: those of the client are closed, wrapped and given away."""
        self._before: Deadline | None = None
        self._timer = threading.Timer(whole_s, self._end)
        self._timer.name, self._timer.daemon = "deadline", True

    def __enter__(self) -> Self:
        self._before = getattr(_calls, "innermost", None)
        self._timer.start()
        _calls.innermost = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _calls.innermost = self._before
        self._timer.cancel()
        with self._lock:
            self._ended = True
            for handle in self._sockets:
                handle.close()
            self._sockets.clear()

    def watch(self, fileno: int) -> None:
        """Shuts this socket down at the end. OSError: there is no file handle left."""
        handle = socket.socket(fileno=os.dup(fileno))
        with self._lock:
            self._sockets.append(handle)
            if self.over:
                _shut(handle)

    def _end(self) -> None:
        with self._lock:
            if self._ended:
                return
            self.over = True
            for handle in self._sockets:
                _shut(handle)


def _shut(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is not connected any more
        handle.shutdown(socket.SHUT_RDWR)


class _Watched(_Connection):
    """Tells the deadline of the call which socket it uses: a new one, or one that was kept."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _watch(made)
        return made

    def request(self, *args: Any, **words: Any) -> None:  # noqa: ANN401 - as its base
        if self.sock is not None:
            _watch(self.sock)
        super().request(*args, **words)


def _watch(used: socket.socket) -> None:
    deadline: Deadline | None = getattr(_calls, "innermost", None)
    if deadline is not None:
        deadline.watch(used.fileno())


def watched(connection: _Class) -> _Class:
    """A class of connections that deadlines bound."""
    if issubclass(connection, _Watched):
        return connection
    return type(connection.__name__, (_Watched, connection), {})  # type: ignore[return-value]  # a subclass


class _Pool(HTTPConnectionPool):
    ConnectionCls = watched(HTTPConnection)  # type: ignore[mutable-override]  # a subclass of the default


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = watched(HTTPSConnection)  # type: ignore[mutable-override]  # the same


POOLS: dict[str, type] = {"http": _Pool, "https": _TlsPool}
"""For a PoolManager: `pool_classes_by_scheme`."""
