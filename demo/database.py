"""The payments database of the demo: it knows the valid passwords and lets an app prove that it has
one.

One challenge and response per connection: a nonce out, HMAC-SHA256 of it under the password back,
then `ok <label>` or `refused`. No password travels, so the apps can print what happened.
"""

from __future__ import annotations

import hmac
import secrets
import socketserver
import threading
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from contract.secret_bytes import SecretBytes

HOST = "127.0.0.2"
"""Not 127.0.0.1: that address is a pod's own in the runner."""


class Database:
    """Listens on loopback in a thread of its own; `valid` maps a label to the password that it
    stands for.
    """

    def __init__(self) -> None:
        self.valid: dict[str, SecretBytes] = {}
        database = self

        class _LoginHandler(socketserver.StreamRequestHandler):
            timeout: ClassVar[float | None] = 5.0

            def handle(self) -> None:
                nonce = secrets.token_hex(16).encode()
                self.wfile.write(nonce + b"\n")
                answer = self.rfile.readline(200).strip()
                self.wfile.write(database.judge(nonce, answer).encode() + b"\n")

        class _DatabaseServer(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """An app that ended while it logged in is no news."""

        self._server = _DatabaseServer((HOST, 0), _LoginHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self._server.server_address[1]}"

    def judge(self, nonce: bytes, answer: bytes) -> str:
        """`ok <label>` of the password that the answer proves, or `refused`."""
        for label, password in tuple(self.valid.items()):
            expected = hmac.new(password.reveal(), nonce, "sha256").hexdigest().encode()
            if hmac.compare_digest(expected, answer):
                return f"ok {label}"
        return "refused"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
