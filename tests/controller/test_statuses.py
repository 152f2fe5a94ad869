"""When a status says that an operator's wish was carried out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from controller.objects import Name
from controller.reconcile import Decided, Known
from controller.statuses import Statuses
from controller.store import create_store
from controller.volumes import Volumes
from refresh.model import Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.snapshot_data import data, history_data

if TYPE_CHECKING:
    from pathlib import Path

KEY = SnapshotKey("payments", SourceKey("prod", "controller", "file", "/prod/payments/db"))
NAME = Name("payments", KEY.source.snapshot)
ONE = SnapshotState(
    serving=Serving.SERVED,
    served=Kept(version="v1", value=SecretBytes(b"one"), fetched_at=1.0, rank=1),
)
PINNED = replace(ONE, pin="v1")


def _observed(statuses: Statuses, root: Path, state: SnapshotState, generation: int) -> int:
    """The generation that the status names after a decision that applied `generation`."""
    statuses.decided({KEY: Decided(known=Known(), demanded=None)}, {}, {KEY: generation})
    statuses.write(KEY, state)
    status = create_store(root).written_status(NAME)
    assert status is not None
    return status.observed_generation


def _publish(statuses: Statuses, state: SnapshotState) -> None:
    asyncio.run(statuses.publish(KEY, data(KEY, state, (), "cluster"), history_data(state)))


def test_p12_a_wish_counts_as_seen_when_the_snapshot_itself_is_written(store_root: Path) -> None:
    """Whoever waited for the status may rely on the volumes."""
    store = create_store(store_root)
    statuses = Statuses(store, Volumes(store.volumes))
    assert _observed(statuses, store_root, SnapshotState(), 1) == 1
    assert _observed(statuses, store_root, ONE, 2) == 1
    _publish(statuses, ONE)
    assert _observed(statuses, store_root, ONE, 2) == 2
    assert _observed(statuses, store_root, PINNED, 3) == 2
    _publish(statuses, PINNED)
    assert _observed(statuses, store_root, PINNED, 3) == 3
