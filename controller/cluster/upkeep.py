"""Checks that what pods mount is as the records say, and removes records whose namespace is gone:
slowly, beside all else, for as long as this process leads.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from controller.telemetry import say
from kube.errors import ApiError, FencedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.cluster.records import Records
    from refresh.engine import Engine
    from refresh.model import SnapshotKey, SnapshotState

LEAST_GAP_S = 0.1
"""Between two requests: ten a second, whatever the fleet's size."""
ROUND_S = 6 * 3600.0
"""After the first round, each snapshot is checked so often."""
REST_S = 1.0
"""Where there is nothing to do."""


class Upkeep:
    """A check is a PUT of what should be there, by the engine. One that finds it so is no write."""

    def __init__(self, records: Records, engine: Engine) -> None:
        self._records = records
        self._engine = engine

    async def run(self, ready: Callable[[], bool]) -> None:
        """Until cancelled, from the moment on that `ready` says so."""
        while not ready():  # noqa: ASYNC110 - looked at once a second, which needs no event
            await asyncio.sleep(REST_S)  # noqa: TID251 - a fixed turn
        for key in begun(self._records, self._engine.states()):
            self._engine.republish(key)
        gap_s = LEAST_GAP_S
        while True:
            keys = [key for key, state in self._engine.states().items() if is_settled(state)]
            for key in keys:
                await self._rest(gap_s)
                state = self._engine.state(key)
                if state is not None and self._is_to_check(key, state):
                    self._engine.republish(key)
            await self._rest(REST_S)
            gap_s = max(LEAST_GAP_S, ROUND_S / (len(keys) or 1))

    def _is_to_check(self, key: SnapshotKey, state: SnapshotState) -> bool:
        held = self._records.get(key)
        return held is not None and not held.restored and is_settled(state)

    async def _rest(self, seconds: float) -> None:
        """Removes records of namespaces that are gone meanwhile."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        while self._records.has_orphans:
            try:
                await self._records.remove_orphan()
            except (ApiError, FencedError) as error:
                say(logging.INFO, "controller.record_not_removed", why=str(error))
                break
            await asyncio.sleep(LEAST_GAP_S)  # noqa: TID251 - a fixed turn
        await asyncio.sleep(max(0.0, ends_at - loop.time()))  # noqa: TID251 - the rest of it


def begun(records: Records, states: Mapping[SnapshotKey, SnapshotState]) -> list[SnapshotKey]:
    """The snapshots whose Secret the last process began to write, and may not have written."""
    return [
        key
        for key in states
        if (held := records.get(key)) is not None
        and not held.restored
        and (held.written is None or not held.written.whole)
    ]


def is_settled(state: SnapshotState) -> bool:
    """Whether it is known what pods should be given: not of another cluster's backup."""
    return state.serving is not None and state.restored is None
