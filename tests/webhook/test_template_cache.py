"""What the webhook remembers between admissions: nothing but what it would find again, and not
without end.
"""

from __future__ import annotations

import copy
import gc
import itertools
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from contract import annotations as keys
from policy.load import load_texts
from tests import make
from tests.webhook.given import CONFIG, POLICY, admitted, policies, written
from webhook import template_cache
from webhook.admit import admit
from webhook.template_cache import TemplateCache

if TYPE_CHECKING:
    from collections.abc import Callable

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
    shared = TemplateCache()
    pods = [
        (make.pod(namespace=namespace, annotations=asked, **one | other), namespace)
        for one, other in itertools.product(({}, *DIFFERENCES), repeat=2)
        for namespace in ("payments", "payments-eu")
    ]
    for pod, namespace in pods:
        alone = admit(copy.deepcopy(pod), namespace, ENABLED, CONFIG)
        assert admit(pod, namespace, ENABLED, CONFIG, shared) == alone
    assert 0 < len(shared) < 4 * len(pods)


MANY = {f"lastgood.dev/secret.a{number}": f"aws-sm:/test/{number}" for number in range(100)}
FILLING: dict[str, Callable[[int], dict[str, Any]]] = {
    "one template, another UID in each pod": lambda number: make.pod(
        annotations=make.asking(db="aws-sm:/test/db"),
        securityContext={"runAsUser": number, "fsGroup": number},
    ),
    "many secrets, another UID in each pod": lambda number: make.pod(
        annotations=MANY, securityContext={"runAsUser": number, "fsGroup": number}
    ),
    "variables with long paths": lambda number: make.pod(
        annotations=make.asking(db="aws-sm:/test/db")
        | {f"lastgood.dev/env.V{at}": "db" for at in range(100)}
        | {keys.MOUNT_PATH: f"/{number:05d}{'m' * 1000}"}
    ),
    "mistakes": lambda number: make.pod(
        annotations={f"lastgood.dev/{number:05d}{at:03d}": "" for at in range(180)}
    ),
    "secrets that are refused": lambda number: make.pod(
        annotations={f"lastgood.dev/secret.a{at}": f"aws-sm:/no/{number}" for at in range(100)}
    ),
}


@pytest.mark.parametrize("case", FILLING)
def test_p13_no_template_fills_the_memory(case: str) -> None:
    """The answers take no more than is counted for them, whatever a tenant writes, up to the
    bound.
    """
    many = load_texts({"policy.yaml": written(limits={"secretsPerPod": 256})})
    shared, looked = TemplateCache(), 0
    tracemalloc.start()
    try:
        for number in range(1, 10_000):
            pod = json.loads(json.dumps(FILLING[case](number)))
            before = shared.size_bytes
            admit(pod, "payments", many, CONFIG, shared)
            if shared.size_bytes < before:
                break
            if shared.size_bytes > looked + (2 << 20):
                looked = shared.size_bytes
                del pod
                gc.collect()
                assert tracemalloc.get_traced_memory()[0] <= looked
    finally:
        tracemalloc.stop()
    assert looked > template_cache.MOST_BYTES * 0.8
    assert shared.size_bytes < template_cache.MOST_BYTES / 2


def test_p13_a_long_template_is_not_remembered() -> None:
    """It gets the same answer each time."""
    shared = TemplateCache()
    asked = ASKED["follow"] | {keys.SECRET + "long": "aws-sm:/test/" + "x" * template_cache.LONGEST}
    pod = make.pod(annotations=asked)
    assert admit(pod, "payments", policies(), CONFIG, shared) == admitted(pod)
    assert len(shared) == 0


def test_an_answer_belongs_to_all_arguments() -> None:
    """None can be left out of the key: the arguments are the key, and a function has no others."""
    shared = TemplateCache()
    template = shared.template((("a", "b"),))
    assert [template.call(divmod, a, b) for a, b in ((7, 2), (7, 3), (7, 2))] == [
        *((3, 1), (2, 1), (3, 1)),
    ]
    assert len(shared) == 2


def test_only_functions_of_modules_are_remembered() -> None:
    """A closure would have more arguments than its key tells."""
    shared = TemplateCache()
    for asked in ASKED.values():
        admit(make.pod(annotations=asked), "payments", ENABLED, CONFIG, shared)
    functions = {key[0] for key in shared.answers}
    assert {it.__name__ for it in functions} == {
        "read",
        "_grant",
        "_variables",
        "_request",
        "parts",
    }
    assert all(it.__closure__ is None and "." not in it.__qualname__ for it in functions)
