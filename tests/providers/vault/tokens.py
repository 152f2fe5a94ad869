"""Tokens of service accounts, and an API server that reviews them."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBJECT = "system:serviceaccount:lastgood-system:lastgood-controller"


def _part(document: dict[str, Any] | bytes) -> str:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Issuer:
    """A cluster's key for tokens."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public(self) -> str:
        """In PEM."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def token(self, *audience: str, lasts_s: int = 600, subject: str = SUBJECT) -> str:
        """As the kubelet writes it into a projected volume."""
        now = int(time.time())
        claims = {
            "aud": list(audience),
            "exp": now + lasts_s,
            "iat": now - 60,
            "nbf": now - 60,
            "iss": "https://kubernetes.default.svc",
            "sub": subject,
            "kubernetes.io": {
                "namespace": "lastgood-system",
                "serviceaccount": {"name": "lastgood-controller", "uid": "1"},
            },
        }
        signed = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_part(signature)}"


@contextmanager
def reviewing(audience: str) -> Iterator[str]:
    """The URL of an API server that finds every token good for `audience`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            user = {"username": SUBJECT, "uid": "1", "groups": ["system:serviceaccounts"]}
            good = audience in asked["spec"].get("audiences", [audience])
            status = {"authenticated": good, "user": user, "audiences": [audience]}
            raw = json.dumps(asked | {"status": status}).encode()
            self.send_response_only(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
