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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.make.embedded import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]


class Other:
    """A mutating webhook of somebody else: adds one container, once."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, REPOSITORY / "certs/dev_ca.py", folder, "--san", "127.0.0.1"]
        subprocess.run([*map(str, command)], check=True, timeout=60)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self._ca = (folder / "ca.crt").read_bytes()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Adding)
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


class _Adding(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """An AdmissionReview."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        response: Json = {"uid": request["uid"], "allowed": True}
        names = [item["name"] for item in request["object"]["spec"]["containers"]]
        if "added" not in names:
            value = {"name": "added", "image": "registry.example/added:1"}
            patch = json.dumps([{"op": "add", "path": "/spec/containers/-", "value": value}])
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(patch.encode()).decode()
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
def other_webhook() -> Iterator[Other]:
    """It serves."""
    with tempfile.TemporaryDirectory() as folder:
        found = Other(Path(folder))
        try:
            yield found
        finally:
            found.close()
