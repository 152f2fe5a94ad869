"""The loop: look at policies, pods and specs; decide; tell the engine; show what came of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from contract.snapshot import META, from_wire
from contract.wire import WireError
from controller.demand import Parts, consumers, parts
from controller.reconcile import Decided, Known, next_change, reconcile, wish
from controller.store import Name
from controller.telemetry import say
from refresh.engine import CLOCK_STEP_S
from refresh.model import SnapshotKey, SourceKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contract.snapshot import Meta
    from controller.accounts import Accounts
    from controller.clock import SystemClock
    from controller.inputs import Pods, Specs
    from controller.statuses import Statuses
    from controller.store import Store
    from controller.volumes import Published, Volumes
    from policy.load import FolderPolicies
    from policy.match import PolicySet
    from refresh.engine import Engine
    from refresh.model import Wanted

STILL_S = 10.0
"""A loop that has not turned for so long is not healthy."""


class Controller:
    """Feeds one engine from the folders of one store."""

    def __init__(
        self,
        *,
        store: Store,
        volumes: Volumes,
        statuses: Statuses,
        policies: FolderPolicies,
        pods: Pods,
        specs: Specs,
        accounts: Accounts,
        engine: Engine,
        clock: SystemClock,
    ) -> None:
        self._store = store
        self._volumes = volumes
        self._statuses = statuses
        self._policies = policies
        self._pods = pods
        self._specs = specs
        self._accounts = accounts
        self._engine = engine
        self._clock = clock
        self._known: dict[SnapshotKey, Known] = {}
        self._attempted: dict[SnapshotKey, float | None] = {}
        self._gone: set[SnapshotKey] = set()
        self._not_shown: str | None = None
        self._next_change = float("-inf")
        self._turned_at = clock.monotonic()
        self._offset_s = clock.now() - self._turned_at
        self.decided: Mapping[SnapshotKey, Decided] = {}
        """The last decision, by snapshot."""

    def healthy(self) -> bool:
        """Whether the loop turns."""
        return self._clock.monotonic() - self._turned_at < STILL_S

    async def run(self, stop: asyncio.Event, poll_s: float) -> None:
        """Works until `stop` is set, or until the engine fails, which is raised."""
        self._restore()
        self.look()
        engine = asyncio.create_task(self._engine.run(stop))
        stopping = asyncio.create_task(stop.wait())
        while not engine.done() and not stop.is_set():
            await asyncio.wait(
                {engine, stopping}, timeout=poll_s, return_when=asyncio.FIRST_COMPLETED
            )
            self.look()
        stop.set()
        await asyncio.gather(engine, stopping)

    def look(self) -> None:
        """Reads what has changed, and decides again if anything has, or if it is time to."""
        self._turned_at = self._clock.monotonic()
        changed = [self._policies.refresh(), self._pods.refresh(), self._specs.refresh()]
        now = self._clock.now()
        set_back = self._set_back(now)
        if any(changed) or now >= self._next_change or set_back:
            self._decide(now)
            shown = self._show()
            self._next_change = next_change(self.decided.values(), now) if shown else now

    def _set_back(self, now: float) -> bool:
        """Whether the wall clock was set back since the last look: then times that were written
        would make ages look younger, and are written again.
        """
        offset_s = now - self._turned_at
        back_s = self._offset_s - offset_s
        self._offset_s = offset_s
        return back_s > CLOCK_STEP_S

    def _restore(self) -> None:
        """Takes over every snapshot that was published, and what its status remembers of time."""
        for published in self._volumes.published():
            try:
                key, meta = _identify(published)
                self._engine.restore(key, published.data, published.history, published.entry)
            except WireError as error:
                where = {"namespace": published.namespace, "snapshot": published.name}
                say(logging.ERROR, "controller.not_restored", **where, why=str(error))
                continue
            self._statuses.restored(key, meta)
            status = self._store.written_status(Name(published.namespace, published.name))
            self._attempted[key] = None if status is None else status.last_attempt
            self._known[key] = Known(
                parts=_parts_of(published.data),
                synced=True,
                undemanded_since=None if status is None else status.undemanded_since,
                refused_since=None if status is None else status.refused_since,
            )
        say(logging.INFO, "controller.restored", snapshots=len(self._known))

    def _decide(self, now: float) -> None:
        policies = self._policies.current()
        demands = self._pods.current()
        wanted = parts(demands)
        specs = self._specs.current()
        keys = wanted.keys() | self._known.keys()
        wishes = self._wishes(keys, policies)
        known = {key: self._as_known(key) for key in keys}
        decided = reconcile(parts=wanted, known=known, policies=policies, wishes=wishes, now=now)
        self._tell_changes(decided)
        self._engine.govern(self._accounts.govern(policies.accounts))
        self._engine.demand(
            [item.demanded for item in decided.values() if item.demanded is not None]
        )
        for key, item in decided.items():
            if item.demanded is None and item.known.synced and key in wishes:
                self._engine.operate(key, wishes[key])
            if item.withdraw:
                self._engine.withdraw(key)
        generations = {key: specs[_name(key)].generation for key in decided if _name(key) in specs}
        self._statuses.decided(decided, consumers(demands), generations)
        self._gone |= keys - decided.keys()
        self._gone -= decided.keys()
        for key in self._gone:
            self._engine.forget(key)
        self._known = {key: item.known for key, item in decided.items()}
        self.decided = decided

    def _show(self) -> bool:
        """Writes the statuses. False: not all could be, for example because the store is full; they
        are tried again at the next look, and nothing else waits for them.
        """
        failure: OSError | None = None
        for key in tuple(self._gone):
            try:
                self._statuses.forget(key)
                self._gone.discard(key)
            except OSError as error:
                failure = error
        for key in self.decided:
            try:
                self._statuses.write(key, self._engine.state(key))
            except OSError as error:
                failure = error
        why = None if failure is None else str(failure.strerror)
        if why is not None and why != self._not_shown:
            decision = "tried again at every look; values and ages are written apart from this"
            say(logging.ERROR, "controller.statuses_not_written", why=why, decision=decision)
        self._not_shown = why
        return why is None

    def _wishes(
        self, keys: Iterable[SnapshotKey], policies: PolicySet
    ) -> dict[SnapshotKey, Wanted]:
        specs = self._specs.current()
        wishes = {
            key: wish(
                key,
                specs.get(_name(key)),
                policies,
                state=self._engine.state(key),
                attempted_at=self._attempted.get(key),
            )
            for key in keys
        }
        return {key: wanted for key, wanted in wishes.items() if wanted is not None}

    def _as_known(self, key: SnapshotKey) -> Known:
        """What is remembered, and whether the engine has served it since."""
        before = self._known.get(key, Known())
        state = self._engine.state(key)
        synced = before.synced or (state is not None and state.serving is not None)
        return Known(
            parts=before.parts,
            synced=synced,
            undemanded_since=before.undemanded_since,
            refused_since=before.refused_since,
        )

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


def _name(key: SnapshotKey) -> Name:
    return Name(key.namespace, key.source.snapshot)


def _identify(published: Published) -> tuple[SnapshotKey, Meta]:
    """Whose snapshot a folder is: the name is a hash over the source that its meta.json names."""
    meta = from_wire(published.data[META])
    source = SourceKey(meta.account, meta.identity, meta.provider, meta.reference)
    if source.snapshot != published.name:
        raise WireError("its meta.json names the source of another snapshot")
    return SnapshotKey(published.namespace, source), meta


def _parts_of(data: Mapping[str, bytes]) -> Parts:
    """What was taken of a snapshot before a restart, as far as its keys tell: the deeper
    properties,
    for all others are there in any case.
    """
    names = (key.removeprefix("p.") for key in data if key.startswith("p."))
    deeper = frozenset(name.replace("..", "/") for name in names if ".." in name)
    return Parts(properties=deeper, whole=True)
