"""The controller under accounts' roles: each as its own, followed as they change, and silent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from controller.snapshot_record import decoded
from demo.provider import KEYS, DemoProvider
from refresh.model import SourceKey
from tests.make.waiting import until
from tests.providers.aws.roles import hold
from tests.providers.harness import Scripted, scripted_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.make.cluster import World

REGION = "ap-southeast-2"
NAME = "/prod/payments/db"
CANARY = "canary-9b7e"
ACCOUNT = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {{name: {name}}}
spec:
  provider: aws
  aws:
    regions: [{region}]
    endpoint: "http://{address}"
    stsEndpoint: "http://{address}"
    roleARN: "arn:aws:iam::{owner:012d}:role/reader"
  budget: {{callsPerSecond: 50, burst: 100}}
"""
POLICY = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: [payments]
  sources:
    - {account: one, allow: ["aws-sm:/prod/{namespace}/*"], class: steady}
    - {account: two, allow: ["aws-sm:/prod/{namespace}/*"], class: steady}
  classes: {steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
"""


@pytest.fixture
def provider(world: World) -> Iterator[DemoProvider]:
    """A store in which two AWS accounts have a secret of the same name."""
    made = DemoProvider(log=world.folder / "provider.log", region=REGION)
    for owner in (111, 222):
        hold(made, owner, NAME, f"of {owner}")
    yield made
    made.stop()


@pytest.fixture
def script() -> Iterator[Scripted]:
    """An AWS that answers as the test says."""
    yield from scripted_server()


def govern(world: World, address: str, **owners: int) -> None:
    """Writes an account per name, each with a role of that AWS account."""
    for name, owner in owners.items():
        world.apply(ACCOUNT.format(name=name, region=REGION, address=address, owner=owner))


def begin(world: World, address: str, **owners: int) -> None:
    """Starts the controller with these accounts, one pod each."""
    world.apply(POLICY)
    govern(world, address, **{"one": 111, "two": 222} | owners)
    world.variables |= KEYS
    for name in owners:
        world.pod(f"api-{name}", NAME, account=name, provider="aws-sm")
    world.start()


def value(world: World, account: str) -> bytes | None:
    """What is served of the secret by one account."""
    source = SourceKey(account, "controller", "aws-sm", NAME)
    return world.keys(source.snapshot).get("value")


def counted(world: World, operation: str, account: str, code: str = "ok") -> float:
    """How often one operation was called."""
    labels = f'{{account="{account}",code="{code}",operation="{operation}"}}'
    name = f"lastgood_provider_requests_total{labels} "
    found = [line for line in world.get("/metrics").splitlines() if line.startswith(name)]
    return float(found[0].removeprefix(name)) if found else 0.0


def assumed() -> bytes:
    """What STS answers."""
    return (
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>key</AccessKeyId>"
        f"<SecretAccessKey>{CANARY}-secret</SecretAccessKey>"
        f"<SessionToken>{CANARY}-token</SessionToken>"
        f"<Expiration>2040-01-01T00:00:00Z</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()


def answer(version: str, text: str) -> dict[str, Any]:
    """A secret, as Secrets Manager gives it."""
    version = version * 32
    return {
        "Name": NAME,
        "VersionId": version,
        "VersionStages": ["AWSCURRENT"],
        "SecretString": text,
    }


def test_p7_two_accounts_read_as_two_roles_and_follow_another(
    world: World, provider: DemoProvider
) -> None:
    """The same name under two roles is two secrets; a changed roleARN counts without a restart."""
    begin(world, provider.address, one=111, two=222)
    until("both", lambda: (value(world, "one"), value(world, "two")) == (b"of 111", b"of 222"))
    assert [counted(world, "AssumeRole", name) for name in ("one", "two")] == [1, 1]
    govern(world, provider.address, one=222)

    def followed() -> bool:
        world.refresh(NAME, "one", "aws-sm")
        return value(world, "one") == b"of 222"

    until("the other role's", followed)
    assert counted(world, "AssumeRole", "one") == 2
    assert counted(world, "AssumeRole", "two") == 1


def test_p2_p8_credentials_are_renewed_under_way_and_are_nowhere(
    world: World, script: Scripted
) -> None:
    """Ended early, refused and given again: no failure is shown, the value stays, and nothing that
    the controller says or writes holds them.
    """
    script.say("AssumeRole", assumed())
    script.say("GetSecretValue", answer("a", "first"))
    begin(world, script.address, one=111)
    until("the first", lambda: value(world, "one") == b"first")
    script.say("DescribeSecret", {"__type": "ExpiredTokenException"}, 400)
    script.say("GetSecretValue", {"__type": "ExpiredTokenException"}, 400)

    def repair(operation: str) -> None:
        if operation == "AssumeRole":
            script.say(
                "DescribeSecret", {"Name": NAME, "VersionIdsToStages": {"b": ["AWSCURRENT"]}}
            )
            script.say("GetSecretValue", answer("b", "second"))

    script.before = repair
    said = world.lastgood("refresh", f"aws-sm@one:{NAME}").stdout
    assert value(world, "one") == b"second"
    assert counted(world, "AssumeRole", "one") == 2
    assert counted(world, "GetSecretValue", "one", "ExpiredTokenException") == 1
    said += world.lastgood("status", "--output", "json").stdout
    assert "denied" not in said + world.log()
    assert world.process is not None
    process = Path(f"/proc/{world.process.pid}")
    said += (process / "environ").read_text() + (process / "cmdline").read_text()
    assert CANARY not in said + world.log() + world.get("/metrics")
    for kind, content in world.server.written():
        assert CANARY not in json.dumps(content)
        values = decoded(content).values() if kind == "secrets" else ()
        assert all(CANARY.encode() not in value for value in values)
    for request in world.server.seen():
        assert CANARY not in f"{request.path}?{request.query} {request.agent}"
