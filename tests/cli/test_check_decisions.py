"""The decisions of `lastgood check`, on what real clusters say."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

import pytest

from apiserver.install import INSTALLED
from cli.checks import admin, enforcement, platform, rights, running, trials, webhook
from cli.checks.enforcement import Trial, refusal
from cli.checks.facts import Facts
from cli.checks.model import Level, Unknown, carried_out, named
from cli.checks.rights import Right
from cli.checks.table import AFTER, BEFORE
from cli.options import duration
from kube.forbidden_requests import AttemptOutcome
from tests.make.waiting import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

import yaml

NOW = 1_800_000_000.0
OK, WARNING, FAILED, SKIPPED = Level
CHECKS = {it.name: it for it in (*BEFORE, *AFTER)}


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("v1.30.4-gke.1200", OK),
        ("v1.31.2+k3s1", OK),
        ("v1.30.8-eks-2d5f260", OK),
        ("v1.29.7-eks-a18cd3a", FAILED),
        ("v1.27.16-gke.1373000", FAILED),
        ("v1.30.0-rc.1", OK),
        ("v1.32.0-alpha.0.123+abcdef", OK),
        ("v1.37.2", OK),
        ("v1.38.0", WARNING),
        ("v2.0.0", WARNING),
        ("1.33.1", OK),
        ("v1.9.11", FAILED),
        ("v1.30", OK),
        ("v1.300.1", WARNING),
        ("", WARNING),
        ("None", WARNING),
        ("unknown", WARNING),
    ],
)
def test_versions_of_distributions(version: str, level: Level) -> None:
    """Whatever a distribution appends."""
    assert platform.version(version).level is level


ANSWERS = {
    # kube-apiserver 1.30 to 1.37, and issues of other webhooks
    'admission webhook "pods.lastgood.dev" denied the request: namespace default has no label': (
        403,
        OK,
        "it answered",
    ),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": tls: failed to'
    " verify certificate: x509: certificate signed by unknown authority": (
        500,
        FAILED,
        "does not trust",
    ),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": no endpoints'
    ' available for service "lastgood-webhook"': (
        500,
        FAILED,
        "no replica of the webhook is ready",
    ),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": context deadline'
    " exceeded": (500, FAILED, "does not answer in time"),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": dial tcp'
    " 10.96.1.7:443: connect: connection refused": (500, FAILED, "nothing listens"),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": service'
    ' "lastgood-webhook" not found': (500, FAILED, "the Service lastgood-webhook does not exist"),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": dial tcp'
    " 10.0.0.3:10250: connect: no route to host": (500, FAILED, "no route"),
    'Internal error occurred: failed calling webhook "pods.lastgood.dev": failed to call webhook:'
    ' Post "https://lastgood-webhook.lastgood-system.svc:443/mutate?timeout=5s": EOF': (
        500,
        FAILED,
        "cannot call the webhook",
    ),
    'admission webhook "sidecar.example.com" does not support dry run': (400, SKIPPED, "dry runs"),
    'pods "lastgood-check-x" is forbidden: error looking up service account default/default:'
    ' serviceaccount "default" not found': (403, SKIPPED, "you may not create pods here"),
    'pods is forbidden: User "dev" cannot create resource "pods" in API group "" in the namespace'
    ' "default"': (403, SKIPPED, "you may not create pods here"),
    'namespaces "gone" not found': (404, SKIPPED, "there is no such namespace"),
    "etcdserver: request timed out": (500, SKIPPED, "answered 500"),
    "exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10": (
        403,
        SKIPPED,
        "another policy refuses",
    ),
    "pods \"lastgood-check-x\" is forbidden: ValidatingAdmissionPolicy 'lastgood-guard-pods' with"
    " binding 'lastgood-guard-pods' denied request: the pod has lastgood.dev annotations": (
        422,
        FAILED,
        "did not call it",
    ),
}
"""What an API server says to the trial pod: status, level, words."""


@pytest.mark.parametrize(("message", "expected"), ANSWERS.items())
def test_answers_to_the_trial_pod(message: str, expected: tuple[int, Level, str]) -> None:
    """By texts that are sought in the answer; the rest of it is not kept."""
    status, level, words = expected
    finding = webhook.reached(_trial(status, message), "lastgood-system")
    assert (finding.level, words in finding.said) == (level, True), finding


def _trial(status: int, message: str) -> Trial:
    body = json.dumps({"kind": "Status", "message": message}).encode()
    texts = frozenset(text for text in trials.ENCODED if text in body)
    return trials.outcome(AttemptOutcome(status, bool(texts), texts))


def test_an_injected_trial_pod() -> None:
    """A namespace whose policy allows the trial's secret."""
    finding = webhook.reached(_trial(201, "lastgood.dev/injected"), "lastgood-system")
    assert finding.level is OK


