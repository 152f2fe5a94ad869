"""What one pod can cost the others."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st

from contract import spelling
from tests import make
from tests.webhook import given
from tests.webhook.given import admitted, answered
from webhook import cost, patch
from webhook.pod_annotations import read
from webhook.verdict import MOST_MISTAKES, Denial, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection

GOOD = make.asking(db="aws-sm:/prod/payments/db#password")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many words each wrong one was compared with."""
    found: list[int] = []
    compare = difflib.get_close_matches

    def counted(word: str, possibilities: Collection[str], n: int, cutoff: float) -> list[str]:
        found.append(len(possibilities))
        assert len(word) <= spelling.MOST_LETTERS
        return compare(word, possibilities, n, cutoff)

    monkeypatch.setattr(spelling, "get_close_matches", counted)
    return found


def _prefixed(annotations: dict[str, str]) -> dict[str, str]:
    return {f"lastgood.dev/{key}": value for key, value in annotations.items()}


def _crowd(count: int, **annotations: str) -> dict[str, Any]:
    containers = [make.container(f"container-{number}") for number in range(count)]
    return make.pod(annotations=GOOD | _prefixed(annotations), containers=containers)


LONG = "x" * 100_000
WORST = {
    "variables of secrets that are not there": make.pod(
        annotations={
            **make.asking(**{f"secret-{n}": "aws-sm:/prod/payments/db" for n in range(1000)}),
            **_prefixed({f"env.V{n}": f"sacret-{n}" for n in range(1000)}),
        }
    ),
    "files of secrets that are not there": make.pod(
        annotations={
            **make.asking(**{f"secret-{n}": "aws-sm:/prod/payments/db" for n in range(1000)}),
            **_prefixed({f"file.sacret-{n}": "x" for n in range(1000)}),
        }
    ),
    "annotations that are none": make.pod(
        annotations=_prefixed({f"secrits.s{n}": "x" for n in range(2000)})
    ),
    "accounts that are none": make.pod(
        annotations=make.asking(
            **{f"s{n}": f"aws-sm@aws-prud{n}:/prod/payments/db" for n in range(2000)}
        )
    ),
    "containers that are none": _crowd(
        2000, containers=",".join(f"cantainer-{n}" for n in range(64))
    ),
    "too many containers": _crowd(2, containers=",".join(f"cantainer-{n}" for n in range(9999))),
    "long names": make.pod(
        annotations=GOOD
        | _prefixed({f"secret.{LONG}": "x", f"env.{LONG}": LONG, f"file.{LONG}": LONG, LONG: LONG})
    ),
}


@pytest.mark.parametrize("case", WORST)
def test_p10_the_worst_pod_takes_little_of_the_others_time(case: str, compared: list[int]) -> None:
    """Spellings are sought for a few mistakes, among a few words, and the answer stays small."""
    verdict = admitted(WORST[case])
    assert verdict.outcome is Outcome.DENIED
    assert len(compared) <= 100
    assert max(compared, default=0) <= spelling.MOST_WORDS
    assert len(verdict.message) < 32_000


