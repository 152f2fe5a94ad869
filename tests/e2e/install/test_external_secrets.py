"""P1, P2, P5: the article's second model. Its manifests run as they stand, with our annotations at
the Deployment. The provider fails, the key vanishes under each deletionPolicy, and pods start from
the last good value.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from cli.secret_grants import Grant, documents
from contract.annotations import POLICY_LABEL
from tests.e2e.cluster import digest
from tests.e2e.install import article
from tests.e2e.install.article import DEPLOYMENT, PAYMENTS, SECRET
from tests.e2e.install.kubectl import run
from tests.e2e.install.team import refresh, snapshot
from tests.e2e.install.world import SYSTEM, app, namespace
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.article import Keeper
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

Json = dict[str, Any]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
REFERENCE = f"payments/{SECRET}"
POLICY = "payments-external-secrets"
SERVED_S = 60.0
READ_S = 150.0
"""A nudge may be lost, and then the kubelet looks by itself."""
API = "lastgood.dev/v1alpha1"
ACCOUNT: Json = {
    "apiVersion": API,
    "kind": "SecretAccount",
    "metadata": {"name": "cluster"},
    "spec": {
        "provider": "kubernetes",
        "kubernetes": {},
        "budget": {"callsPerSecond": 20, "burst": 20},
    },
}
RULES: Json = {
    "apiVersion": API,
    "kind": "SecretPolicy",
    "metadata": {"name": POLICY},
    "spec": {
        "namespaces": ["payments"],
        "sources": [{"account": "cluster", "allow": ["k8s:{namespace}/*"], "class": "steady"}],
        "classes": {
            "steady": {
                "refreshInterval": "5m",
                "freshnessBudget": "1h",
                "maxAge": "24h",
                "propagation": "nudge",
            }
        },
    },
}


def value(word: str) -> Json:
    """Of the database."""
    return {"username": "payments", "password": word}


@pytest.fixture(scope="module")
def keeper(installed: Provider, settings: Settings) -> Iterator[Keeper]:
    """The article's manifests, and three pods that read the password from a file."""
    made = article.keeper(installed)
    labels = {POLICY_LABEL: POLICY}
    run("kubectl", "apply", "-f", "-", given=json.dumps(namespace("payments", labels)))
    for body in (ACCOUNT, RULES):
        run("kubectl", "apply", "-f", "-", given=json.dumps(body))
    try:
        made.start()
        made.put(value("one"))
        article.apply_external()
        if isinstance(made, article.StandIn):
            made.applied()
        until("the Secret", article.has_secret, article.SYNCED_S)
        PAYMENTS.apply(_deployment(settings, env=True))
        until("the missing grant", lambda: _state().get("reason") == "denied", SERVED_S)
        assert f"may not get the Secret {SECRET}" in _state()["message"]
        PAYMENTS.apply(
            *(body for _, body in documents(Grant("payments", SECRET), SYSTEM.namespace))
        )
        refresh(REFERENCE, PAYMENTS)
        PAYMENTS.rolled_out("payments-api", SERVED_S)
        yield made
    finally:
        PAYMENTS.kubectl("delete", "deployment", "payments-api", "--ignore-not-found")
        made.stop()
        run("kubectl", "delete", "namespace", "payments", "--timeout=90s", "--ignore-not-found")


def _deployment(settings: Settings, *, env: bool) -> Json:
    """The article's, with our annotations, and an image that the node has. `env`: with its own
    variables too, which need the Secret at every start.
    """
    made: Json = copy.deepcopy(DEPLOYMENT)
    pod = made["spec"]["template"]
    pod["metadata"]["annotations"] = asking(db=f"k8s:{SECRET}#password")
    pod["spec"]["terminationGracePeriodSeconds"] = 1
    ours = app(settings)
    [container] = pod["spec"]["containers"]
    container |= {key: it for key, it in ours["containers"][0].items() if key != "env"}
    if not env:
        del container["env"]
        made["spec"]["replicas"] = 1
    pod["spec"]["securityContext"] = ours["securityContext"]
    return made


def _state() -> Json:
    found: Json = snapshot(REFERENCE, PAYMENTS).get("status", {})
    return found


def _reads(word: str, within_s: float = SERVED_S) -> None:
    """Waits until all pods read that password."""

    def read() -> bool:
        lasts = [
            [line for line in lines if "files" in line]
            for lines in PAYMENTS.told("payments-api").values()
        ]
        found = {lines[-1]["files"].get("db", {}).get("digest") for lines in lasts if lines}
        return len(lasts) > 0 and found == {digest(word)}

    until(f"all pods to read {word}", read, within_s)


def _says(reason: str | None) -> Json:
    until(f"the reason {reason}", lambda: _state().get("reason") == reason, SERVED_S)
    found: Json = _state()
    return found


def test_p1_p5_pods_start_while_the_provider_is_down_and_the_age_tells(keeper: Keeper) -> None:
    """The operator's status is the evidence: the age goes on although each read finds the Secret.
    A rotation arrives at once, without a refresh being asked for.
    """
    _reads("one")
    assert _says(None)["state"] == "Fresh"
    keeper.put(value("two"))
    _reads("two", READ_S)
    keeper.outage()
    since = _says("not-confirmed")["unconfirmedSince"]
    refresh(REFERENCE, PAYMENTS)
    PAYMENTS.scale("payments-api", 4, within_s=SERVED_S)
    _reads("two")
    assert bool(_state()["unconfirmedSince"] == since)


@pytest.mark.long
def test_p2_the_key_vanishes_under_each_policy_and_pods_start(
    keeper: Keeper, settings: Settings
) -> None:
    """Retain: the operator says that it fails. Merge empties the Secret, and Delete deletes it,
    both with Ready=True. In each case pods start from the last good value, and rollback works.
    """
    keeper.put(value("two"))
    _says(None)
    keeper.put(None)
    assert "not in sync" in _says("not-confirmed")["message"]
    PAYMENTS.apply(_deployment(settings, env=False))
    PAYMENTS.rolled_out("payments-api", SERVED_S)
    _reads("two")
    for replicas, (deletion, reason) in enumerate(_deletions(keeper), start=2):
        keeper.policy(deletion)
        keeper.put(value(deletion))
        _reads(deletion, READ_S)
        assert "deletionPolicy" in _says("weak-evidence")["message"]
        keeper.put(None)
        _says(reason)
        PAYMENTS.scale("payments-api", replicas, within_s=SERVED_S)
        _reads(deletion)
    keeper.put(value("bad"))
    _reads("bad", READ_S)
    name = snapshot(REFERENCE, PAYMENTS)["metadata"]["name"]
    bad = _state()["version"]
    PAYMENTS.patch("secretsnapshot", name, {"spec": {"quarantined": [bad]}})
    _reads("Delete", READ_S)


def _deletions(keeper: Keeper) -> list[tuple[str, str]]:
    """The policies, and what the snapshot says of each. Of the stand-in Delete is enough: the other
    is tried in tests/controller.
    """
    merge = [] if isinstance(keeper, article.StandIn) else [("Merge", "empty")]
    return [*merge, ("Delete", "absent")]
