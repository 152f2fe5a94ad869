"""A forward proxy as companies have it: it takes CONNECT alone, and asks for a password."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "lastgood"
HEAD_BYTES = 65_536


@dataclass
class ForwardProxy:
    """Tunnels, and remembers to where. By its DNS every name is this machine."""

    listener: socket.socket
    password: str | None
    """None: anybody may use it."""
    tunnels: list[str] = field(default_factory=list)
    """`host:port` of each that was opened."""
    refused: list[str] = field(default_factory=list)
    """The first line of each request without the password, or of another method."""

    @property
    def address(self) -> str:
        host, port = self.listener.getsockname()
        return f"{host}:{port}"

    @property
    def url(self) -> str:
        """As HTTPS_PROXY has it."""
        login = "" if self.password is None else f"{USER}:{self.password}@"
        return f"http://{login}{self.address}"

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._take, args=(client,), daemon=True).start()

    def _take(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = _head(client)
            line, *headers = head.split("\r\n")
            method, target, *_ = [*line.split(" "), "", ""]
            if method != "CONNECT" or not self._may(headers):
                self.refused.append(line)
                client.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                    b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
                )
                return
            self.tunnels.append(target)
            port = int(target.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()

    def _may(self, headers: list[str]) -> bool:
        if self.password is None:
            return True
        login = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        wanted = f"proxy-authorization: basic {login}".lower()
        return any(header.lower() == wanted for header in headers)


@contextmanager
def forward_proxy(password: str | None = None) -> Iterator[ForwardProxy]:
    """One on loopback, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = ForwardProxy(listener, password)
        threading.Thread(target=made.serve, daemon=True).start()
        yield made
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _head(client: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
        piece = client.recv(4096)
        if not piece:
            break
        head += piece
    return head.decode("latin-1")


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
