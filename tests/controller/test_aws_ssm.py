"""The controller with parameters, as a pod's owner and an operator meet them: moto behind the fault
proxy, the stand-in API server, and the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from contract.secret_bytes import SecretBytes
from demo.provider import KEYS, DemoProvider, Proxy
from refresh.model import SourceKey
from tests import make
from tests.make.command import NO_CLUSTER, typed
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.make.cluster import World

REGION = "ap-southeast-2"
DB = "/prod/payments/db"
CANARY = "canary-5f1d3c"
ACCOUNT = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: aws}}
spec:
  provider: aws
  aws: {{regions: [{region}], endpoint: "http://{address}", ssmEndpoint: "http://{address}"}}
  budget: {{callsPerSecond: 50, burst: 100}}
  revoked: {revoked}
"""
ADMIN = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: [payments]
  sources:
    - account: aws
      allow: ["aws-sm:/prod/{namespace}/*", "aws-ssm:/prod/{namespace}/*"]
      class: steady
  classes: {steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
"""


@pytest.fixture
def provider(world: World) -> Iterator[DemoProvider]:
    """A secret and a parameter of one name."""
    made = DemoProvider(log=world.folder / "provider.log", region=REGION)
    made.put(DB, SecretBytes(b"of Secrets Manager"))
    made.put_parameter(DB, SecretBytes(CANARY.encode()))
    yield made
    made.stop()


@pytest.fixture
def proxy(world: World, provider: DemoProvider) -> Iterator[Proxy]:
    """What the controller reaches both through."""
    made = Proxy(log=world.folder / "proxy.log", upstream=provider.address)
    world.apply(_account(made) + "---\n" + ADMIN)
    world.variables |= KEYS
    yield made
    made.stop()


def _account(proxy: Proxy, *revoked: str) -> str:
    items = "[" + ", ".join(f"{{{it}}}" for it in revoked) + "]"
    return ACCOUNT.format(region=REGION, address=proxy.addresses["default"], revoked=items)


def _value(world: World, scheme: str, name: str = DB) -> bytes | None:
    source = SourceKey("aws", "controller", scheme, name)
    return world.keys(source.snapshot).get("value")


def test_a_secret_and_a_parameter_of_one_name_are_two(
    world: World, provider: DemoProvider, proxy: Proxy
) -> None:
    """One account serves both; operators name versions of a parameter by their numbers, and what an
    admin revokes of the one stays in the other. The parameter's value is in no log.
    """
    for scheme in ("aws-sm", "aws-ssm"):
        world.pod(f"pod-{scheme}", DB, account="aws", provider=scheme)
    world.start()
    until("both", lambda: _value(world, "aws-ssm") == CANARY.encode())
    until("both", lambda: _value(world, "aws-sm") == b"of Secrets Manager")
    provider.put_parameter(DB, SecretBytes(b"bad"), kind="String")
    world.refresh(DB, "aws", "aws-ssm")
    assert _value(world, "aws-ssm") == b"bad"
    proxy.set("blackhole")
    world.lastgood("pin", f"aws-ssm:{DB}", "1")
    until("the pin", lambda: _value(world, "aws-ssm") == CANARY.encode())
    history = world.lastgood("history", f"aws-ssm:{DB}").stdout
    assert {line.split()[0] for line in history.splitlines()} >= {"1", "2"}
    proxy.set("pass")
    world.lastgood("unpin", f"aws-ssm:{DB}")
    until("the newest", lambda: _value(world, "aws-ssm") == b"bad")
    items = [f"provider: aws-ssm, reference: {DB}, version: '{number}'" for number in (1, 2)]
    world.apply(_account(proxy, *items))
    until("the tombstone", lambda: _value(world, "aws-ssm") == b"")
    assert _value(world, "aws-sm") == b"of Secrets Manager"
    assert CANARY not in world.log() + history


def test_p1_p5_a_parameter_that_was_made_again_is_served_and_an_outage_takes_nothing(
    world: World, provider: DemoProvider, proxy: Proxy
) -> None:
    """Its number is 1 once more. Whatever the provider answers, the last value stays, and `explain`
    and `status` name the parameter and the reason.
    """
    world.pod("api-0", DB, account="aws", provider="aws-ssm")
    world.start()
    until("the first", lambda: _value(world, "aws-ssm") == CANARY.encode())
    provider.client(service="ssm").delete_parameter(Name=DB)
    provider.put_parameter(DB, SecretBytes(b"again"))
    world.refresh(DB, "aws", "aws-ssm")
    until("the second", lambda: _value(world, "aws-ssm") == b"again")
    for mode in ("access-denied", "throttle", "error-500", "truncated"):
        proxy.set(mode)
        world.refresh(DB, "aws", "aws-ssm")
        assert _value(world, "aws-ssm") == b"again"
    proxy.set("access-denied")
    world.refresh(DB, "aws", "aws-ssm")
    words = (("explain", "api-0"), ("status", f"aws-ssm:{DB}"))
    explained, status = (world.lastgood(*it, "-n", "payments", "-o", "json").stdout for it in words)
    assert f"aws-ssm:{DB}" in explained
    assert f"aws-ssm:{DB}" in status
    assert "denied" in status
    assert CANARY not in explained + status + world.log()


def test_presync_takes_parameters_of_a_manifest(
    world: World, provider: DemoProvider, proxy: Proxy, tmp_path: Path
) -> None:
    """Ahead of any pod."""
    assert proxy is not None
    provider.put_parameter(DB, SecretBytes(b'{"password": "p"}'))
    manifest = make.deployment(annotations=make.asking(db=f"aws-ssm:{DB}#password"))
    manifest["spec"]["template"]["spec"]["securityContext"] = {"fsGroup": 2000}
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest))
    world.start()
    done = world.command("presync", "-f", str(path), "-n", "payments", "--apply", "--wait", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"aws-ssm:{DB}" in done.stdout
    assert _value(world, "aws-ssm") == b'{"password": "p"}'


RENDERED = {
    f"aws-ssm:{DB}#password": (0, ""),
    "aws-ssm:/prod/orders/db": (1, "does not allow this secret in namespace payments"),
    f"aws-ssm:{DB}:3": (1, "selects a version or a label. Use the name alone"),
    "aws-smm:/prod/payments/db": (1, "is not a valid provider"),
}


@pytest.mark.parametrize(("source", "expected"), RENDERED.items(), ids=RENDERED)
def test_render_knows_parameters(tmp_path: Path, source: str, expected: tuple[int, str]) -> None:
    """As the webhook, offline; a reference that is none is denied in the same words."""
    code, says = expected
    admin = tmp_path / "admin"
    admin.mkdir()
    account = ACCOUNT.format(region=REGION, address="127.0.0.1:1", revoked="[]")
    (admin / "admin.yaml").write_text(account + "---\n" + ADMIN)
    path = tmp_path / "pod.yaml"
    pod = make.pod("api", namespace="payments", annotations=make.asking(db=source))
    path.write_text(yaml.safe_dump(pod))
    words = (
        "render",
        "-f",
        str(path),
        "--policy",
        str(admin),
        "--image",
        "registry.example/a@sha256:00",
    )
    done = typed(*words, variables=NO_CLUSTER)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
