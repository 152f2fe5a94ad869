"""Pods that are refused for what they are, beside what their annotations say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.annotations import INJECTED
from contract.secret_bytes import SecretBytes
from policy.load import load_texts
from refresh.model import Checks
from refresh.validate import check
from tests import make
from tests.webhook.given import CONFIG, admitted, written
from webhook.admit import MOST_ANNOTATIONS, admit
from webhook.verdict import MOST_MISTAKES, Denial, Outcome

PEM = "-----BEGIN EC PRIVATE KEY-----\nMTIz\n-----END EC PRIVATE KEY-----\n"
GOOD = make.asking(db="aws-sm:/prod/payments/db#password")

NAMESPACES = {
    "bare": (
        "namespace bare has no label lastgood.dev/policy. An admin must set it to the name of a"
        " SecretPolicy"
    ),
    "unknown": (
        "namespace unknown has no label lastgood.dev/policy. An admin must set it to the name of a"
        " SecretPolicy"
    ),
    "lost": (
        "namespace lost selects SecretPolicy payment, which does not exist. An admin must create"
        " it, or correct the label lastgood.dev/policy"
    ),
    "other": (
        "policy payments does not list namespace other. An admin must add it to spec.namespaces"
    ),
}


@pytest.mark.parametrize(("namespace", "message"), NAMESPACES.items(), ids=NAMESPACES)
def test_p7_without_policy_nothing_is_injected(namespace: str, message: str) -> None:
    """Label and policy must both name the other, or an opted-in pod is refused once, not bare."""
    verdict = admitted(make.pod(namespace=None), namespace)
    assert verdict.message == f"metadata.namespace: {message}"
    assert verdict.mistakes[0].reason is Denial.NO_POLICY


def test_the_requests_namespace_decides() -> None:
    """A template may say another one, which the API server ignores as well: the pod is injected as
    one of the request's, and says what it said.
    """
    verdict = admitted(make.pod(namespace="orders"))
    assert verdict.outcome is Outcome.INJECTED
    assert verdict.pod["metadata"]["namespace"] == "orders"
    same = admitted(make.pod(namespace="payments"))
    assert verdict.plan == same.plan
    denied = admitted(make.pod(namespace="payments"), "bare")
    assert denied.mistakes[0].reason is Denial.NO_POLICY


def test_a_property_of_what_must_be_pem_is_refused() -> None:
    """No value is a JSON object and PEM, so the pod would wait without end. The whole may be."""
    pem = {**make.source("aws-prod", "aws-sm:/prod/payments/*"), "validate": [{"pem": True}]}
    found = load_texts({"policy.yaml": written(sources=[pem])})
    pod = make.pod(annotations=GOOD)
    assert admit(pod, "payments", found, CONFIG).message == (
        "lastgood.dev/secret.db: policy payments accepts only PEM here (validate: pem), and PEM has"
        " no property password. Remove #password to get the whole value"
    )
    whole = make.pod(annotations=make.asking(db="aws-sm:/prod/payments/db"))
    assert admit(whole, "payments", found, CONFIG).outcome is Outcome.INJECTED


@pytest.mark.parametrize(
    ("check_", "what"), [({"pem": True}, "PEM"), ({"requiredKeys": ["user"]}, "JSON objects")]
)
def test_a_line_for_what_has_no_line_is_refused(check_: dict[str, object], what: str) -> None:
    """No such value fits into dotenv, so the pod would wait without end. JSON carries it."""
    checked = {**make.source("aws-prod", "aws-sm:/prod/payments/*"), "validate": [check_]}
    found = load_texts({"policy.yaml": written(sources=[checked])})
    asked = make.asking(db="aws-sm:/prod/payments/db")
    pod = make.pod(annotations={**asked, "lastgood.dev/bundle": "dotenv"})
    assert admit(pod, "payments", found, CONFIG).message == (
        f"lastgood.dev/secret.db: policy payments accepts only {what} here, and"
        " lastgood.dev/bundle: dotenv cannot contain them. Set lastgood.dev/bundle: json, or remove"
        " the bundle"
    )
    pod = make.pod(annotations={**asked, "lastgood.dev/bundle": "json"})
    assert admit(pod, "payments", found, CONFIG).outcome is Outcome.INJECTED


@given(members=st.dictionaries(st.text(max_size=8), st.text() | st.just(PEM), max_size=3))
def test_no_json_object_is_pem(members: dict[str, str]) -> None:
    """What the denial rests on, by the check that the controller makes."""
    checks = Checks(max_bytes=10_000, validations=({"pem": True},))
    for ascii_only in (True, False):
        raw = json.dumps(members, ensure_ascii=ascii_only, indent=1).encode("utf-8", "replace")
        assert check(SecretBytes(raw), checks, frozenset(), object_needed=True) is not None


def test_too_many_secrets_are_refused() -> None:
    """The policy's secretsPerPod holds."""
    many = make.asking(**{f"s{at}": f"aws-sm:/prod/payments/s{at}" for at in range(5)})
    message = admitted(make.pod(annotations=many)).message
    assert message == (
        "lastgood.dev/secret.<name>: the pod has 5 secrets, but policy payments allows 4 per pod"
    )


