"""Sources behind a forward proxy with a password, at servers of private CAs: moto over TLS (Secrets
Manager, Parameter Store and STS), and OpenBao over TLS.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from certs.dev_ca import CA_FILE, CERT_FILE, KEY_FILE, write_pair
from contract.object_names import snapshot_name
from demo.processes import end, start
from demo.provider import KEYS
from kube.api_resources import SECRET_ACCOUNTS, SECRET_SNAPSHOTS
from tests.make.canary import CANARY
from tests.make.connect_proxy import ForwardProxy, forward_proxy
from tests.make.waiting import REPOSITORY, until
from tests.providers.vault.bao import ROOT, binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.make.cluster import World

REGION = "eu-central-1"
HOST = "aws.example.com"
PASSWORD = "p%40ss-3f9c"
"""As a URL has it."""
REFERENCES = {
    "aws-sm": "/prod/payments/db",
    "aws-ssm": "/prod/payments/url",
    "vault": "secret/payments/db",
}
OBJECTS = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: cloud}
spec:
  provider: aws
  aws:
    regions: [REGION]
    endpoint: "https://MOTO"
    ssmEndpoint: "https://MOTO"
    stsEndpoint: "https://MOTO"
    roleARN: "arn:aws:iam::123456789012:role/reader"
  budget: {callsPerSecond: 50, burst: 100}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: bao}
spec:
  provider: vault
  vault:
    addresses: ["https://BAO"]
    mounts: [{path: secret, version: 2}]
    auth: {tokenFile: token}
  budget: {callsPerSecond: 50, burst: 100}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: [payments]
  sources:
    - {account: cloud, allow: ["aws-sm:/prod/payments/*"], class: steady}
    - {account: cloud, allow: ["aws-ssm:/prod/payments/*"], class: steady}
    - {account: bao, allow: ["vault:secret/payments/*"], class: steady}
  classes: {steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[int, list[str]], None]]:
    """Starts servers, each waited for by its port, and ends them."""
    processes: list[Any] = []

    def run(port: int, words: list[str]) -> None:
        env = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
        log = tmp_path / f"{port}.log"
        processes.append(start(words, env=env, folder=tmp_path, log=log))
        until("a server", lambda: _answers(port), 60)

    yield run
    end(processes)


@pytest.fixture
def moto(started: Callable[[int, list[str]], None], tmp_path: Path) -> tuple[str, Path]:
    """Its `host:port`, which only the proxy can resolve, with two secrets; and the CA."""
    port, certificates = _free(), tmp_path / "moto-tls"
    certificates.mkdir()
    write_pair(certificates, [HOST, "localhost"], dt.datetime.now(dt.UTC))
    pair = ["-c", str(certificates / CERT_FILE), "-k", str(certificates / KEY_FILE)]
    code = "from moto.server import main; main()"
    started(port, [sys.executable, "-c", code, "-H", "127.0.0.1", "-p", str(port), "-s", *pair])
    where: dict[str, Any] = {
        "region_name": REGION,
        "endpoint_url": f"https://localhost:{port}",
        "verify": str(certificates / CA_FILE),
        "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
    }
    manager, store = boto3.client("secretsmanager", **where), boto3.client("ssm", **where)
    manager.create_secret(Name=REFERENCES["aws-sm"], SecretString=CANARY.decode())
    store.put_parameter(Name=REFERENCES["aws-ssm"], Value=CANARY.decode(), Type="SecureString")
    manager.close()
    store.close()
    return f"{HOST}:{port}", certificates / CA_FILE


@pytest.fixture
def bao(started: Callable[[int, list[str]], None], tmp_path: Path) -> tuple[str, Path]:
    """Its `host:port`, with a secret, and the CA that it made for itself."""
    port, folder = _free(), tmp_path / "bao-tls"
    folder.mkdir()
    words = ["server", "-dev", f"-dev-root-token-id={ROOT}", "-dev-no-store-token"]
    words += [f"-dev-listen-address=127.0.0.1:{port}", "-log-level=warn"]
    words += ["-dev-tls", f"-dev-tls-cert-dir={folder}"]
    started(port, [str(binary()), *words])
    [ca] = folder.glob("*ca.pem")
    body = json.dumps({"data": {"password": CANARY.decode()}}).encode()
    url = f"https://127.0.0.1:{port}/v1/secret/data/payments/db"
    request = urllib.request.Request(url, body, {"X-Vault-Token": ROOT}, method="POST")
    context = ssl.create_default_context(cafile=str(ca))

    def written() -> bool:
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310 - ours
                return bool(answer.status == 200)
        except OSError:
            return False

    until("OpenBao to take a secret", written, 30)
    return f"127.0.0.1:{port}", ca


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    """It asks for a password."""
    with forward_proxy("p@ss-3f9c") as made:
        yield made


def shown(world: World, scheme: str) -> dict[str, Any]:
    """The status of a snapshot."""
    account = "bao" if scheme == "vault" else "cloud"
    name = snapshot_name(account, "controller", scheme, REFERENCES[scheme])
    found = world.server.get(SECRET_SNAPSHOTS, name, "payments") or {}
    return dict(found.get("status") or {})


def test_p8_every_source_goes_through_the_proxy_and_trusts_the_extra_ca(
    world: World,
    moto: tuple[str, Path],
    bao: tuple[str, Path],
    proxy: ForwardProxy,
    certificates: Path,
) -> None:
    """At first the file has another CA, then a mistake, which is said, then the right ones: all
    values arrive, through tunnels alone. The proxy's password is in nothing that is said.
    """
    (cloud, its), (address, own) = moto, bao
    extra = world.folder / "extra.pem"
    extra.write_text((certificates / CA_FILE).read_text())
    (world.folder / "token").write_text(ROOT)
    texts = OBJECTS.replace("REGION", REGION).replace("MOTO", cloud).replace("BAO", address)
    world.apply(texts)
    for scheme, reference in REFERENCES.items():
        account = "bao" if scheme == "vault" else "cloud"
        world.pod(f"api-{scheme}", reference, account=account, provider=scheme)
    world.variables |= KEYS | {
        "HTTPS_PROXY": f"http://lastgood:{PASSWORD}@{proxy.address}",
        "NO_PROXY": "localhost",
    }
    world.words = ["--extra-ca", str(extra)]
    world.start()

    def everywhere(field: str) -> set[object]:
        return {shown(world, scheme).get(field) for scheme in REFERENCES}

    until("all to fail", lambda: everywhere("reason") == {"unavailable"})
    extra.write_text("-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n")
    until("the mistake to be said", lambda: world.events("controller.extra_ca_unusable"))
    extra.write_text(own.read_text() + its.read_text())
    until("all values", lambda: None not in everywhere("version"), 60)
    assert set(proxy.tunnels) == {cloud, address}
    assert proxy.refused == []

    page = world.get("/metrics")
    said = world.log() + page + world.lastgood("status", "-o", "json").stdout
    said += json.dumps(world.server.items(SECRET_ACCOUNTS, None))
    assert world.process is not None
    said += Path(f"/proc/{world.process.pid}/cmdline").read_text()
    for word in (PASSWORD, "p@ss-3f9c", CANARY.decode(), ROOT):
        assert word not in said


def test_a_ca_file_that_is_none_ends_the_controller_at_once(world: World, tmp_path: Path) -> None:
    """A new ReplicaSet never becomes ready then, and the old one runs on."""
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    world.words = ["--extra-ca", str(file)]
    world.launch()
    assert world.process is not None
    assert world.process.wait(60) == 1
    assert f"controller: {file} must be certificates in PEM" in world.log()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        time.sleep(0.05)
        return False
    return True
