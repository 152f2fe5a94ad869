"""P11: what is left after the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.install.kubectl import run_helm
from tests.e2e.install.world import DB, SYSTEM, TEAM, app, deployment, pod
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_p11_after_the_uninstall_nothing_blocks_pods_and_running_ones_keep_their_files(
    installed: Provider, settings: Settings
) -> None:
    """P11: helm uninstall: running pods keep their files, new pods of any kind are not blocked, and
    snapshots stay.
    """
    del installed
    TEAM.create(deployment("staying", app(settings), asking(db=DB)))
    TEAM.rolled_out("staying")
    before = TEAM.told("staying")
    assert before
    run_helm("uninstall", "lastgood", "--namespace", SYSTEM.namespace, "--wait")
    TEAM.create(pod("after", app(settings, FOLDER="/tmp"), {}))
    TEAM.kubectl("wait", "--for=condition=Ready", "pod/after", "--timeout=60s")
    assert TEAM.told("staying") == before
    assert TEAM.kubectl("get", "secretsnapshots", "-o", "name")
