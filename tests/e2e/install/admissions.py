"""Pods of the team's that are created by dry runs all the while, through the API server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.e2e.install.world import DB, TEAM, app, pod
from tests.e2e.load import Load
from tests.make import asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.enforced import Server
    from tests.e2e.install.settings import Settings

RATE = 50.0
"""Admissions a second, as the issue has it."""
REACHED = 0.8
"""The part of that rate which a busy machine has to reach."""


def opted_in(server: Server, settings: Settings, rate: float = RATE) -> Load:
    """Pods that ask for a secret."""
    return _load(server, settings, asking(db=DB), rate)


def plain(server: Server, settings: Settings, rate: float = RATE) -> Load:
    """Pods that ask for nothing of ours."""
    return _load(server, settings, {}, rate)


@contextlib.contextmanager
def none_fails(load: Load, record: Callable[[str, object], None]) -> Iterator[None]:
    """Runs a load while the block lasts, and looks at what became of it."""
    with load.running():
        yield
    tell(load, record)
    assert load.failed == []


def tell(load: Load, record: Callable[[str, object], None]) -> None:
    """The figures of a load that is over; it has to have been one."""
    record("admitted", load.admitted)
    record("failed", len(load.failed))
    assert load.reached >= REACHED


def _load(server: Server, settings: Settings, asks: Mapping[str, str], rate: float) -> Load:
    body = pod("unused", app(settings), asks)
    body["metadata"] = {"generateName": "load-", "annotations": dict(asks)}
    path = f"/api/v1/namespaces/{TEAM.namespace}/pods"
    return Load(lambda: server.act(None, "POST", path, body, dry=True), rate, opted_in=bool(asks))