@pytest.mark.parametrize(
    ("trial", "level"),
    [
        (Trial(status=422, told=frozenset({refusal(enforcement.OBJECTS)})), OK),
        (Trial(status=201, told=frozenset()), FAILED),
        (Trial(status=403, told=frozenset()), SKIPPED),
        (Trial(status=404, told=frozenset()), SKIPPED),
        (Trial(status=422, told=frozenset({refusal(enforcement.PODS)})), SKIPPED),
    ],
)
def test_who_refused_a_forged_object(trial: Trial, level: Level) -> None:
    """Only the policy's own refusal counts: RBAC's says nothing of it."""
    assert enforcement.objects(trial).level is level


PAGE = """\
# HELP lastgood_certificate_not_after_timestamp_seconds Expiry of the certificate
# TYPE lastgood_certificate_not_after_timestamp_seconds gauge
lastgood_certificate_not_after_timestamp_seconds{kind="leaf"} 1.8004e+09
lastgood_certificate_not_after_timestamp_seconds{kind="ca"} 1.83e+09
lastgood_ca_bundle_in_sync 1.0
lastgood_admission_total{verdict="injected",reason="none"} 3.0
"""


def test_metrics_of_a_replica() -> None:
    """By the metric's name."""
    expected = {"leaf": 1.8004e9, "in_sync": 1.0}
    assert webhook.figures(PAGE) == expected
    assert webhook.figures("404 page not found\n") == {}


@pytest.mark.parametrize(
    ("pages", "level", "words"),
    [
        ({"a": {"leaf": NOW + 6e5, "in_sync": 1.0}}, OK, "6 days"),
        ({"a": {"leaf": NOW + 3600}}, WARNING, "in 1 hours"),
        ({"a": {"leaf": NOW - 1}, "b": {"leaf": NOW + 6e5}}, FAILED, "expired at a"),
        ({"a": {"leaf": NOW + 6e5, "in_sync": 0.0}}, FAILED, "caBundle lacks the CA of a"),
        ({"a": {}}, SKIPPED, "no replica reports its certificate"),
        ({}, SKIPPED, "no replica"),
    ],
)
def test_certificates(pages: dict[str, dict[str, float]], level: Level, words: str) -> None:
    """Of each replica."""
    finding = webhook.certificates(pages, NOW)
    assert (finding.level, words in finding.said) == (level, True), finding


def test_a_cluster_without_admission_policies() -> None:
    """Kubernetes before 1.30, or with the API switched off."""
    found = platform.admission_api(frozenset({"mutatingwebhookconfigurations"}))
    assert found.level is FAILED
    assert platform.admission_api(frozenset(platform.GUARDED)).level is OK
    assert platform.served_definitions(frozenset()).level is FAILED


def test_rights_are_those_of_the_chart() -> None:
    """Each rule of the chart's roles is looked at, and nothing that the chart does not grant."""
    system = "lastgood-system"
    controller = {*rights.controller_rights(system), *rights.IN_NAMESPACES}
    assert controller == {*_chart("lastgood-controller")}
    assert {*rights.webhook_rights(system, own_ca=True)} == {*_chart("lastgood-webhook")}


