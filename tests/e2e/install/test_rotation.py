"""P12: a rotation reaches running pods, and a bad one leaves them without the provider."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from contract.annotations import RELOAD, SYNC_REQUESTED
from tests.e2e.cluster import digest
from tests.e2e.install.team import (
    NUDGED_S,
    digests,
    kept,
    names,
    read_by_all,
    refresh,
    restarts,
    snapshot,
    state,
    well,
)
from tests.e2e.install.world import TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
ROTATED, QUIET = "/e2e/rotated", "/e2e/quiet/rotated"
RELOADS = {RELOAD: "http://127.0.0.1:8080/reload"}
KUBELET_S = 100.0
"""Until the kubelet looks by itself: at worst a minute and a half, and what looking takes."""


@pytest.fixture(scope="module")
def values(value: str) -> tuple[str, str, str]:
    """Three versions."""
    second, third = (value.replace("first", word) for word in ("second", "third"))
    return value, second, third


@pytest.fixture(scope="module")
def running(installed: Provider, settings: Settings, values: tuple[str, str, str]) -> Provider:
    """Pods of a class that nudges and of one that does not, with the first version."""
    for name, reference in (("rotated", ROTATED), ("quiet", QUIET)):
        installed.put(reference, values[0])
        asks = {**asking(db=f"aws-sm:{reference}"), **RELOADS}
        TEAM.create(deployment(name, app(settings, LISTEN="1"), asks, replicas=2))
    for name in ("rotated", "quiet"):
        TEAM.rolled_out(name)
        assert digests(name) == {digest(values[0])}
    return installed


def nudges(name: str) -> dict[str, str]:
    """The last mark of the controller's on each pod; empty: it made none."""
    found = (item["metadata"] for item in TEAM.pods(name))
    return {item["name"]: item["annotations"].get(SYNC_REQUESTED, "") for item in found}


def reloaded(name: str) -> None:
    """Every app was told, and none was restarted for it."""
    for pod in names(name):
        until(
            f"the reload of {pod}",
            partial(_was_told, pod),
            NUDGED_S,
        )
        assert set(restarts(pod).values()) == {0}


def _was_told(pod: str) -> bool:
    return any(line["event"] == "reload" for line in TEAM.said(pod))


def test_a_rotation_reaches_running_pods_and_reloads_them(
    running: Provider, values: tuple[str, str, str], record_property: Record
) -> None:
    """A rotation reaches running pods by a nudge in seconds; apps are told to reload, and none
    restarts. Pods of a class without nudges get none, and it within the kubelet's minute.
    """
    before, quiet = nudges("rotated"), nudges("quiet")
    latest = running.put(QUIET, values[1])
    refresh(QUIET)
    until("a fetch", lambda: state(QUIET).get("version") == latest, NUDGED_S)
    began = time.monotonic()
    running.put(ROTATED, values[1])
    refresh(ROTATED)
    record_property("nudged after s", round(read_by_all(values[1], "rotated"), 1))
    reloaded("rotated")
    after = nudges("rotated")
    assert after.keys() == before.keys()
    assert all(after[name] and after[name] != before[name] for name in before)
    read_by_all(values[1], "quiet", KUBELET_S)
    record_property("not nudged after s", round(time.monotonic() - began, 1))
    reloaded("quiet")
    assert nudges("quiet") == quiet


def test_p12_a_rollback_reaches_pods_while_the_provider_is_down(
    running: Provider, values: tuple[str, str, str], record_property: Record
) -> None:
    """P12: rollback with the provider down: running pods have the version before in seconds."""
    running.fault("blackhole")
    change = {"spec": {"quarantined": [state(ROTATED)["version"]]}}
    TEAM.patch("secretsnapshot", snapshot(ROTATED)["metadata"]["name"], change)
    record_property("after s", round(read_by_all(values[0], "rotated"), 1))


def test_p12_a_revoked_version_leaves_pods_while_the_provider_is_down(
    running: Provider, values: tuple[str, str, str]
) -> None:
    """P12: revoke with the provider down: no running pod has the revoked value within seconds, and
    no Secret of that source keeps it. The next version is served again.
    """
    version = state(ROTATED)["version"]
    change = {"spec": {"revoked": [version]}}
    TEAM.patch("secretsnapshot", snapshot(ROTATED)["metadata"]["name"], change)
    until("the value to leave", lambda: digest(values[0]) not in digests("rotated"), NUDGED_S)
    until("the status to say so", lambda: version in state(ROTATED).get("revoked", ()), NUDGED_S)
    name = snapshot(ROTATED)["metadata"]["name"]
    until("the Secrets to lose it", lambda: values[0].encode() not in kept(name), NUDGED_S)
    running.put(ROTATED, values[2])
    well(running, ROTATED)
    read_by_all(values[2], "rotated")
