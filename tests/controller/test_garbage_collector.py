"""What nobody needs any more is removed, a few objects at a time."""

from __future__ import annotations

import asyncio

from controller.garbage_collector import RETRY_S
from controller.reconcile import Decided, Known
from kube.errors import of_status
from refresh.model import SnapshotKey, SourceKey
from tests.controller.writers import FASTER, made, writers


class Removing:
    """An API server that takes deletions, but for the first ones."""

    def __init__(self, failing: int = 0) -> None:
        self.failing = failing
        self.asked: list[str] = []
        self.under_way = self.most = 0

    async def delete(self, path: str, *, uid: str) -> None:
        assert uid == "1"
        self.asked.append(path.rpartition("/")[2])
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if len(self.asked) <= self.failing:
            raise of_status(503, reason="", method="DELETE", path=path)


def _key(number: int) -> SnapshotKey:
    return SnapshotKey("payments", SourceKey("prod", "controller", "file", f"/forged/{number}"))


def _forgotten(
    api: object, keys: list[SnapshotKey], lasts_s: float, *, again: bool = False
) -> None:
    """Nobody wants them any more; `again`: and then somebody does."""

    async def turns() -> None:
        _, statuses, garbage = writers(api, made(*keys))
        wanted = {key: Decided(known=Known(), demanded=None) for key in keys}
        for key in keys:
            statuses.write(key, None)
        statuses.decided({}, {}, {})
        for key in keys:
            garbage.forget(key)
        if again:
            statuses.decided(wanted, {}, {})
        running = asyncio.create_task(garbage.run())
        await asyncio.sleep(lasts_s / FASTER)
        running.cancel()

    asyncio.run(turns())


def test_p13_many_objects_that_nobody_wants_are_removed_a_few_at_a_time() -> None:
    """A tenant that takes a thousand pods away costs no thousand requests at once."""
    api, keys = Removing(), [_key(number) for number in range(40)]
    _forgotten(api, keys, 6.0)
    assert set(api.asked) == {key.source.snapshot for key in keys}
    assert api.most == 1


def test_a_removal_that_fails_is_made_again_later() -> None:
    """Else the object would stay until another process leads."""
    api = Removing(failing=1)
    _forgotten(api, [_key(1)], RETRY_S + 3)
    assert api.asked == [_key(1).source.snapshot] * 2


def test_what_is_wanted_again_is_not_removed() -> None:
    """Its object is the one that is used."""
    api = Removing()
    _forgotten(api, [_key(1)], 3.0, again=True)
    assert api.asked == []