def _all(count: int, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [make.container(f"c{at}", **fields) for at in range(count)]


VARIABLES = _prefixed({f"env.V{n}": "db-password" for n in range(500)})
PASSWORD = make.asking(db_password="aws-sm:/prod/payments/db")
LIMITED: dict[str, tuple[dict[str, Any], str]] = {
    "500 variables x 200 containers x a long path": (
        make.pod(
            None,
            *_all(200),
            annotations=PASSWORD | VARIABLES | _prefixed({"mount-path": "/" + "m" * 1000}),
        ),
        (
            "lastgood.dev/env.<VAR>: 500 variables and a mount path of 1001 characters in 200"
            " containers make a patch of up to 113810200 bytes. Allowed: 1048576"
        ),
    ),
    "a long path in many containers": (
        make.pod(
            None,
            *_all(1000),
            annotations=PASSWORD | _prefixed({"mount-path": "/" + "m" * 1000}),
        ),
        (
            "lastgood.dev/env.<VAR>: 0 variables and a mount path of 1001 characters in 1000"
            " containers make a patch of up to 1161000 bytes. Allowed: 1048576"
        ),
    ),
    "many containers": (
        make.pod(None, *_all(1000), annotations=PASSWORD, initContainers=_all(25)),
        "spec.containers: the pod has 1025 containers, with init containers. Allowed: 1024",
    ),
    "long annotations": (
        make.pod(annotations=PASSWORD | {"example.org/x": "x" * (256 << 10)}),
        "metadata.annotations: the annotations have 262212 characters. Allowed: 262144",
    ),
}


@pytest.mark.parametrize(("pod", "message"), LIMITED.values(), ids=LIMITED)
def test_p10_a_costly_pod_is_denied_before_anything_is_built(
    pod: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the limit's name, with both figures."""

    def built(*_: object, **__: object) -> None:
        raise AssertionError("built")

    for place in (
        "webhook.admit.inject",
        "webhook.injection_plan._variables",
        "webhook.injection_plan._request",
    ):
        monkeypatch.setattr(place, built)
    verdict = admitted(pod)
    assert verdict.message == message
    assert verdict.mistakes[0].reason is Denial.LIMIT


def test_p10_the_estimate_is_never_below_the_patch() -> None:
    """The bytes of the real patch for variables and mounts, at each size that is allowed."""
    for containers, variables, path in ((1, 1, 1), (1, 300, 900), (40, 90, 100), (900, 0, 900)):
        asked = PASSWORD | _prefixed({f"env.V{n}": "db-password" for n in range(variables)})
        asked |= _prefixed({"mount-path": "/" + "m" * path})
        env = [{"name": "ITS_OWN", "value": "x"}]
        pod = make.pod(None, *_all(containers, env=env), annotations=asked)
        wanted = read(tuple(asked.items()))[0]
        operations = patch.diff(pod, admitted(pod).pod)
        size = len(
            json.dumps(
                [item for item in operations if item["path"].startswith("/spec/containers/")],
                separators=(",", ":"),
            )
        )
        assert cost.bytes_per_container(wanted) * containers + 4096 >= size


def test_p10_a_container_name_is_cut_in_every_message() -> None:
    """It is checked only after this, and may be as long as the body: 50 times it is not said."""
    mounts = [{"name": "v", "mountPath": "/var/run/secrets-cache"}] * 2000
    pod = make.pod(None, make.container("x" * 500_000, volumeMounts=mounts))
    verdict = admitted(pod)
    assert len(verdict.mistakes) == MOST_MISTAKES
    assert len(verdict.message) < 32_000


def test_p10_many_values_are_not_parsed() -> None:
    """A denial where the body begins as the API server's do, else a 413; strings count too."""
    pod = make.pod(tolerations=[{}] * cost.MOST_VALUES)
    document = json.loads(given.review(pod))
    request = document["request"]
    ordered = {
        "kind": document["kind"],
        "apiVersion": document["apiVersion"],
        "request": {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", **request} | {"uid": "u-1"},
    }
    body = json.dumps(ordered, separators=(",", ":")).encode()
    status, answer, log = answered(body)
    assert (status, answer["response"]["uid"]) == (200, "u-1")
    assert answer["response"]["status"]["message"] == (
        f"request: the review has up to {cost.values(body)} JSON values. Allowed: 100000"
    )
    assert len(log) < 1000
    status, answer, _ = answered(given.review(pod))
    assert status == 413
    assert answer["message"].endswith("JSON values. Allowed: 100000")


documents = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@hypothesis.given(documents)
def test_the_count_is_never_below_the_values(document: object) -> None:
    """Of any JSON, written in any way."""

    def count(value: object) -> int:
        if isinstance(value, dict):
            return 1 + sum(map(count, value.values()))
        return 1 + sum(map(count, value)) if isinstance(value, list) else 1

    for separators in ((",", ":"), (" , ", " : ")):
        body = json.dumps(document, separators=separators).encode()
        assert cost.values(body) >= count(document)


def test_p10_a_patch_with_much_of_the_users_own_is_denied() -> None:
    """A gate that has to move takes with it what another webhook added to it."""
    pod = admitted(make.pod()).pod
    gate = pod["spec"]["initContainers"][0]
    env = [{"name": f"E{at}", "value": "x" * 1000} for at in range(1100)]
    inits = [make.container("first"), {**gate, "env": env}]
    moved = {**pod, "spec": {**pod["spec"], "initContainers": inits}}
    status, answer, _ = answered(given.review(moved))
    assert status == 200
    assert "bytes. Allowed: 1048576" in answer["response"]["status"]["message"]


def test_p8_a_log_line_is_short_whatever_is_sent() -> None:
    """Names are cut and escaped; of many mistakes some are logged, and how many there are."""
    pod = make.pod(annotations={f"lastgood.dev/x{at}": "y" for at in range(300)})
    pod["metadata"]["name"] = "\n" * 1_000_000
    _, answer, log = answered(given.review(pod))
    assert answer["response"]["allowed"] is False
    line = json.loads(log)
    assert len(log) < 8000
    assert len(line["name"]) <= 253
    assert line["name"].isprintable()
    assert (len(line["mistakes"]), line["mistakes_count"]) == (10, MOST_MISTAKES)


def test_p10_two_init_containers_of_one_name_both_stay() -> None:
    """The API server refuses them; a pod that lost one would start without it."""
    inits = [make.container("migrate", args=["one"]), make.container("migrate", args=["two"])]
    pod = admitted(make.pod(initContainers=inits)).pod
    users = [item for item in pod["spec"]["initContainers"] if item["name"] == "migrate"]
    assert users == inits
