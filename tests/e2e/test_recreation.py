"""What is deleted by mistake and made again takes no value, age or request with it: kinds, an
admin's objects. The controller is a process on a real API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.controlled import PATIENCE_S
from tests.make.waiting import REPOSITORY, until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
DB = "/prod/db"
ONE, TWO = b'{"password":"one"}', b'{"password":"two"}'
CRDS = ("-f", str(REPOSITORY / "charts/lastgood/crds"))


def _pinned(world: Controlled) -> str:
    """The first of two versions is pinned, and so it is served."""
    world.provide(DB, ONE)
    world.pod("web-1", DB)
    world.lead()
    world.serves(DB, ONE)
    first: str = world.meta(DB)["version"]
    name = world.snapshot(DB)
    world.provide(DB, TWO)
    world.kubectl("annotate", "snap", name, "lastgood.dev/refresh-requested=2100-01-01T00:00:00Z")
    world.serves(DB, TWO)
    world.patch("snap", name, {"spec": {"pin": first}})
    world.serves(DB, ONE)
    world.observed(DB)
    return first


def _still_pinned(world: Controlled, version: str) -> None:
    world.serves(DB, ONE)
    found = world.get("snap", world.snapshot(DB))
    assert found is not None
    assert found["spec"]["pin"] == version
    assert world.meta(DB)["pin"] == version
    assert world.kept(DB) == 1, "the other version is kept too"


@pytest.mark.parametrize("running", [True, False], ids=["controller up", "controller down"])
def test_p11_deleted_kinds_take_no_value_with_them(
    controlled: Controlled, *, running: bool
) -> None:
    """All three CRDs are deleted, and every object of them with that; then they are applied again.
    Nothing is fetched for it.
    """
    version = _pinned(controlled)
    uid = _uid(controlled)
    until("its age", lambda: _aged(controlled) == version, PATIENCE_S)
    if not running:
        controlled.kill()
    controlled.kubectl("delete", "--timeout=50s", *CRDS)
    assert controlled.keys(DB)["value"] == ONE, "pods start with it meanwhile"
    calls = controlled.calls() if running else 0
    controlled.administer()
    if not running:
        controlled.lead()
    until("the object to be back", lambda: controlled.status(DB), PATIENCE_S)
    _still_pinned(controlled, version)
    assert controlled.calls() == calls
    assert _uid(controlled) == uid, "the Secret itself stayed"
    assert _aged(controlled) == version


def _aged(world: Controlled) -> str | None:
    """The version that the ages tell of."""
    entry = world.entry(DB)
    return None if entry is None or entry.served is None else entry.served.version


def _uid(world: Controlled) -> str:
    found = world.get("secret", world.snapshot(DB))
    assert found is not None
    return str(found["metadata"]["uid"])


@pytest.mark.parametrize("running", [True, False], ids=["controller up", "controller down"])
def test_p11_a_deleted_account_and_policy_take_no_value_with_them(
    controlled: Controlled, *, running: bool
) -> None:
    """What they allowed is served on, and refreshed again when they are back."""
    version = _pinned(controlled)
    uid = _uid(controlled)
    if not running:
        controlled.kill()
    controlled.kubectl("delete", "secretaccount,secretpolicy", controlled.name)
    if not running:
        controlled.lead()
    until(
        "the status to say so",
        lambda: controlled.status(DB).get("refusedSince"),
        PATIENCE_S,
    )
    assert controlled.keys(DB)["value"] == ONE
    controlled.administer()
    until(
        "the status to be as before",
        lambda: not controlled.status(DB).get("refusedSince"),
        PATIENCE_S,
    )
    _still_pinned(controlled, version)
    assert _uid(controlled) == uid
    name = controlled.snapshot(DB)
    controlled.patch("snap", name, {"spec": {"pin": None}})
    controlled.serves(DB, TWO)
