"""Statuses of snapshots on a cluster: what is tried again, and how soon."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from controller.cluster.ledger import ClusterLedger
from controller.reconcile import Decided, Known
from kube.errors import of_status
from refresh.model import SnapshotKey, SourceKey

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = SnapshotKey("payments", SourceKey("prod", "controller", "file", "/prod/payments/db"))
FASTER = 5.0


class FastClock:
    """The loop's, faster."""

    def now(self) -> float:
        return 1e9 + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * FASTER


class Hanging:
    """An API server where the object is being deleted, and a foreign finalizer holds it."""

    def __init__(self) -> None:
        self.created = 0

    async def create(self, path: str, body: Mapping[str, Any]) -> None:
        del body
        self.created += 1
        raise of_status(409, reason="AlreadyExists", method="POST", path=path)


def test_p4_an_object_that_hangs_in_its_deletion_is_made_again_with_backoff() -> None:
    """It is not seen and can't be made: that is a failure, and no reason to ask each second."""
    api = Hanging()
    copies = SimpleNamespace(
        snapshots=SimpleNamespace(items={}, subscribe=lambda _: None),
        namespaces=SimpleNamespace(items={("", "payments"): None}),
    )
    unused = cast("Any", None)

    async def turns() -> None:
        ledger = ClusterLedger(
            cast("Any", api),
            copies=cast("Any", copies),
            secrets=unused,
            freshness=unused,
            nudges=unused,
            events=unused,
            clock=cast("Any", FastClock()),
        )
        ledger.decided({KEY: Decided(known=Known(synced=True), demanded=None)}, {}, {})
        ledger.write(KEY, None)
        running = asyncio.create_task(ledger.run({}))
        await asyncio.sleep(12 / FASTER)
        running.cancel()

    asyncio.run(turns())
    assert 2 <= api.created <= 5