def _chart(name: str) -> Iterator[Right]:
    for item in yaml.safe_load_all(INSTALLED.read_text()):
        if item["metadata"]["name"] != name or item["kind"] not in {"Role", "ClusterRole"}:
            continue
        namespace = item["metadata"].get("namespace", "")
        for rule in item["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for one in rule.get("resourceNames", [""]):
                            yield Right(verb, resource, group, namespace, one)


def test_each_line_has_a_heading_in_the_docs() -> None:
    """So that its link leads somewhere, and each heading has its line."""
    text = (REPOSITORY / "docs" / "check.md").read_text()
    part = text.partition("## lastgood check\n")[2].partition("\n## ")[0]
    headings = [line.removeprefix("### ") for line in part.splitlines() if line[:4] == "### "]
    assert sorted(headings) == sorted(CHECKS)
    assert len(headings) == len(set(headings))


def test_each_fact_is_read() -> None:
    """The parameters of decisions are facts."""
    assert [n for it in CHECKS.values() for n in it.needs if not hasattr(Facts, n)] == []


def test_what_cannot_be_known_is_skipped() -> None:
    """Or has failed, where that is the cluster's fault; the decision is not asked."""
    (check,) = [CHECKS["leader"]]
    for failed, level in ((False, SKIPPED), (True, FAILED)):
        facts = {"leases": Unknown("you may not list leases", failed), "system": "a"}
        (line,) = carried_out([check], facts)
        assert (line.finding.level, line.finding.said) == (level, "you may not list leases")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("0", 0), ("1.5", 1.5), ("90s", 90), ("2m", 120), ("1m30s", 90), ("1h", 3600)],
)
def test_durations(text: str, expected: float) -> None:
    """As in policies, or a number of seconds."""
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "2h", "m", "5d", "-1", "1s1m", "nan", "inf"])
def test_what_is_no_duration(text: str) -> None:
    """It is refused, and what is longer than an hour."""
    with pytest.raises(ArgumentTypeError):
        duration(text)


def test_odd_objects() -> None:
    """What an API server may leave out."""
    bare: dict[str, Any] = {"metadata": {"name": "a", "namespace": "n"}}
    assert admin.budgets({"a": bare}).said == "no secret is in use yet"
    assert admin.logins({"a": {**bare, "status": None}}).level is SKIPPED
    assert admin.unused([{**bare, "status": {"unusedSince": "never"}}], NOW).level is OK
    assert webhook.configuration([bare]).level is FAILED
    assert running.versions([], [], "n", "0.1.0").level is SKIPPED
    assert webhook.authorities("%%%") == []
    assert webhook.authorities("") == []
    assert named(["b", "a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("ghcr.io/lastgood/webhook:0.1.0", "0.1.0"),
        ("localhost:5000/lastgood/webhook", "latest"),
        ("localhost:5000/lastgood/webhook:dev", "dev"),
        ("ghcr.io/lastgood/webhook@sha256:0123", ""),
        ("ghcr.io/lastgood/webhook:0.1.0@sha256:0123", ""),
    ],
)
def test_tags_of_images(image: str, tag: str) -> None:
    """With a registry's port, and with a digest, which has no version."""
    other = "ghcr.io/lastgood/controller:0.1.0"
    finding = running.versions(
        [_deployment("webhook", image), _deployment("controller", other)], [], "n", "0.1.0"
    )
    assert finding.level is (OK if tag in {"", "0.1.0"} else WARNING)


def _deployment(component: str, image: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/version": "0.1.0"}
    return {
        "metadata": {"name": f"lastgood-{component}", "namespace": "n", "labels": labels},
        "spec": {"template": {"spec": {"containers": [{"name": component, "image": image}]}}},
    }
