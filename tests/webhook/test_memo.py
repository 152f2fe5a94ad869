"""What the webhook remembers between admissions: nothing but what it would find again, and not
without end.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest

from contract import annotations as keys
from policy.load import load_texts
from tests import make
from tests.webhook.given import CONFIG, POLICY, admitted, policies
from webhook import memo
from webhook.admit import admit
from webhook.memo import Memo
from webhook.verdict import Outcome

ENABLED = load_texts(
    {
        "policy.yaml": POLICY,
        "more.yaml": "{apiVersion: v1, kind: Namespace,"
        " metadata: {name: payments-eu, labels: {lastgood.dev/policy: payments}}}",
    }
)
ASKED = {
    "follow": make.asking(db="aws-sm@aws-prod:/both/db", key="aws-sm:/test/a"),
    "mount": make.asking(db="aws-sm@aws-prod:/both/db") | {keys.MODE: "mount"},
    "signal": make.asking(db="aws-sm@aws-prod:/both/db") | {keys.RELOAD: "signal:HUP"},
    "of one namespace": make.asking(db="aws-sm:/prod/payments/db"),
}
GUARANTEED = {"limits": {"cpu": "1", "memory": "1Gi"}}
DIFFERENCES: tuple[dict[str, Any], ...] = (
    {"automountServiceAccountToken": False},
    {"restartPolicy": "Never"},
    {"hostNetwork": True},
    {"securityContext": {"fsGroup": 2000}},
    {"securityContext": {"runAsUser": 1000}},
    {"shareProcessNamespace": True},
    {"containers": [make.container(resources=GUARANTEED)]},
)


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_p7_what_was_remembered_of_one_pod_changes_no_other(asked: dict[str, str]) -> None:
    """Pods with the same annotations that differ in shape or namespace, in every pair."""
    shared = Memo()
    pods = [
        (make.pod(namespace=namespace, annotations=asked, **one | other), namespace)
        for one, other in itertools.product(({}, *DIFFERENCES), repeat=2)
        for namespace in ("payments", "payments-eu")
    ]
    for pod, namespace in pods:
        alone = admit(copy.deepcopy(pod), namespace, ENABLED, CONFIG)
        assert admit(pod, namespace, ENABLED, CONFIG, shared) == alone
    assert 0 < len(shared) < 4 * len(pods)


def test_p13_pods_of_one_template_do_not_fill_the_memory() -> None:
    """A tenant may write another UID into each pod of the same annotations."""
    shared, asked = Memo(), ASKED["follow"]
    for uid in range(1, memo.MOST + 500):
        security = {"runAsUser": uid, "fsGroup": uid}
        pod = make.pod(annotations=asked, securityContext=security)
        assert admit(pod, "payments", policies(), CONFIG, shared).outcome is Outcome.INJECTED
    assert 0 < len(shared) <= memo.MOST


def test_p13_a_long_template_is_not_remembered() -> None:
    """It gets the same answer each time."""
    shared = Memo()
    asked = ASKED["follow"] | {keys.SECRET + "long": "aws-sm:/test/" + "x" * memo.LONGEST}
    pod = make.pod(annotations=asked)
    assert admit(pod, "payments", policies(), CONFIG, shared) == admitted(pod)
    assert len(shared) == 0
