"""The loop: read policies, pods and specs, decide, tell the engine, and show the result."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from contract.wire import WireError
from controller.demand import consumers, parts, used
from controller.policy_cache import PolicyCache
from controller.reconcile import (
    RETENTION_S,
    Decided,
    Known,
    next_change,
    operator_spec,
    reconcile,
    within,
)
from controller.spec import SnapshotName
from controller.telemetry import say
from kube.run_until import unless
from refresh import spent
from refresh.engine import CLOCK_STEP_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from controller.accounts import Accounts
    from controller.demand import Demand, DemandedParts
    from controller.garbage_collector import GarbageCollector
    from controller.listers import Lister
    from controller.restore import Restore, Restored
    from controller.spec import Spec
    from controller.status_writer import StatusWriter
    from policy.match import PolicySet
    from refresh.engine import Engine
    from refresh.model import OperatorSpec, SnapshotKey
    from workqueue.clock import Clock

REST_SHARE = 3.0
"""A decision on all snapshots blocks the loop. Others then have it for so many times as long."""
STILL_S = 10.0
"""A loop that has not turned for so long is not healthy."""


class Controller:
    """Feeds one engine from what others want and allow."""

    def __init__(
        self,
        *,
        restore: Restore,
        statuses: StatusWriter,
        garbage: GarbageCollector,
        policies: Lister[PolicySet],
        pods: Lister[Sequence[Demand]],
        specs: Lister[Mapping[SnapshotName, Spec]],
        accounts: Accounts,
        engine: Engine,
        clock: Clock,
        namespaces: frozenset[str] | None = None,
    ) -> None:
        """`namespaces` are those that may be written in; None: all."""
        self._namespaces = namespaces
        self._restore = restore
        self._statuses = statuses
        self._garbage = garbage
        self._policies = policies
        self._pods = pods
        self._specs = specs
        self._accounts = accounts
        self._engine = engine
        self._clock = clock
        self._known: dict[SnapshotKey, Known] = {}
        self._handled: dict[SnapshotKey, float | None] = {}
        """The request for a refresh that was answered last before this process began."""
        self._next_change = float("-inf")
        self._behind = True
        self._rests_until = float("-inf")
        self._policy_cache = PolicyCache(namespaces=namespaces)
        self._names: dict[SnapshotKey, SnapshotName] = {}
        self._stepped_at = clock.monotonic()
        self._offset_s = clock.now() - self._stepped_at
        self.decided: Mapping[SnapshotKey, Decided] = {}
        """The last decision, by snapshot."""
        self.settled = False
        """Whether there was a decision, which is on every snapshot."""

    def healthy(self) -> bool:
        """Whether the loop runs."""
        return self._clock.monotonic() - self._stepped_at < STILL_S

    async def run(self, stop: asyncio.Event, poll_s: float) -> None:
        """Works until `stop` is set, or until the engine fails, which is raised."""
        if not await unless(stop, self._take_all()):
            return
        await self.step()
        engine = asyncio.create_task(self._engine.run(stop))
        stopping = asyncio.create_task(stop.wait())
        while not engine.done() and not stop.is_set():
            await asyncio.wait(
                {engine, stopping}, timeout=poll_s, return_when=asyncio.FIRST_COMPLETED
            )
            await self.step()
        stop.set()
        await asyncio.gather(engine, stopping)

    async def step(self) -> None:
        """Reads what has changed, and decides again if anything has, or if it is time to."""
        self._stepped_at = self._clock.monotonic()
        changed = [self._policies.refresh(), self._pods.refresh(), self._specs.refresh()]
        now = self._clock.now()
        set_back = self._set_back(now)
        self._behind |= any(changed) or set_back
        if self._stepped_at < self._rests_until:
            return
        if self._behind or now >= self._next_change:
            self._behind = False
            wanted = within(parts(self._pods.current()), self._known, self._policies.current())
            began = self._clock.monotonic()
            gone = self._decide(wanted, self._clock.now())
            self._show(gone)
            ended = self._clock.monotonic()
            self._rests_until = ended + REST_SHARE * (ended - began)
            self.settled = True
            self._next_change = next_change(self.decided.values(), now)
        if self.settled:
            await self._collect()

    def _set_back(self, now: float) -> bool:
        """Whether the wall clock was set back since the last step: then times that were written
        would make ages look younger, and are written again.
        """
        offset_s = now - self._stepped_at
        back_s = self._offset_s - offset_s
        self._offset_s = offset_s
        return back_s > CLOCK_STEP_S

    async def _take_all(self) -> None:
        """Takes over every snapshot that was published, and what its status remembers of time."""
        async for restored in self._restore.everything():
            self._stepped_at = self._clock.monotonic()
            if restored is not None:
                self._take(restored)
        say(logging.INFO, "controller.restored", snapshots=len(self._known))

    def _take(self, restored: Restored) -> None:
        """Takes over one snapshot; what can't be used is fetched as if it were new."""
        key = restored.key
        try:
            self._engine.restore(key, restored.publication, restored.entry)
        except WireError as error:
            where = {"namespace": key.namespace, "snapshot": key.source.snapshot}
            say(logging.ERROR, "controller.not_restored", **where, why=str(error))
            return
        self._statuses.published(key, restored.publication.meta)
        self._handled[key] = restored.refresh_handled
        self._known[key] = restored.known

    async def _collect(self) -> None:
        """Removes what nobody has used for its retention, a few at a time: others wait for it."""
        async for key in self._garbage.collect_some():
            self._stepped_at = self._clock.monotonic()
            if key is not None:
                self._forget(key)

    def _forget(self, key: SnapshotKey) -> None:
        self._engine.forget(key)
        self._known.pop(key, None)
        self._handled.pop(key, None)

    def _decide(self, wanted: Mapping[SnapshotKey, DemandedParts], now: float) -> set[SnapshotKey]:
        """Decides on all snapshots, and tells the engine. Those that are forgotten."""
        policies = self._policies.current()
        specs = self._specs.current()
        gone = {key for key in self._known if self._garbage.vanished(key)}
        self._behind |= bool(gone)  # in a namespace that was made again it is another snapshot
        keys = (wanted.keys() | self._known.keys()) - gone
        self._names = {key: self._names.get(key) or _name(key) for key in keys}
        if policies is not self._policy_cache.policies:
            self._policy_cache = PolicyCache(policies, self._namespaces)
        operator_specs = self._operator_specs(keys, policies)
        known = {key: self._as_known(key) for key in keys}
        parts = {key: taken for key, taken in wanted.items() if key in keys}
        decided = reconcile(
            parts=parts,
            known=known,
            policy_cache=self._policy_cache,
            operator_specs=operator_specs,
            now=now,
            used=used(self._pods.current()),
        )
        self._policy_cache.keep(decided)
        self._tell_changes(decided)
        self._engine.govern(self._accounts.govern(policies.accounts))
        self._engine.demand(
            [item.demanded for item in decided.values() if item.demanded is not None]
        )
        for key, item in decided.items():
            if item.demanded is None and item.known.synced and key in operator_specs:
                self._engine.operate(key, operator_specs[key])
            if item.withdraw:
                self._engine.withdraw(key)
        asked = {key: specs.get(self._names[key]) for key in decided}
        generations = {key: spec.generation for key, spec in asked.items() if spec is not None}
        self._statuses.decided(decided, consumers(self._pods.current()), generations)
        self._garbage.unused(
            {
                key
                for key, item in decided.items()
                if item.unused and not self._is_remembered(key, operator_specs.get(key))
            }
        )
        forgotten = (keys | gone) - decided.keys()
        for key in forgotten:
            self._forget(key)
        self._known = {key: item.known for key, item in decided.items()}
        self.decided = decided
        return forgotten

    def _is_remembered(self, key: SnapshotKey, wanted: OperatorSpec | None) -> bool:
        """Whether an unused snapshot is kept for revoked values, without any value of its own."""
        state = self._engine.state(key)
        if state is None or wanted is None or not spent.are_needed(state, wanted.revoked):
            return False
        self._engine.retire(key)
        return True

    def _show(self, forgotten: Iterable[SnapshotKey]) -> None:
        """Shows what was decided."""
        for key in forgotten:
            self._garbage.forget(key)
        for key in self.decided:
            self._statuses.write(key, self._engine.state(key))

    def _operator_specs(
        self, keys: Iterable[SnapshotKey], policies: PolicySet
    ) -> dict[SnapshotKey, OperatorSpec]:
        specs = self._specs.current()
        operator_specs = {
            key: operator_spec(
                key,
                specs.get(self._names[key]),
                policies,
                state=self._engine.state(key),
                handled=self._handled.get(key),
            )
            for key in keys
        }
        return {key: wanted for key, wanted in operator_specs.items() if wanted is not None}

    def _as_known(self, key: SnapshotKey) -> Known:
        """What is remembered, and whether the engine has served it since."""
        before = self._known.get(key, Known())
        state = self._engine.state(key)
        synced = before.synced or (state is not None and state.serving is not None)
        spec = self._specs.current().get(self._names[key])
        asked_s = None if spec is None else spec.retention_s
        retention_s = RETENTION_S if asked_s is None else asked_s
        if (synced, retention_s) == (before.synced, before.retention_s):
            return before
        return replace(before, synced=synced, retention_s=retention_s)

    def _tell_changes(self, decided: Mapping[SnapshotKey, Decided]) -> None:
        for key, item in decided.items():
            before = self.decided.get(key)
            if item.refusal is not None and (before is None or before.refusal != item.refusal):
                say(
                    logging.WARNING,
                    "controller.refused",
                    namespace=key.namespace,
                    snapshot=key.source.snapshot,
                    reason=item.refusal,
                    message=item.message,
                    decision="not fetched; what is served stays for a day",
                )


def _name(key: SnapshotKey) -> SnapshotName:
    return SnapshotName(key.namespace, key.source.snapshot)
