"""The chart installs on a cluster, and the first pods start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.cluster import digest
from tests.e2e.install.kubectl import run_helm
from tests.e2e.install.team import digests, events_of, one
from tests.e2e.install.world import BRIEF, STRICT, SYSTEM, TEAM, app, deployment
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_the_chart_installs_and_its_own_test_passes(installed: Provider) -> None:
    """Helm install: webhook and controller ready, and helm test passes."""
    del installed
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.rolled_out(name)
    run_helm("test", "lastgood", "--namespace", SYSTEM.namespace, "--timeout=90s")


def test_what_may_not_expire_starts_while_it_is_fresh(
    installed: Provider, settings: Settings, value: str
) -> None:
    """A class that refuses what has expired lets a pod start with a fresh value, and so does one
    that serves it. From here on the provider has those secrets no more.
    """
    sources = {"strict": STRICT, "brief": BRIEF}
    for name, source in sources.items():
        TEAM.create(deployment(name, app(settings), asking(db=f"aws-sm:{source}")))
    for name, source in sources.items():
        TEAM.rolled_out(name)
        assert digests(name) == {digest(value)}
        assert not [said for said in events_of(one(name)) if "Stale" in said]
        installed.delete(source)
