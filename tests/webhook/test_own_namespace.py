"""Secrets of the pod's own namespace: the namespace is the pod's, whatever its annotations say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from policy.load import load_texts
from tests import make
from tests.webhook.given import CONFIG
from webhook.admit import admit
from webhook.template_cache import TemplateCache
from webhook.verdict import Outcome
from webhook.wellformed import malformed

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


NAME = {"name": "db-secret"}
READS: dict[str, tuple[dict[str, Any], str]] = {
    "a variable": (
        {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": NAME | {"key": "p"}}}]},
        "env DB_PASSWORD",
    ),
    "all variables": ({"envFrom": [{"secretRef": NAME}]}, "envFrom of container app"),
}
MOUNTS: dict[str, dict[str, Any]] = {
    "a volume": {"secret": {"secretName": "db-secret"}},
    "a projected volume": {"projected": {"sources": [{"configMap": NAME}, {"secret": NAME}]}},
}
SO = "still reads the Secret db-secret, so the pod does not start without it"


def _warnings(*containers: dict[str, Any], reference: str, **spec: object) -> tuple[str, ...]:
    """Of a pod that gets a Secret from lastgood too; what is a pod for the webhook is one here."""
    pod = make.pod("web-1", *containers, annotations=make.asking(db=reference))
    pod["spec"] |= {"securityContext": {"fsGroup": 2000}, **spec}
    assert malformed(pod) is None
    verdict = admit(pod, "payments", POLICIES, CONFIG)
    assert verdict.outcome is Outcome.INJECTED
    return tuple(text for text in verdict.warnings if "still reads" in text)


@pytest.mark.parametrize(("reads", "place"), READS.values(), ids=READS)
def test_what_still_reads_the_secret_is_warned_of(reads: dict[str, Any], place: str) -> None:
    """In init containers too. The kubelet waits for the Secret, whatever lastgood has."""
    container = {"name": "app", "image": "app"}
    assert _warnings(container | reads, reference="k8s:db-secret#p") == (f"{place} {SO}",)
    init = {"initContainers": [container | reads]}
    other = {"name": "web", "image": "web"}
    assert _warnings(other, reference="k8s:db-secret", **init) == (f"{place} {SO}",)
    assert _warnings(container | reads, reference="k8s:db") == (), "another Secret"


@pytest.mark.parametrize("volume", MOUNTS.values(), ids=MOUNTS)
def test_a_volume_of_the_secret_is_warned_of(volume: dict[str, Any]) -> None:
    """Also one that no container mounts: the kubelet sets up all."""
    found = _warnings(reference="k8s:db-secret", volumes=[{"name": "old", **volume}])
    assert found == (f"volume old {SO}",)


def test_an_optional_secret_is_not_warned_of() -> None:
    """The pod starts without it."""
    reference = NAME | {"key": "p", "optional": True}
    env = [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": reference}}]
    volumes = [{"name": "old", "secret": {"secretName": "db-secret", "optional": True}}]
    container = {"name": "app", "image": "app", "env": env}
    assert _warnings(container, reference="k8s:db-secret", volumes=volumes) == ()


def test_many_readers_are_few_warnings() -> None:
    """The API server passes on few characters."""
    reference = {"secretKeyRef": NAME | {"key": "p"}}
    env = [{"name": f"V{at}" + "x" * 300, "valueFrom": reference} for at in range(100)]
    found = _warnings({"name": "app", "image": "app", "env": env}, reference="k8s:db-secret")
    assert len(found) == 4
    assert all(len(text) < 256 for text in found)


WRONG_CONTAINERS: tuple[dict[str, Any], ...] = (
    {"env": [{"name": "A", "valueFrom": "x"}]},
    {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": 1}}}]},
    {"envFrom": [{"secretRef": []}]},
)
WRONG_VOLUMES: tuple[dict[str, Any], ...] = (
    {"secret": {"secretName": []}},
    {"projected": {"sources": {}}},
)


def test_a_manifest_with_another_type_there_is_no_pod() -> None:
    """`render` reads what no API server has."""
    for wrong in WRONG_CONTAINERS:
        assert malformed(make.pod("web-1", {"name": "app", **wrong})) is not None
    for volume in WRONG_VOLUMES:
        assert malformed(make.pod(volumes=[{"name": "v", **volume}])) is not None
