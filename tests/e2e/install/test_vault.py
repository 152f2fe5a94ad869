"""P1 with a secret of Vault: OpenBao in the cluster, login by the controller's service account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.install.team import read_by_all, refresh, state
from tests.e2e.install.vault import Vault
from tests.e2e.install.world import TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
NAME = "vaulted"
REFERENCE = "secret/e2e/db"
SYNCED_S = 120.0
"""The kubelet may mount a token late, and a login that failed is tried again."""


@pytest.fixture(scope="module")
def vault(installed: Provider, settings: Settings, value: str) -> Iterator[Vault]:
    """With a secret, and a pod that reads one member of it."""
    del installed
    vault = Vault(settings)
    try:
        vault.start()
        vault.put("e2e/db", password=value, user="e2e")
        vault.serve()
        asks = asking(db=f"vault:{REFERENCE}#password")
        TEAM.create(deployment(NAME, app(settings), asks))
        TEAM.rolled_out(NAME, SYNCED_S)
        yield vault
    finally:
        vault.stop()


def test_p1_pods_start_while_vault_answers_nothing(vault: Vault, value: str) -> None:
    """1 -> 5: all Ready with the last good value, and the snapshot says why it grows older."""
    read_by_all(value, NAME)
    vault.fault("blackhole")
    try:
        refresh(REFERENCE)
        until(
            "the snapshot to say so",
            lambda: state(REFERENCE).get("reason") == "unavailable",
            SYNCED_S,
        )
        TEAM.scale(NAME, 5, within_s=SYNCED_S)
        read_by_all(value, NAME)
    finally:
        vault.fault("pass")


def test_a_rotation_in_vault_arrives(vault: Vault, value: str) -> None:
    """In all pods; its name is Vault's number and the time of writing."""
    vault.put("e2e/db", password=f"{value} rotated", user="e2e")
    refresh(REFERENCE)
    read_by_all(f"{value} rotated", NAME, SYNCED_S)
    assert str(state(REFERENCE)["version"]).startswith("2@20")
