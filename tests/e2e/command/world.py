"""The command line as a process against the real API server, with a controller at work there and
AWS, by moto, behind a proxy that breaks it. One after the other: a controller minds all namespaces.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from contract.object_names import snapshot_name
from contract.secret_bytes import SecretBytes
from demo.provider import KEYS, DemoProvider, Proxy
from tests import make
from tests.e2e.controlled import PATIENCE_S
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.controlled import Controlled

Json = dict[str, Any]
REGION = "eu-west-1"
DB = "/prod/db"
SOURCE = f"aws-sm:{DB}"
ONE, TWO = b'{"password":"one"}', b'{"password":"two"}'
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  annotations: {{lastgood.dev/secret.db: "{source}"}}
spec:
  nodeSelector: {{lastgood.dev/none: none}}
  containers: [{{name: app, image: example/app}}]
"""
MANIFEST = POD.format(source=SOURCE)
"""A pod that asks for DB; no node ever takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded:
    """A namespace with a policy, and who types commands in it."""

    controlled: Controlled
    provider: DemoProvider
    proxy: Proxy

    @property
    def namespace(self) -> str:
        return self.controlled.name

    @property
    def snapshot(self) -> str:
        """Of DB."""
        return snapshot_name(f"{self.namespace}-aws", "controller", "aws-sm", DB)

    def lastgood(
        self, *words: str, code: int = 0, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """One command, in the namespace where it takes one; it has to end with `code`."""
        inherited = {name: text for name, text in os.environ.items() if name != "LASTGOOD_STORE"}
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=REPOSITORY,
            env={**inherited, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def here(self, *words: str, code: int = 0, **environment: str) -> str:
        """What a command in the namespace says, on both streams."""
        done = self.lastgood(*words, "-n", self.namespace, code=code, **environment)
        return done.stdout + done.stderr

    def shown(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.lastgood(*words, "-n", self.namespace, "--output", "json").stdout)

    def put(self, value: bytes) -> str:
        """Rotates DB at the provider; its version."""
        return self.provider.put(DB, SecretBytes(value))

    def pod(self) -> None:
        """MANIFEST as rendered by the cluster's policies."""
        words = ("render", "-f", "-", "-n", self.namespace, "-o", "json", "--image", "example/a")
        rendered = self.lastgood(*words, stdin=MANIFEST).stdout
        self.controlled.create(json.loads(rendered))

    def value(self) -> bytes:
        """Of DB, as pods are given it; empty when there is none."""
        found = self.controlled.get("secret", self.snapshot)
        return b"" if found is None else base64.b64decode(found["data"]["value"])

    def calls(self) -> int:
        """That reached the provider."""
        return sum(sum(item.values()) for item in self.proxy.counts().values())

    def stand(self, name: str, status: Json) -> None:
        """Writes a pod's status, as its kubelet would."""
        self.controlled.patch("pod", name, {"status": status}, "--subresource=status")


@pytest.fixture
def commanded(
    controlled: Controlled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Commanded]:
    """With an account of AWS; no controller is started yet."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    provider = DemoProvider(log=tmp_path / "provider.log", region=REGION)
    proxy = Proxy(log=tmp_path / "proxy.log", upstream=provider.address)
    account = f"{controlled.name}-aws"
    try:
        aws = {"regions": [REGION], "endpoint": f"http://{proxy.addresses['default']}"}
        budget = {"callsPerSecond": 50, "burst": 100}
        controlled.apply(
            make.account(account, aws=aws, budget=budget),
            controlled.policy(make.source(account, "aws-sm:/prod/*")),
        )
        yield Commanded(controlled=controlled, provider=provider, proxy=proxy)
    finally:
        controlled.end()
        proxy.stop()
        provider.stop()
        controlled.kubectl("delete", "secretaccount", account, "--wait=false")


@pytest.fixture
def rotated(commanded: Commanded) -> tuple[str, str]:
    """A pod demands DB, which went from `one` to `two`; the versions."""
    first = commanded.put(ONE)
    commanded.pod()
    commanded.controlled.lead()
    until("one", lambda: commanded.value() == ONE, PATIENCE_S)
    second = commanded.put(TWO)
    assert f"serves {second}" in commanded.here("refresh", SOURCE)
    return first, second
