"""A mutating webhook for the table's cases: each path behaves in its own way."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from certs import dev_ca

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
SERVICE = ("table-system", "table-hook")
"""Namespace and name of the Service that its certificate is for, too."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        what = self.path.partition("?")[0].strip("/")
        code, answer = _answer(what, json.loads(content)["request"])
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _answer(what: str, request: Json) -> tuple[int, bytes]:
    if what == "break":
        return 500, b"{}"
    if what == "words":
        return 200, b"words"
    response: Json = {"uid": request["uid"], "allowed": True}
    if what == "other":
        response["uid"] = "other"
    if what == "refuse":
        response |= {"allowed": False, "status": {"code": 403, "message": "No."}}
    else:
        response |= {"patchType": "JSONPatch", "patch": _encoded(_patch(what, request))}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return 200, json.dumps({**review, "response": response}).encode()


def _patch(what: str, request: Json) -> list[Json]:
    if what == "spoil":
        return [{"op": "add", "path": "/metadata/labels/bad", "value": "-"}]
    data = request["object"].get("data") or {}
    if what == "count":
        return [{"op": "add", "path": "/data/seen", "value": ",".join(sorted(data))[:6]}]
    told = {
        "called": request["operation"],
        "kind": request["kind"]["kind"],
        "resource": request["resource"]["resource"],
        "namespace": request["namespace"],
        "name": request.get("name", ""),
        "dry": json.dumps(request["dryRun"]),
        "user": request["userInfo"]["username"],
        "uid": request["uid"],
        "old": json.dumps(request["oldObject"]),
        "metadata": ",".join(sorted(_given(request["object"]["metadata"]))),
    }
    return [{"op": "add", "path": "/data", "value": {**data, **told}}]


def _given(metadata: Json) -> set[str]:
    return {name for name, item in metadata.items() if item} - {"managedFields"}


def _encoded(patch: list[Json]) -> str:
    return base64.b64encode(json.dumps(patch).encode()).decode()


@contextmanager
def hook(folder: Path) -> Iterator[tuple[str, str]]:
    """Its URL, and its CA in base64, until the block ends."""
    dev_ca.write_pair(
        folder, ["127.0.0.1", f"{SERVICE[1]}.{SERVICE[0]}.svc"], dt.datetime.now(dt.UTC)
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / dev_ca.CERT_FILE, folder / dev_ca.KEY_FILE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    ca = base64.b64encode((folder / dev_ca.CA_FILE).read_bytes()).decode()
    try:
        yield f"https://127.0.0.1:{server.server_port}", ca
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
