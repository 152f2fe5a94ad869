"""Secrets of the pod's own namespace: the namespace is the pod's, whatever its annotations say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from policy.load import load_texts
from tests import make
from tests.webhook.given import CONFIG
from webhook.admit import admit
from webhook.template_cache import TemplateCache
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from contract.plan import PlannedSnapshot

TEXT = make.as_file(
    make.account("cluster", provider="kubernetes", kubernetes={}, aws=None),
    make.account("cluster-b", provider="kubernetes", kubernetes={}, aws=None),
    make.policy(
        make.source("cluster", "k8s:{namespace}/*", "k8s:*/shared"),
        make.source("cluster-b", "k8s:payments/b-*"),
        namespaces=["payments", "orders"],
    ),
    make.namespace("payments"),
    make.namespace("orders", "payments"),
).replace("    aws: null\n", "")
POLICIES = load_texts({"policy.yaml": TEXT})


def test_two_namespaces_have_two_sources_for_one_annotation() -> None:
    """Also where one template's answers are remembered."""
    cache = TemplateCache()
    found: dict[str, PlannedSnapshot] = {}
    for namespace in ("payments", "orders", "payments"):
        pod = make.pod(annotations=make.asking(db="k8s:db#password"))
        verdict = admit(pod, namespace, POLICIES, CONFIG, cache)
        assert verdict.outcome is Outcome.INJECTED
        assert verdict.plan is not None
        [found[namespace]] = verdict.plan.snapshots
    assert {name: item.reference for name, item in found.items()} == {
        "payments": "payments/db",
        "orders": "orders/db",
    }
    assert found["payments"].snapshot != found["orders"].snapshot


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ("k8s:orders/db", "a Secret of the pod's own namespace, without the namespace"),
        ("k8s:../orders/db", "without the namespace"),
        ("k8s:orders%2fdb", "is not a valid name of a Secret"),
        ("k8s:orders\\db", "is not a valid name of a Secret"),
        ("k8s:..", "is not a valid name of a Secret"),
        ("k8s:{namespace}/db", "without the namespace"),
        ("k8s:Orders", "is not a valid name of a Secret"),
        ("k8s:lg-db-" + "0" * 32, "is reserved for lastgood"),
        ("k8s:lastgood-webhook-ca", "is reserved for lastgood"),
        ("k8s@cluster:b-db", None),
    ],
)
def test_p7_no_annotation_names_another_namespace(annotation: str, says: str | None) -> None:
    """It is refused in words."""
    verdict = admit(make.pod(annotations=make.asking(db=annotation)), "payments", POLICIES, CONFIG)
    if says is None:
        assert verdict.outcome is Outcome.INJECTED
        return
    assert verdict.outcome is Outcome.DENIED
    assert says in verdict.message


def test_a_refusal_lists_what_an_annotation_may_have() -> None:
    """No namespace, and nothing of another one."""
    text = TEXT.replace("k8s:{namespace}/*", "k8s:{namespace}/app-*").replace(
        "k8s:*/shared", "k8s:orders/o-*"
    )
    policies = load_texts({"policy.yaml": text})
    asked = make.pod(annotations=make.asking(db="k8s:db"))
    verdict = admit(asked, "payments", policies, CONFIG)
    assert verdict.message.endswith("Allowed: k8s:app-*, k8s:b-*")


def test_what_is_named_to_choose_an_account_is_an_annotation() -> None:
    """It is taken when it is written so."""
    asked = make.pod(annotations=make.asking(db="k8s:b-db"))
    says = admit(asked, "payments", POLICIES, CONFIG).message
    [*_, example] = [word for word in says.split('"') if word.startswith("k8s@")]
    again = make.pod(annotations=make.asking(db=example))
    assert admit(again, "payments", POLICIES, CONFIG).outcome is Outcome.INJECTED
