"""The controller against a server that speaks AWS, behind the fault proxy that counts."""

from __future__ import annotations

import signal
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from contract.secret_bytes import SecretBytes
from demo.provider import KEYS, DemoProvider, Proxy
from kube.api_resources import SECRET_SNAPSHOTS
from refresh.model import SourceKey
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.make.cluster import World

REGION = "ap-southeast-2"
NAMES = [f"/prod/payments/s{number}" for number in range(6)]
ADMIN = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: aws}}
spec:
  provider: aws
  aws: {{regions: [{region}], endpoint: "http://{address}"}}
  budget: {{callsPerSecond: 50, burst: 100}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {{name: payments}}
spec:
  namespaces: [payments]
  sources: [{{account: aws, allow: ["aws-sm:/prod/{{namespace}}/*"], class: steady}}]
  classes: {{steady: {{refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: payments, labels: {{lastgood.dev/policy: payments}}}}
"""


@pytest.fixture
def provider(world: World) -> Iterator[DemoProvider]:
    """A store of secrets with six of them."""
    made = DemoProvider(log=world.folder / "provider.log", region=REGION)
    for name in NAMES:
        made.put(name, SecretBytes(b"one of " + name.encode()))
    yield made
    made.stop()


@pytest.fixture
def proxy(world: World, provider: DemoProvider) -> Iterator[Proxy]:
    """What the controller reaches it through."""
    made = Proxy(log=world.folder / "proxy.log", upstream=provider.address)
    world.apply(ADMIN.format(region=REGION, address=made.addresses["default"]))
    world.variables |= KEYS
    yield made
    made.stop()


def _values(world: World) -> list[bytes | None]:
    sources = [SourceKey("aws", "controller", "aws-sm", name) for name in NAMES]
    return [world.keys(source.snapshot).get("value") for source in sources]


def _calls(proxy: Proxy) -> int:
    return sum(sum(operations.values()) for operations in proxy.counts().values())


def test_p5_a_secret_that_is_made_again_with_the_same_token_is_served(
    world: World, provider: DemoProvider, proxy: Proxy
) -> None:
    """Its version has the name of the old one, and other bytes. Both are kept: a rollback goes to
    the one before, and revoking the name leaves neither.
    """
    assert proxy is not None
    client, token, name = provider.client(), str(uuid.uuid4()), "/prod/payments/again"
    snapshot = SourceKey("aws", "controller", "aws-sm", name).snapshot

    def value() -> bytes | None:
        return world.keys(snapshot).get("value")

    def incarnation() -> str | None:
        found = world.server.get(SECRET_SNAPSHOTS, snapshot, "payments") or {}
        told: str | None = found.get("status", {}).get("incarnation")
        return told

    client.create_secret(Name=name, SecretString="one", ClientRequestToken=token)
    world.pod("api-0", name, account="aws", provider="aws-sm")
    world.start()
    until("the first", lambda: value() == b"one" and incarnation() is not None)
    first = incarnation()
    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    client.create_secret(Name=name, SecretString="two", ClientRequestToken=token)
    world.refresh(name, "aws", "aws-sm")
    until("the second", lambda: value() == b"two" and incarnation() not in {None, first})
    world.lastgood("rollback", f"aws-sm:{name}")
    until("the first again", lambda: value() == b"one" and incarnation() == first)
    world.lastgood("revoke", f"aws-sm:{name}", token)
    until("the tombstone", lambda: value() == b"")


def test_p1_p4_p12_killed_during_an_outage_it_serves_on_and_obeys_without_a_storm(
    world: World, provider: DemoProvider, proxy: Proxy
) -> None:
    """Six secrets cost no more calls than secrets, however many pods; killed with -9 and started
    while the provider answers nobody, it calls for nothing that it holds, and a rollback works.
    """
    for number in range(10):
        world.pod(f"api-{number}", *NAMES, account="aws", provider="aws-sm")
    world.start()
    good: list[bytes | None] = [b"one of " + name.encode() for name in NAMES]
    until("all to be served", lambda: _values(world) == good)
    assert _calls(proxy) <= len(NAMES)
    provider.put(NAMES[0], SecretBytes(b"bad"))
    world.refresh(NAMES[0], "aws", "aws-sm")
    assert _values(world) == [b"bad", *good[1:]]
    proxy.set("blackhole")
    world.end(signal.SIGKILL)
    proxy.reset()
    world.start()
    time.sleep(1.0)
    assert _calls(proxy) <= 1
    done = world.lastgood("rollback", f"aws-sm:{NAMES[0]}")
    assert "10 pods use it" in done.stdout
    assert _values(world) == good
