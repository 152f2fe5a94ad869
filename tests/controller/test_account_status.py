"""`kubectl get sacc` tells a login that fails from a secret that is denied: against a real OpenBao
and moto's STS.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from contract.object_names import snapshot_name
from contract.secret_bytes import SecretBytes
from demo.provider import KEYS, DemoProvider
from kube.api_resources import SECRET_ACCOUNTS, SECRET_SNAPSHOTS
from tests.make.canary import CANARY
from tests.make.waiting import until
from tests.providers.aws.roles import refusal
from tests.providers.harness import Scripted, scripted_server
from tests.providers.vault.bao import ROOT, Bao

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.make.cluster import World

REGION = "eu-central-1"
PREFIX = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: one}
spec:
  budget: {callsPerSecond: 50, burst: 100}
"""
VAULT = """\
  provider: vault
  vault:
    addresses: ["http://ADDRESS"]
    mounts: [{path: secret, version: 2}]
    auth: {tokenFile: token}
"""
ROLE = f"""\
  provider: aws
  aws:
    regions: [{REGION}]
    endpoint: "http://ADDRESS"
    ssmEndpoint: "http://ADDRESS"
    stsEndpoint: "http://LOGIN"
    roleARN: "arn:aws:iam::123456789012:role/reader"
"""
POLICY = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: [payments]
  sources: [{account: one, allow: ["PATTERN"], class: steady}]
  classes: {steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
"""


@pytest.fixture
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """One of its own, for it is sealed."""
    made = Bao(tmp_path_factory.mktemp("bao"))
    yield made
    made.stop()


@pytest.fixture
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProvider]:
    """AWS with STS."""
    made = DemoProvider(log=tmp_path_factory.mktemp("moto") / "log", region=REGION)
    yield made
    made.stop()


@pytest.fixture
def sts() -> Iterator[Scripted]:
    """An STS that refuses."""
    for script in scripted_server():
        script.say("AssumeRole", refusal("AccessDenied"), 403)
        yield script


def status(world: World) -> dict[str, Any]:
    """Of the account."""
    found = world.server.get(SECRET_ACCOUNTS, "one") or {}
    return dict(found.get("status") or {})


def says(world: World, kind: str, value: str, reason: str) -> bool:
    """Whether a condition of the account says so."""
    found = (status(world).get("conditions") or ()) and status(world)["conditions"]
    return any(
        (it["type"], it["status"], it["reason"]) == (kind, value, reason) for it in found or ()
    )


def shown(world: World, provider: str, reference: str) -> dict[str, Any]:
    """The status of a snapshot of the account."""
    name = snapshot_name("one", "controller", provider, reference)
    found = world.server.get(SECRET_SNAPSHOTS, name, "payments") or {}
    return dict(found.get("status") or {})


def test_p8_a_login_to_vault_that_fails_is_no_denied_secret(world: World, bao: Bao) -> None:
    """Refused, repaired, one secret denied, sealed: each is said as what it is, to the admin in the
    account and to the team in the snapshot and by the command. No token is anywhere.
    """
    for name in ("db", "other"):
        bao.put(f"secret/payments/{name}", {"password": CANARY.decode()})
    right = bao.token("secret/data/payments/db")
    wrong = "s.not-a-token-of-this-server"
    (world.folder / "token").write_text(wrong)
    world.apply(PREFIX + VAULT.replace("ADDRESS", bao.address))
    world.apply(POLICY.replace("PATTERN", "vault:secret/payments/*"))
    for name in ("db", "other"):
        world.pod(f"api-{name}", f"secret/payments/{name}", account="one", provider="vault")
    world.start()
    until("the refused login", lambda: says(world, "LoggedIn", "False", "Denied"))
    [said] = [it["message"] for it in status(world)["conditions"] if it["type"] == "LoggedIn"]
    assert "it cannot log in to Vault (Http403)" in said

    def told() -> str:
        return str(shown(world, "vault", "secret/payments/db").get("message"))

    until("the team to be told", lambda: "the account's login fails" in told())
    explained = world.lastgood("explain", "api-db", "-n", "payments").stdout
    assert "the account's login fails" in explained
    assert "(Http403)" in explained

    (world.folder / "token").write_text(right)
    until("the login", lambda: says(world, "LoggedIn", "True", "LoggedIn"))
    world.refresh("secret/payments/db", "one", "vault")
    until("a value", lambda: shown(world, "vault", "secret/payments/db").get("version"))
    assert status(world)["login"] == "LoggedIn"
    assert status(world)["breaker"] == "Closed"

    def other() -> dict[str, Any]:
        return shown(world, "vault", "secret/payments/other")

    world.refresh("secret/payments/other", "one", "vault")
    until("the denied secret", lambda: other().get("reason") == "denied")
    until("its own reason", lambda: other().get("message") is None)
    words = ("explain", "api-other", "-n", "payments", "--output", "json")
    [secret] = json.loads(world.lastgood(*words).stdout)["secrets"]
    assert "permit the secret" in secret["why"]
    assert "login fails" not in secret["why"]

    bao.tried("PUT", "sys/seal")
    world.refresh("secret/payments/db", "one", "vault")
    until("the open breaker", lambda: says(world, "Available", "False", "BreakerOpen"))
    assert status(world)["breaker"] == "Open"
    assert status(world)["login"] == "LoggedIn"
    everything = world.log() + json.dumps(world.server.get(SECRET_ACCOUNTS, "one")) + explained
    for secret in (right, wrong, ROOT, CANARY.decode()):
        assert secret not in everything


def test_p4_both_stores_of_a_role_share_a_login_which_the_status_shows(
    world: World, moto: DemoProvider, sts: Scripted
) -> None:
    """Denied by STS, then given: one AssumeRole serves Secrets Manager and Parameter Store."""
    moto.put("/prod/payments/db", SecretBytes(CANARY))
    moto.put_parameter("/prod/payments/url", SecretBytes(CANARY))
    role = ROLE.replace("ADDRESS", moto.address)
    world.apply(PREFIX + role.replace("LOGIN", sts.address))
    policy = POLICY.replace("PATTERN", "aws-sm:/prod/payments/*")
    world.apply(policy.replace('payments/*"]', 'payments/*", "aws-ssm:/prod/payments/*"]'))
    world.variables |= KEYS
    world.pod("api-db", "/prod/payments/db", account="one", provider="aws-sm")
    world.pod("api-url", "/prod/payments/url", account="one", provider="aws-ssm")
    world.start()
    until("the refused login", lambda: says(world, "LoggedIn", "False", "Denied"))
    assert "cannot be assumed (AccessDenied)" in json.dumps(status(world)["conditions"])
    assert status(world)["login"] == "Denied"
    world.apply(PREFIX + role.replace("LOGIN", moto.address))

    def both() -> bool:
        return all(
            shown(world, provider, reference).get("version")
            for provider, reference in (
                ("aws-sm", "/prod/payments/db"),
                ("aws-ssm", "/prod/payments/url"),
            )
        )

    until("both values", both)
    until("the login", lambda: says(world, "LoggedIn", "True", "LoggedIn"))
    page = world.get("/metrics")
    logins = 'lastgood_provider_requests_total{account="one",code="ok",operation="AssumeRole"} 1.0'
    assert logins in page, [line for line in page.splitlines() if "AssumeRole" in line]
