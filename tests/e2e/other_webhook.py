"""A mutating webhook of somebody else."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]


def adding(pod: Json) -> list[Json]:
    """One container, once."""
    if any(item["name"] == "added" for item in pod["spec"]["containers"]):
        return []
    value = {"name": "added", "image": "registry.example/added:1"}
    return [{"op": "add", "path": "/spec/containers/-", "value": value}]


class Other:
    """A mutating webhook of somebody else: makes `change` of every pod that it is asked about, a
    JSON patch.
    """

    def __init__(self, folder: Path, change: Callable[[Json], list[Json]]) -> None:
        command = [sys.executable, REPOSITORY / "certs/dev_ca.py", folder, "--san", "127.0.0.1"]
        subprocess.run([*map(str, command)], check=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self._ca = (folder / "ca.crt").read_bytes()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Changing, change))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def entry(self, base: Json) -> Json:
        """One webhook that calls this one, and is trusted."""
        base["clientConfig"]["caBundle"] = base64.b64encode(self._ca).decode()
        return base

    def close(self) -> None:
        """Every connection ends."""
        self._server.shutdown()
        self._server.server_close()


class _Changing(BaseHTTPRequestHandler):
    def __init__(self, change: Callable[[Json], list[Json]], *given: Any) -> None:  # noqa: ANN401 - the server's
        self._change = change
        super().__init__(*given)

    def do_POST(self) -> None:
        """An AdmissionReview."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        response: Json = {"uid": request["uid"], "allowed": True}
        if change := self._change(request["object"]):
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(change).encode()).decode()
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        body = json.dumps({**review, "response": response}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@contextlib.contextmanager
def other_webhook(change: Callable[[Json], list[Json]] = adding) -> Iterator[Other]:
    """It serves."""
    with tempfile.TemporaryDirectory() as folder:
        found = Other(Path(folder), change)
        try:
            yield found
        finally:
            found.close()