def test_annotations_without_a_secret_are_refused() -> None:
    """A pod that asks for nothing but uses our keys has a mistake somewhere."""
    message = admitted(make.pod(annotations={"lastgood.dev/mode": "follow"})).message
    assert message == (
        "lastgood.dev/secret.<name>: no secret is requested, so there is nothing to inject"
    )


TAKEN: dict[str, tuple[dict[str, Any], str]] = {
    "container": ({"initContainers": [make.container("lastgood-gate")]}, "spec.initContainers"),
    "volume": ({"volumes": [{"name": "lastgood-cache", "emptyDir": {}}]}, "spec.volumes"),
}


@pytest.mark.parametrize(("spec", "field"), TAKEN.values(), ids=TAKEN)
def test_our_names_are_ours(spec: dict[str, Any], field: str) -> None:
    """A user's own container or volume with a name of ours is refused."""
    (name,) = (item["name"] for items in spec.values() for item in items)
    message = admitted(make.pod(**spec)).message
    assert message == f'{field}: "{name}" is a reserved name of lastgood. Choose another name'


def test_a_mark_alone_does_not_make_a_container_ours() -> None:
    """A container of our name without a plan is the user's, whatever the pod's mark says."""
    pod = make.pod(initContainers=[make.container("lastgood-gate")])
    pod["metadata"]["annotations"][INJECTED] = "0.1.0"
    assert admitted(pod).mistakes[0].reason is Denial.COLLISION


def test_pod_level_resources_that_are_none_are_refused() -> None:
    """A quantity that can't be raised is named."""
    message = admitted(make.pod(resources={"limits": {"memory": "lots"}})).message
    assert message == "spec.resources: spec.resources.limits.memory is not a quantity"


@pytest.mark.parametrize("prefix", ["LASTGOOD.dev/", "Lastgood.Dev/"])
def test_p10_a_prefix_in_other_letters_does_not_start_bare(prefix: str) -> None:
    """The API server takes the prefix of a key in any case; so do we, and name the right one."""
    verdict = admitted(make.pod(annotations={prefix + "secret.db": "aws-sm:/prod/payments/db"}))
    assert verdict.outcome is Outcome.DENIED
    assert f'{prefix}secret.db: unknown annotation. Did you mean "lastgood.dev/secret.db"?' in (
        verdict.message
    )


def test_p13_of_very_many_mistakes_some_are_told() -> None:
    """The answer stays small: the first ones, and that there are more."""
    pod = make.pod(annotations={f"lastgood.dev/x{number}": "y" for number in range(300)})
    verdict = admitted(pod)
    assert len(verdict.mistakes) == MOST_MISTAKES
    assert str(verdict.mistakes[-1]) == (
        "metadata.annotations: there are more mistakes. Correct these first"
    )


def test_p13_very_many_annotations_are_not_read() -> None:
    """One sentence with the bound; a pod that does not opt in is no business of ours."""
    many = {f"example.org/x{number}": "y" for number in range(MOST_ANNOTATIONS)}
    assert admitted(make.pod(annotations=many)).outcome is Outcome.UNCHANGED
    verdict = admitted(make.pod(annotations=many | GOOD))
    assert verdict.outcome is Outcome.DENIED
    assert verdict.message == (
        "metadata.annotations: the pod has 2049 annotations. Allowed with lastgood: 2048"
    )
