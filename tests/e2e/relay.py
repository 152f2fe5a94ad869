"""The way to the API server, which a test can cut, hold or answer itself."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.e2e.enforced import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator


_WATCHED_FROM = re.compile(rb"(watch=true\S*[?&]resourceVersion)=\d+")


class Relay:
    """A TCP relay, and a kubeconfig through it."""

    def __init__(self, kubeconfig: Path, address: tuple[str, int]) -> None:
        self.kubeconfig = kubeconfig
        self._address = address
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._flows = _open_gate()
        self._forsaken: list[threading.Event] = []
        self.from_long_ago = False
        """Watches are asked for from the first resource version on, which the API server answers
        with 410. In plain text only."""
        self._begin()

    def _begin(self) -> None:
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def cut(self) -> None:
        """Every connection ends, and no new one comes to be."""
        for flows in (self._flows, *self._forsaken):
            flows.set()
        self._forsaken.clear()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._pumps:
            thread.join(5)
        for one in self._open:
            one.close()
        self._open.clear()
        self._pumps.clear()

    def repair(self) -> None:
        """After `cut`: as before."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._begin()

    def hold(self) -> None:
        """Connections stay, and nothing gets through."""
        self._flows.clear()

    def let_go(self) -> None:
        """After `hold`: what was held goes on its way."""
        self._flows.set()

    def forsake(self) -> None:
        """The connections of now stay, and nothing gets through them any more; new ones are as
        before.
        """
        self._flows.clear()
        self._forsaken.append(self._flows)
        self._flows = _open_gate()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._address)
            self._open += [near, far]
            for ends in ((near, far), (far, near)):
                given = (*ends, self._flows)
                self._pumps.append(threading.Thread(target=self._pump, args=given, daemon=True))
                self._pumps[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                flows.wait()
                sink.sendall(
                    _WATCHED_FROM.sub(rb"\1=1", content) if self.from_long_ago else content
                )
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _open_gate() -> threading.Event:
    """Set while something gets through."""
    gate = threading.Event()
    gate.set()
    return gate


@contextlib.contextmanager
def relay(proxy: str | None = None) -> Iterator[Relay]:
    """With the kubeconfig of this test run, in a folder of its own. `proxy`: the URL of a `kubectl
    proxy` to go through, so that requests pass in plain text.
    """
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    cluster = config["clusters"][0]["cluster"]
    url = httpx.URL(proxy or cluster["server"])
    with tempfile.TemporaryDirectory() as folder:
        way = Relay(Path(folder) / "config", (url.host, url.port or 443))
        cluster["server"] = f"{url.scheme}://127.0.0.1:{way.port}"
        if proxy is None:
            cluster.setdefault("tls-server-name", url.host)
        way.kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        try:
            yield way
        finally:
            way.cut()
