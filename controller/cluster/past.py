"""What was published on a cluster before this process began. Secrets can't be listed, so they are
asked for one by one: by the SecretSnapshots that are there, and by what pods demand.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from contract.snapshot import HISTORY_SUFFIX
from controller.cluster.publication import any_history, names
from controller.cluster.secrets import ForeignSecretError
from controller.ports import Published, Remembered
from controller.reconcile import in_turns
from controller.snapshots import seconds
from controller.telemetry import say
from kube.errors import ApiError, FencedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable

    from controller.cluster.freshness import FreshnessMaps
    from controller.cluster.secrets import Secrets
    from controller.cluster.wire import Seen
    from kube.reflector import Reflector
    from refresh.model import SnapshotKey

_AT_ONCE = 16
"""Requests under way."""
_TRIES = 3
MOST_UNSERVED = 64
"""Snapshots of one namespace that are asked for at the start though their status tells of no value,
and nobody declared them: an end between a value's write and its status leaves a few of them."""


def left(seen: Iterable[Seen]) -> list[SnapshotKey]:
    """The snapshots that may have been left by the last process, by turns of their namespaces. A
    declaration without a value is not among them: it is demand, and asked for as such, beside what
    the others do. So what a tenant only writes down delays no start.
    """
    served: list[SnapshotKey] = []
    unserved: dict[str, list[SnapshotKey]] = {}
    for item in seen:
        if item.named and item.served:
            served.append(item.key)
        elif item.named and not item.declared:
            unserved.setdefault(item.namespace, []).append(item.key)
    few = [key for keys in unserved.values() for key in keys[:MOST_UNSERVED]]
    return in_turns(served) + in_turns(few)


class ClusterPast:
    """Reads Secrets and ages by name."""

    def __init__(
        self,
        secrets: Secrets,
        freshness: FreshnessMaps,
        snapshots: Reflector[Seen],
        foreign: Callable[[SnapshotKey], None],
    ) -> None:
        """`foreign` is told where a Secret is not ours."""
        self._foreign = foreign
        self._secrets = secrets
        self._freshness = freshness
        self._snapshots = snapshots
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._maps: dict[str, asyncio.Lock] = {}

    async def everything(self) -> AsyncIterator[Remembered | None]:
        """What can't be told after some tries is asked for again when somebody demands it."""
        waiting = dict.fromkeys(left(self._snapshots.items.values()))
        for turn in range(_TRIES):
            if turn and waiting:
                await asyncio.sleep(turn)  # noqa: TID251 - the server's moment to come back
            async for key, found in self._asked(tuple(waiting)):
                if found is not None:
                    del waiting[key]
                yield found if isinstance(found, Remembered) else None

    async def recall(
        self, keys: Collection[SnapshotKey]
    ) -> AsyncIterator[SnapshotKey | Remembered]:
        async for _, found in self._asked(keys):
            if found is not None:
                yield found

    async def _asked(
        self, keys: Collection[SnapshotKey]
    ) -> AsyncIterator[tuple[SnapshotKey, SnapshotKey | Remembered | None]]:
        tasks = [asyncio.create_task(self._recall(key)) for key in keys]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for task in tasks:
                task.cancel()

    async def _recall(
        self, key: SnapshotKey
    ) -> tuple[SnapshotKey, SnapshotKey | Remembered | None]:
        """The key, and what there is of it; None: that can't be told now."""
        where = {"namespace": key.namespace, "snapshot": key.source.snapshot}
        try:
            async with self._turns:
                return key, await self._read(key)
        except ForeignSecretError:
            say(logging.WARNING, "controller.foreign_secret", **where, decision="never touched")
            self._foreign(key)
            return key, key
        except (ApiError, FencedError) as error:
            say(logging.WARNING, "controller.not_recalled", **where, why=str(error))
            return key, None

    async def _read(self, key: SnapshotKey) -> SnapshotKey | Remembered:
        namespace, name = key.namespace, key.source.snapshot
        data = await self._secrets.read(namespace, name, lambda data: names(key, data))
        if data is None:
            return key
        history = await self._secrets.read(namespace, name + HISTORY_SUFFIX, any_history)
        async with self._maps.setdefault(namespace, asyncio.Lock()):
            entry = await self._freshness.entry(namespace, name)
        seen = self._snapshots.items.get((namespace, name))
        status = {} if seen is None else seen.status
        attempts = (
            seconds(status.get("lastAttempt")),
            None if entry is None else entry.last_attempt,
        )
        return Remembered(
            published=Published(namespace, name, data, history or {}, entry),
            last_attempt=max((at for at in attempts if at is not None), default=None),
            undemanded_since=seconds(status.get("unusedSince")),
            refused_since=seconds(status.get("refusedSince")),
        )
