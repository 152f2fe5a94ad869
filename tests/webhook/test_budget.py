"""Resources that a pod has as a whole: what is added for ours, and whose the rest stays."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import annotations as keys
from schema.quantity import parse
from tests import make
from tests.webhook.given import admitted, agent, gate, named
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

Json = dict[str, Any]

FOLLOW = make.asking(db="aws-sm:/prod/payments/db#password")
FIELDS = (("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory"))


def injected(pod: Json) -> Json:
    """The pod after the webhook; JSON of its own, as the next one gets it."""
    verdict = admitted(pod)
    assert verdict.allowed, verdict.message
    return copy.deepcopy(verdict.pod)


def amount(resources: Json, member: str, name: str) -> Fraction:
    """Of one container, or of the pod."""
    return parse(resources.get(member, {}).get(name, 0))


@pytest.mark.parametrize(
    ("given", "member", "name"),
    [
        ("1.3Gi", "limits", "memory"),
        ("1.3Gi", "requests", "memory"),
        ("100.5", "limits", "memory"),
        ("1500u", "limits", "cpu"),
        ("1234567n", "requests", "cpu"),
        ("+1", "limits", "cpu"),
        ("1e009", "limits", "memory"),
        ("0.1", "requests", "cpu"),
    ],
)
def test_what_is_written_holds_the_apps_and_ours(given: str, member: str, name: str) -> None:
    """Rounded up: the API server refuses a pod whose containers' sum is more than the pod's."""
    app = make.container(resources={member: {name: given}})
    pod = injected(make.pod("web", app, annotations=FOLLOW, resources={member: {name: given}}))
    whole = amount(pod["spec"]["resources"], member, name)
    together = parse(given) + amount(agent(pod)["resources"], member, name)
    assert together <= whole
    assert whole >= amount(gate(pod)["resources"], member, name)
    assert (
        whole == parse(given)
        or whole - together < 1
        or whole == amount(gate(pod)["resources"], member, name)
    )


def test_a_negative_one_is_left_to_the_api_server() -> None:
    """Which refuses it, by its name."""
    pod = injected(make.pod(annotations=FOLLOW, resources={"limits": {"memory": "-1Gi"}}))
    assert pod["spec"]["resources"] == {"limits": {"memory": "-1Gi"}}


amounts = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["1", "10m", "1500u", "250m", "2.5", "1e009"]),
        "memory": st.sampled_from(["1.3Gi", "64Mi", "100.5", "1G", "33Mi", "7"]),
    },
)
resources = st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts})


def _set(name: str, found: Json) -> Callable[[Json], None]:
    """Another webhook gives one of the containers other resources."""

    def change(pod: Json) -> None:
        named(pod, name)["resources"] = found

    return change


def _raise(more: str) -> Callable[[Json], None]:
    """Another webhook adds a sidecar and its budget."""

    def change(pod: Json) -> None:
        limits = pod["spec"]["resources"].get("limits") or {}
        if "memory" in limits:
            limits["memory"] = str(int(parse(limits["memory"]) + parse(more)) + 1)

    return change


changes = st.lists(
    st.sampled_from(["app", "lastgood-gate", "lastgood-agent"]).flatmap(
        lambda name: resources.map(lambda found: _set(name, found))
    ),
    max_size=3,
)


@given(resources, resources, changes)
def test_another_webhook_takes_nothing_from_the_pods_budget(
    whole: Json, own: Json, others: list[Callable[[Json], None]]
) -> None:
    """Whatever it did to our containers or to the app's: the next call writes the same sum for the
    same containers, so what is the pod's own stays what it was.
    """
    pod = make.pod("web", make.container(resources=own), annotations=FOLLOW, resources=whole)
    once = injected(pod)
    changed = copy.deepcopy(once)
    for change in others:
        change(changed)
    again = injected(changed)
    for member, name in FIELDS:
        mine = amount(whole, member, name)
        if name not in (whole.get(member) or {}):
            continue
        left = amount(again["spec"]["resources"], member, name)
        needed = mine + amount(agent(again)["resources"], member, name)
        needed = max(needed, amount(gate(again)["resources"], member, name))
        assert 0 <= left - needed < 1
    assert admitted(again).outcome is Outcome.UNCHANGED


def test_a_budget_that_grew_keeps_what_was_added_to_it() -> None:
    """Another webhook's sidecar has its own part."""
    whole = {"limits": {"memory": "100Mi"}}
    once = injected(make.pod("web", annotations=FOLLOW, resources=whole))
    assert once["metadata"]["annotations"][keys.INJECTED] == "0.1.0 limits.memory=34603008"
    _raise("50Mi")(once)
    agent(once)["resources"] = {"limits": {"memory": "90Mi"}}
    assert amount(injected(once)["spec"]["resources"], "limits", "memory") == parse("183Mi") + 1


@pytest.mark.parametrize(
    "mark",
    ["x limits.memory=90Mi", "x limits.memory=-90Mi", "x limits.memory=x", "x  = a=b", "x" * 9999],
)
def test_a_mark_without_a_container_of_ours_says_nothing(mark: str) -> None:
    """What a team wrote there takes nothing from the pod's budget."""
    pod = make.pod(annotations=FOLLOW, resources={"limits": {"memory": "100Mi"}})
    pod["metadata"]["annotations"][keys.INJECTED] = mark
    assert injected(pod)["spec"]["resources"] == {"limits": {"memory": "133Mi"}}


@pytest.mark.parametrize("said", ["limits.memory=x", "limits.memory=-1", "limits.memory=1Ti", "="])
def test_a_mark_that_can_not_be_is_not_followed(said: str) -> None:
    """A copied pod may have another budget than the mark knew."""
    once = injected(make.pod(annotations=FOLLOW, resources={"limits": {"memory": "100Mi"}}))
    once["metadata"]["annotations"][keys.INJECTED] = f"0.1.0 {said}"
    assert amount(injected(once)["spec"]["resources"], "limits", "memory") == parse("166Mi")
