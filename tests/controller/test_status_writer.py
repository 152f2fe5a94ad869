"""Statuses of snapshots: what is tried again, and how soon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from controller.reconcile import Decided, Known
from controller.snapshot_objects import project
from kube.errors import of_status
from tests.controller.writers import FASTER, KEY, made, writers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

METADATA = {"namespace": "payments", "uid": "1", "resourceVersion": "1"}


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
    informers = made()

    async def turns() -> None:
        statuses = writers(api, informers).statuses
        statuses.decided({KEY: Decided(known=Known(synced=True), demanded=None)}, {}, {})
        statuses.write(KEY, None)
        running = asyncio.create_task(statuses.run({}))
        await asyncio.sleep(12 / FASTER)
        running.cancel()

    asyncio.run(turns())
    assert 2 <= api.created <= 5


def test_a_new_object_gets_its_status_without_another_reason() -> None:
    """The watch tells of it a moment after it was made; nothing else may happen for hours."""
    informers = made()
    written: list[Mapping[str, Any]] = []

    class Making:
        async def create(self, path: str, body: Mapping[str, Any]) -> None:
            del path
            found = project({**body, "metadata": {**body["metadata"], **METADATA}})
            assert found is not None
            informers.snapshots.items["payments", KEY.source.snapshot] = found

        async def merge_patch(self, path: str, body: Mapping[str, Any]) -> None:
            assert path.endswith("/status")
            written.append(body["status"])

    async def run() -> None:
        statuses = writers(Making(), informers).statuses
        statuses.decided({KEY: Decided(known=Known(synced=True), demanded=None)}, {}, {})
        statuses.write(KEY, None)
        running = asyncio.create_task(statuses.run({}))
        async with asyncio.timeout(60):
            while not written:  # noqa: ASYNC110 - the stand-in sets no event
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(run())
    assert written[0]["state"] == "NeverSynced"
