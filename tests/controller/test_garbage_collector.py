"""What nobody needs any more is removed, a few objects at a time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from controller.reconcile import Decided, Known
from controller.snapshot_objects import WatchedSnapshot
from controller.spec import Spec
from kube.errors import of_status
from kube.reflector import Change
from refresh.model import SnapshotKey, SourceKey
from tests.controller.secret_server import SecretServer
from tests.controller.writers import FASTER, KEY, made, publishing, writers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Removing:
    """An API server that takes deletions, but for the first ones."""

    def __init__(self, failing: int = 0) -> None:
        self.failing = failing
        self.asked: list[str] = []
        self.in_flight = self.most = 0

    async def delete(self, path: str, *, uid: str) -> None:
        assert uid == "1"
        self.asked.append(path.rpartition("/")[2])
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
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
    _forgotten(api, [_key(1)], 6.0)
    assert api.asked == [_key(1).source.snapshot] * 2


def test_what_is_wanted_again_is_not_removed() -> None:
    """Its object is the one that is used."""
    api = Removing()
    _forgotten(api, [_key(1)], 3.0, again=True)
    assert api.asked == []


def test_p4_a_removal_that_fails_backs_off_and_stops_no_other() -> None:
    """Also where nothing else changes: a later look goes on with it."""

    class Failing(SecretServer):
        refuses = 4

        async def delete(self, path: str, *, uid: str | None = None) -> dict[str, Any]:
            if path.endswith(KEY.source.snapshot) and self.refuses:
                self.refuses -= 1
                raise of_status(503, reason="", method="DELETE", path=path)
            return await super().delete(path, uid=uid)

    class Clock:
        mono = 0.0

        def monotonic(self) -> float:
            return self.mono

    async def looks() -> dict[float, set[SnapshotKey | None]]:
        clock, found = Clock(), dict[float, set[SnapshotKey | None]]()
        garbage = publishing(Failing(), clock).garbage
        garbage.unused({KEY, _key(1)})
        for number in range(20):
            clock.mono = number / 2
            if some := {key async for key in garbage.collect_some()}:
                found[clock.mono] = some
        return found

    assert asyncio.run(looks()) == {
        0.0: {None, _key(1)},
        0.5: {None},
        1.5: {None},
        3.5: {None},
        7.5: {KEY},
    }


def test_what_is_used_again_is_not_collected() -> None:
    """The last decision counts, though the key still waits."""

    async def look() -> list[SnapshotKey | None]:
        garbage = publishing(SecretServer()).garbage
        garbage.unused({KEY, _key(1)})
        garbage.unused({_key(1)})
        return [key async for key in garbage.collect_some()]

    assert asyncio.run(look()) == [_key(1)]


def test_a_wrong_name_is_marked_and_one_that_went_is_not_asked_for() -> None:
    """What is read is the object as it is when its turn comes."""
    written: list[str] = []
    objects: dict[tuple[str, str], WatchedSnapshot] = {}
    watching: list[Callable[[Change[WatchedSnapshot]], None]] = []

    class Marking:
        async def merge_patch(self, path: str, body: Mapping[str, Any]) -> None:
            assert body["status"]["conditions"]
            written.append(path)

    async def say(*_: object) -> None: ...

    async def run() -> None:
        informers = made()
        informers.snapshots = SimpleNamespace(items=objects, subscribe=watching.append)
        garbage = writers(Marking(), informers, events=SimpleNamespace(say=say)).garbage
        for name in ("gone", "wrong"):
            seen = WatchedSnapshot(
                namespace="payments", name=name, uid="1", key=KEY, declared=True, spec=Spec()
            )
            for tell in watching:
                tell(Change(key=("payments", name), before=None, after=seen))
            if name == "wrong":
                objects["payments", name] = seen
        running = asyncio.create_task(garbage.run())
        await asyncio.sleep(3 / FASTER)
        assert not running.done()
        running.cancel()

    asyncio.run(run())
    assert [path.split("/")[-2:] for path in written] == [["wrong", "status"]]
