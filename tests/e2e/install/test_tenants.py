"""P13: what another namespace does or asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from contract.snapshot_format import SECRET_TYPE
from controller.snapshot_objects import declaration
from tests.e2e.cluster import digest
from tests.e2e.install import evidence
from tests.e2e.install.kubectl import run
from tests.e2e.install.team import digests, read_by_all, refresh, snapshot, state
from tests.e2e.install.world import DB, NARROW_ACCOUNT, OTHER, SYSTEM, TEAM, app, deployment, pod
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
MINE, NARROW = "/e2e/tenant", "/e2e/narrow/tenant"
PINNED = 180
MOST_CALLS = 30
"""Of the narrow account's between the request to rotate and its arrival: in turns a few, and what
is made while this test looks. In order of arrival they are as many as are queued."""
CALLS = re.compile(
    r"^lastgood_provider_requests_total\{"
    rf'account="{NARROW_ACCOUNT}",code="(\w+)",operation="(\w+)"\}} (\S+)$',
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def team(installed: Provider, settings: Settings, value: str) -> Provider:
    """A pod of the team's, with a snapshot of its own."""
    installed.put(MINE, value)
    TEAM.create(deployment("tenant", app(settings), asking(db=f"aws-sm:{MINE}")))
    TEAM.rolled_out("tenant")
    assert digests("tenant") == {digest(value)}
    return installed


def test_p13_another_namespace_gets_no_secret_of_the_teams(
    team: Provider, settings: Settings
) -> None:
    """P13: another namespace's pod may not ask for the team's secret, and a forged or squatted
    snapshot is refused there; each refusal says why.
    """
    del team
    said = OTHER.refused(pod("thief", app(settings), asking(db=DB)))
    assert "no source allows" in said or "policy" in said, said
    assert "/other/" not in said, "any pod may ask as any namespace, so no pattern is named"
    name = snapshot(MINE)["metadata"]["name"]
    forged = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": SECRET_TYPE}
    assert "lastgood" in OTHER.refused(forged)
    user = f"system:serviceaccount:{OTHER.namespace}:default"
    for act in (("get", "secrets"), ("create", "pods"), ("get", "secretsnapshots")):
        words = ("auth", "can-i", *act, "--as", user, "-n", TEAM.namespace)
        assert run("sh", "-c", 'kubectl "$@" || true', "sh", *words).strip() == "no"


@pytest.fixture
def beside(team: Provider, settings: Settings, value: str) -> Iterator[None]:
    """A pod of the team's with a secret of an account that may be called once a second; another
    namespace has pinned so many snapshots there that calls for them alone take minutes.
    """
    team.put(NARROW, value)
    TEAM.create(deployment("narrow", app(settings), asking(db=f"aws-sm:{NARROW}")))
    TEAM.rolled_out("narrow")
    assert digests("narrow") == {digest(value)}
    pinned = [_pinned(number) for number in range(PINNED)]
    OTHER.create({"apiVersion": "v1", "kind": "List", "items": pinned})
    yield
    OTHER.kubectl("delete", "secretsnapshots", "--all")


def test_p13_another_namespaces_mistakes_delay_no_rotation(
    team: Provider, beside: None, value: str, record_property: Record
) -> None:
    """P13: another namespace has pinned 180 snapshots to versions that nobody has, in an account of
    one call a second; a rotation of the team's waits for a few of these calls, not for all.
    """
    del beside
    until("all pins to be known", lambda: _known_pins() == PINNED, 60)
    until("calls for them", _calls_for_pins, 30)
    second = value.replace("first", "second")
    latest = team.put(NARROW, second)
    queued = PINNED - _calls_for_pins()
    record_property("queued before it", queued)
    assert queued > 2 * MOST_CALLS, "so many have not been asked for once"
    before = _asked()
    refresh(NARROW)
    until("the rotation", lambda: state(NARROW)["version"] == latest, 60)
    calls = _asked() - before
    record_property("calls until it came", calls)
    assert calls <= MOST_CALLS
    record_property("read after s", round(read_by_all(second, "narrow"), 1))


def _pinned(number: int) -> Json:
    """A snapshot of a secret that nobody has, pinned: it is asked for by the version's name, which
    no batch can, again and again.
    """
    made = declaration(
        OTHER.namespace,
        account=NARROW_ACCOUNT,
        identity="controller",
        scheme="aws-sm",
        reference=f"/other/narrow/mistaken-{number}",
    )
    made["spec"]["pin"] = str(UUID(int=number))
    return made


def _known_pins() -> int:
    """Of how many snapshots the controller says that it knows the pin."""
    found = OTHER.items("secretsnapshots")
    return sum("pin" in item.get("status", {}) for item in found)


def _calls_for_pins() -> int:
    """Calls so far, none of which a batch or a secret that is there can have been."""
    return _asked("GetSecretValue", "ResourceNotFoundException")


def _asked(operation: str = "", code: str = "") -> int:
    """Calls of the narrow account so far, as the controllers count them."""
    pages = evidence.metrics(SYSTEM, "-l", "app.kubernetes.io/component=controller")
    counts = (count for _, page in pages for count in CALLS.findall(page))
    return sum(
        int(float(number))
        for found, doing, number in counts
        if found.startswith(code) and doing.startswith(operation)
    )
