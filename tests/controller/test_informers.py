"""What is kept of pods and declarations: bounded by namespace, whatever they say."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from controller.demand import Demand, DemandedParts, NotADemandError
from controller.informers import Informers
from controller.listers import PolicyLister
from controller.snapshot_objects import declaration
from controller.watched_pods import MOST_SOURCES, NamedSources
from controller.watched_snapshots import MOST_MISNAMED, MOST_OBJECTS, SnapshotReader
from kube.api import WatchEvent
from refresh.model import SnapshotKey, SourceKey
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kube.api import Api


def _demand(namespace: str, first: int, count: int) -> Demand:
    references = [f"/forged/{number}" for number in range(first, first + count)]
    keys = [SnapshotKey(namespace, SourceKey("a", "controller", "file", it)) for it in references]
    return Demand(
        namespace=namespace, pod="web", parts=dict.fromkeys(keys, DemandedParts(whole=True))
    )


def test_p13_one_namespaces_plans_fill_no_memory_and_take_no_room_of_anothers() -> None:
    """Sources that are named already cost nothing; when pods go there is room again."""
    sources = NamedSources()
    full = [sources.bounded(_demand("crowd", at, 250)) for at in range(0, MOST_SOURCES, 250)]
    with pytest.raises(NotADemandError, match=f"more than {MOST_SOURCES} sources"):
        sources.bounded(_demand("crowd", MOST_SOURCES, 1))
    sources.bounded(_demand("payments", 0, 250))
    again = sources.bounded(_demand("crowd", 0, 250))
    assert all(one is other for one, other in zip(again.parts, full[0].parts, strict=True))
    del full, again
    gc.collect()
    sources.bounded(_demand("crowd", MOST_SOURCES, 250))


def _object(
    namespace: str, number: int, *, name: str | None = None, status: dict[str, str] | None = None
) -> dict[str, Any]:
    found = declaration(
        namespace,
        account="a",
        identity="controller",
        scheme="file",
        reference=f"/declared/{number}",
    )
    if name is not None:
        found["metadata"]["name"] = name
    return {**found, "status": status or {}}


def test_p13_one_namespaces_declarations_fill_no_memory_and_are_told_of_once() -> None:
    """What is kept already may change; when some go there is room again."""
    problems: list[str] = []
    declared = SnapshotReader(lambda what, why: problems.append(f"{what}: {why}"))
    kept = [declared(_object("crowd", number)) for number in range(MOST_OBJECTS)]
    assert all(kept)
    assert [declared(_object("crowd", MOST_OBJECTS + number)) for number in range(3)] == [None] * 3
    assert problems == [f"namespace crowd: it has more than {MOST_OBJECTS} SecretSnapshots"]
    assert declared(_object("payments", 0)) is not None
    assert declared(_object("crowd", 0)) is kept[0]
    changed = declared(_object("crowd", 1, status={"state": "Fresh"}))
    assert changed is not None
    assert changed.status == {"state": "Fresh"}
    kept.clear()
    gc.collect()
    assert declared(_object("crowd", MOST_OBJECTS)) is not None


def test_p13_objects_of_a_wrong_name_take_no_room_of_right_ones() -> None:
    """They are only told so, and a few of a namespace are enough."""
    declared = SnapshotReader(lambda *_: None)
    wrong = [declared(_object("crowd", number, name=f"a-{number}")) for number in range(100)]
    assert sum(seen is not None for seen in wrong) == MOST_MISNAMED
    assert declared(_object("crowd", 0)) is not None


class Server:
    """Has one account and one policy, and tells of each change."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.changes: dict[str, asyncio.Queue[WatchEvent]] = defaultdict(asyncio.Queue)

    async def pages(self, path: str, **_: object) -> AsyncIterator[dict[str, Any]]:
        self.asked[path.rpartition("/")[2]] += 1
        yield {"items": [], "metadata": {"resourceVersion": "1"}}

    async def watch(self, path: str, **_: object) -> AsyncIterator[WatchEvent]:
        while True:
            yield await self.changes[path.rpartition("/")[2]].get()


ACCOUNT = {
    "metadata": {"name": "one", "resourceVersion": "2"},
    "spec": {
        "provider": "aws",
        "aws": {"regions": ["eu-west-1"]},
        "budget": {"callsPerSecond": 20, "burst": 40},
    },
}


def test_each_kind_is_listed_once_and_a_status_changes_no_policy() -> None:
    """The controller reads an account's spec and its status from one watch. A status that it writes
    itself makes no new set of policies, which would be a decision on the whole fleet.
    """

    async def run() -> None:
        server, stop = Server(), asyncio.Event()
        informers = Informers(cast("Api", server), SystemClock(), Random(1), lambda *_: None)
        running = [asyncio.create_task(it) for it in informers.runs(stop)]
        await informers.wait_synced()
        kinds = {"secretaccounts", "secretpolicies", "namespaces", "pods", "secretsnapshots"}
        assert server.asked - Counter({"externalsecrets": 1}) == dict.fromkeys(kinds, 1)
        informer = PolicyLister(informers)
        informer.refresh()

        async def told(**status: object) -> None:
            before = informers.protected_accounts.revision
            content = {**ACCOUNT, "status": status}
            await server.changes["secretaccounts"].put(WatchEvent(kind="MODIFIED", object=content))
            while informers.protected_accounts.revision == before:  # noqa: ASYNC110 - a View sets no event
                await asyncio.sleep(0.001)

        await told()
        assert informer.refresh()
        assert set(informer.current().accounts) == {"one"}
        await told(inUse=True)
        assert informers.protected_accounts.items["", "one"].in_use
        assert not informer.refresh()
        stop.set()
        await asyncio.gather(*running)

    asyncio.run(run())
