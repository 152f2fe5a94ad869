"""The engine's sink on a cluster, and the one writer of SecretSnapshots' statuses."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from contract.reasons import Found, Serving
from contract.snapshot import META, from_wire
from controller.conditions import not_given
from controller.events import regarding_snapshot
from controller.leftovers import Leftovers
from controller.publication import is_held_back, publish
from controller.refusals import is_lasting, why_not
from controller.secrets import ForeignSecretError
from controller.shown import Late, Shown, as_pods_see
from controller.snapshots import made
from controller.status import TIMES, is_written, next_turn, status_of, timeless, to_wire
from controller.telemetry import say
from controller.times import seconds
from controller.turns import turns
from kube.errors import ApiError, FencedError
from kube.resources import SECRET_SNAPSHOTS
from refresh.model import SnapshotState
from refresh.sink import revealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Entry
    from contract.snapshot import Meta
    from controller.events import Events
    from controller.feeds import Copies
    from controller.freshness import FreshnessMaps
    from controller.nudges import Nudges
    from controller.reconcile import Decided
    from controller.records import Records
    from controller.secrets import Secrets
    from controller.snapshots import Seen
    from kube.api import Api
    from kube.clock import Clock
    from kube.reflector import Change
    from refresh.model import SnapshotKey
    from refresh.sink import Data

TURN_S = 0.2
"""How often due statuses are looked for."""
LEAST_GAP_S = 1.0
"""A status is not written more often than this."""
RETRY_CAP_S = 30.0
AGES_LATE_S = 20.0
"""Ages that could not be written for so long are told of; before, it may be a moment's trouble."""
_AT_ONCE = 8
"""Writes under way."""
_AT_A_TIME = 64


class Ledger:
    """Secrets and ages are written as the engine asks; statuses by `run`, each when it says
    something else.
    """

    def __init__(
        self,
        api: Api,
        *,
        copies: Copies,
        records: Records,
        secrets: Secrets,
        freshness: FreshnessMaps,
        nudges: Nudges,
        events: Events,
        clock: Clock,
    ) -> None:
        self._api = api
        self._copies = copies
        self._records = records
        self._secrets = secrets
        self._freshness = freshness
        self._nudges = nudges
        self._events = events
        self._clock = clock
        self._published: dict[SnapshotKey, Meta] = {}
        self._applied: dict[SnapshotKey, int] = {}
        self._decided: Mapping[SnapshotKey, Decided] = {}
        self._consumers: Mapping[SnapshotKey, tuple[str, ...]] = {}
        self._altered: set[SnapshotKey] = set()
        self._shown: dict[SnapshotKey, Shown] = {}
        self._leftovers = Leftovers(api, copies.snapshots, events, clock)
        self._ages_late: dict[str, Late] = {}
        """Namespaces whose ages could not be written."""
        self._locks: WeakValueDictionary[SnapshotKey, asyncio.Lock] = WeakValueDictionary()
        self._epochs: dict[SnapshotKey, int] = {}
        """How often a snapshot was collected."""
        copies.snapshots.subscribe(self._changed)

    def restored(self, key: SnapshotKey, meta: Meta) -> None:
        """Takes over what was published before a restart."""
        self._published[key] = meta

    def decided(
        self,
        decided: Mapping[SnapshotKey, Decided],
        consumers: Mapping[SnapshotKey, tuple[str, ...]],
        generations: Mapping[SnapshotKey, int],
    ) -> None:
        """Takes over what was decided now, after the engine has been told."""
        self._altered = {
            key
            for key, item in decided.items()
            if item != self._decided.get(key)
            or consumers.get(key) != self._consumers.get(key)
            or generations.get(key) != self._applied.get(key)
        }
        self._decided, self._consumers = decided, consumers
        self._applied.update(generations)

    async def publish(self, key: SnapshotKey, data: Data, history: Data) -> None:
        """Writes record and Secret (`publication`), but not what was asked before a collection."""
        epoch = self._epochs.get(key, 0)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if epoch == self._epochs.get(key, 0):
                await self._publish(key, revealed(data), revealed(history))

    async def _publish(
        self, key: SnapshotKey, snapshot: dict[str, bytes], kept: dict[str, bytes]
    ) -> None:
        meta = from_wire(snapshot[META])
        held = self._records.get(key)
        recorded = frozenset(() if held is None else held.keys)
        # Of a write that was begun before it is not known what pods have seen.
        there = frozenset() if held is None or held.unfinished else recorded
        if meta.serving is not Serving.SERVED:
            # A key that goes would freeze the volumes of `mount` pods that project it, and they
            # would never see that the value is gone.
            snapshot |= dict.fromkeys(recorded - snapshot.keys(), b"")
        entry = self._freshness.entry(key.namespace, key.source.snapshot)
        held_back = is_held_back(held, entry, meta)
        try:
            wrote = await publish(
                self._records, self._secrets, key, snapshot, kept, held_back=held_back
            )
        except ForeignSecretError:
            self._found(key, Found.FOREIGN_SECRET)
            raise
        except ApiError as error:
            shown = self._shown.setdefault(key, Shown())
            shown.refused += 1
            of_record = error.path.startswith(self._records.folder)
            of_record &= not error.path.endswith(key.source.snapshot)
            found = await why_not(self._api, key.namespace, error, of_record=of_record)
            self._found(key, found if is_lasting(found) or shown.refused > 1 else shown.found)
            raise
        self._found(key, None)
        self._shown[key].refused = 0
        if not wrote:
            return
        before, self._published[key] = self._published.get(key), meta
        if self._is_urgent(key, before, meta) or not snapshot.keys() <= there:
            self._nudges.ask(key.namespace, self._consumers.get(key, ()))

    async def report(self, namespace: str, entries: Mapping[str, Entry]) -> None:
        if self._is_gone(namespace):
            return
        unrecorded = {name for name in entries if self._records.is_doubtful(namespace, name)}
        try:
            await self._freshness.report(namespace, entries, unrecorded)
        except ApiError as error:
            mono = self._clock.monotonic()
            late = self._ages_late.setdefault(namespace, Late(mono))
            if not late.told and mono - late.since >= AGES_LATE_S:
                say(logging.ERROR, "controller.ages_not_written", ns=namespace, why=str(error))
                late.told = True
                self._note_all(namespace)
            raise
        late_ = self._ages_late.pop(namespace, None)
        if late_ is not None and late_.told:
            self._note_all(namespace)

    async def status(self, key: SnapshotKey, state: SnapshotState) -> None:
        self._note(key, state).times = True

    def write(self, key: SnapshotKey, state: SnapshotState | None) -> None:
        """Shows one snapshot soon, if there is something else to say than before."""
        shown = self._shown.get(key)
        if shown is None or key in self._altered or shown.state is not state:
            self._note(key, SnapshotState() if state is None else state)

    def forget(self, key: SnapshotKey) -> None:
        """Drops what is shown of a snapshot that was never served and that nobody wants."""
        shown = self._shown.pop(key, None)
        self._applied.pop(key, None)
        self._published.pop(key, None)
        if self.vanished(key):
            self._records.lose(key)
            self._freshness.forget(key.namespace)
            self._ages_late.pop(key.namespace, None)
        elif shown is not None:
            self._leftovers.unwanted(key)

    def vanished(self, key: SnapshotKey) -> bool:
        """Whether the namespace that the snapshot was published in is gone, or was made again."""
        held = self._records.get(key)
        found = self._copies.namespaces.items.get(("", key.namespace))
        return found is None or (held is not None and held.namespace_uid != found.uid)

    def _is_gone(self, namespace: str) -> bool:
        return ("", namespace) not in self._copies.namespaces.items

    async def collect(self, key: SnapshotKey) -> bool:
        """Removes the Secret, the SecretSnapshot that was made for pods, and last the record, by
        which the next leader goes on where this one ends. False: some of it stays for now.
        """
        name = key.source.snapshot
        async with self._locks.setdefault(key, asyncio.Lock()):
            try:
                with suppress(ForeignSecretError):  # ours is gone already
                    await self._secrets.delete(key.namespace, name)
                await self._leftovers.remove_made(key)
                await self._records.delete(key)
            except (ApiError, FencedError) as error:
                say(logging.WARNING, "controller.not_collected", snapshot=name, why=str(error))
                return False
            self._epochs[key] = self._epochs.get(key, 0) + 1
        for known in (self._shown, self._applied, self._published):
            known.pop(key, None)
        say(logging.INFO, "controller.collected", namespace=key.namespace, snapshot=name)
        return True

    async def run(self, states: Mapping[SnapshotKey, SnapshotState]) -> None:
        """Writes statuses, and removes objects that nobody wants, until cancelled. `states` is what
        the engine knows, as it goes on.
        """
        permits = asyncio.Semaphore(_AT_ONCE)
        while True:
            await asyncio.sleep(TURN_S)  # noqa: TID251 - a fixed turn
            now, mono = self._clock.now(), self._clock.monotonic()
            for key, shown in self._shown.items():
                if now >= shown.turns_at:
                    shown.turns_at, shown.due_at = float("inf"), min(shown.due_at, mono)
                if shown.confirmed(states.get(key)):
                    self._note(key, states[key])
            due = [key for key, shown in self._shown.items() if shown.due_at <= mono]
            for begin in range(0, len(due), _AT_A_TIME):  # others have the loop in between
                some = due[begin : begin + _AT_A_TIME]
                await asyncio.gather(*(self._show(key, permits) for key in some))
            await self._leftovers.turn(self._decided)

    def _is_urgent(self, key: SnapshotKey, before: Meta | None, meta: Meta) -> bool:
        """Whether pods are to see it at once: it is the first, or operators' doing, or the class
        says so. So they are when there is a key that was not: a pod may wait for it.
        """
        if before is None:
            return True
        if before.serving == meta.serving and _is_same(before, meta):
            return False
        decided = self._decided.get(key)
        operated = (before.pin, before.revoked, before.serving, before.quarantined) != (
            meta.pin,
            meta.revoked,
            meta.serving,
            meta.quarantined,
        )
        return operated or (decided is not None and decided.nudge)

    def _found(self, key: SnapshotKey, found: Found | None) -> None:
        shown = self._shown.setdefault(key, Shown())
        if shown.found is not found:
            shown.found, shown.due_at = found, self._clock.monotonic()

    def kept_from_pods(self, key: SnapshotKey) -> Found | None:
        """Why pods are not given what is known of a snapshot; None: they are."""
        shown = self._shown.get(key)
        return None if shown is None else shown.found

    def _note_all(self, namespace: str) -> None:
        mono = self._clock.monotonic()
        for key, shown in self._shown.items():
            if key.namespace == namespace:
                shown.due_at = min(shown.due_at, mono)

    def _note(self, key: SnapshotKey, state: SnapshotState) -> Shown:
        shown = self._shown.setdefault(key, Shown())
        shown.state = state
        shown.due_at = min(shown.due_at, self._clock.monotonic())
        return shown

    async def _show(self, key: SnapshotKey, permits: asyncio.Semaphore) -> None:
        shown = self._shown.get(key)
        decided = self._decided.get(key)
        if shown is None or decided is None or self._is_gone(key.namespace):
            return
        shown.due_at = float("inf")
        try:
            async with permits:
                wrote = await self._show_now(key, shown, decided)
        except (ApiError, FencedError) as error:
            shown.failures += 1
            wait_s = min(RETRY_CAP_S, 0.5 * 2.0 ** min(shown.failures, 10))
            shown.due_at = self._clock.monotonic() + wait_s
            name = key.source.snapshot
            say(logging.INFO, "controller.status_not_written", snapshot=name, why=str(error))
            return
        shown.failures = 0
        if wrote:
            shown.due_at = min(shown.due_at, self._clock.monotonic() + LEAST_GAP_S)

    async def _show_now(self, key: SnapshotKey, shown: Shown, decided: Decided) -> bool:
        """Whether anything was written."""
        seen = self._copies.snapshots.items.get((key.namespace, key.source.snapshot))
        if seen is None:
            return await self._make(key, shown, decided)
        if shown.written is None:
            shown.written = dict(seen.status)
            shown.observed = seen.status.get("observedGeneration", 0)
            shown.handled = seconds(seen.status.get("lastHandledRefresh"))
        now = self._clock.now()
        if is_written(shown.state, self._published.get(key)):
            shown.observed = self._applied.get(key, 0)
            shown.handled = shown.state.refresh_handled or shown.handled
        await self._probe(key, shown)
        document = self._document(key, shown, shown.written, decided, now)
        if timeless(document) == timeless(shown.written) and not (
            shown.times and any(document[name] != shown.written.get(name) for name in TIMES)
        ):
            return False
        before = shown.written  # the watch may tell of the new one before the answer comes
        await self._api.merge_patch(_path(key, "status"), {"status": document})
        shown.written, shown.times = document, False
        regarded = regarding_snapshot(seen.namespace, seen.name, seen.uid)
        for turn, note in turns(before, document):
            about = f"{turn} {document['version']}"
            await self._events.say(regarded, about, turn, note, severity=turn.severity)
        return True

    def _document(
        self,
        key: SnapshotKey,
        shown: Shown,
        before: Mapping[str, Any],
        decided: Decided,
        now: float,
    ) -> dict[str, Any]:
        """The status to write. Where ages can't be written it says what pods see."""
        state, found = shown.state, None
        late, held = self._ages_late.get(key.namespace), self._records.get(key)
        if late is not None and late.told and state.served is not None:
            entry = self._freshness.entry(key.namespace, key.source.snapshot)
            state = as_pods_see(state, self._published.get(key), entry)
            found = Found.AGES_NOT_WRITTEN
        elif held is not None and held.restored:
            found = Found.RESTORED
        consumers = self._consumers.get(key, ())
        status = status_of(
            key, state, decided, consumers, shown.observed, handled=shown.handled, found=found
        )
        shown.turns_at = next_turn(status, now)
        document = to_wire(status, state, before, now)
        if shown.found is not None:
            return not_given(document, shown.found, before, now)
        return document

    async def _probe(self, key: SnapshotKey, shown: Shown) -> None:
        """Looks once whether another Secret stands where one that was never served is to be, for
        what to do then is not the provider's.
        """
        if shown.probed or shown.state.serving is not None or shown.found is not None:
            return
        with suppress(ApiError, FencedError):
            if await self._secrets.is_foreign(key.namespace, key.source.snapshot):
                shown.found = Found.FOREIGN_SECRET
            shown.probed = True

    async def _make(self, key: SnapshotKey, shown: Shown, decided: Decided) -> bool:
        """Makes the object for a snapshot that policy allows or that is served; a plan alone makes
        none. AlreadyExistsError: one is there that is not seen, as while it hangs in its deletion.
        """
        if decided.demanded is None and not decided.known.synced:
            return False
        body = made(key, shown.state)
        path = SECRET_SNAPSHOTS.path(key.namespace)
        await self._api.create(path, body)
        shown.written = None
        return True

    def _changed(self, change: Change[Seen]) -> None:
        """An object went, or says something else than we wrote: it is written again."""
        seen = change.after or change.before
        if seen is None:
            return
        if not seen.named:
            if change.after is not None:
                self._leftovers.misnamed(seen)
            return
        shown = self._shown.get(seen.key)
        if shown is None or shown.written is None:
            return
        if change.after is None or timeless(change.after.status) != timeless(shown.written):
            if change.after is not None:
                shown.written = dict(change.after.status)
            shown.due_at = min(shown.due_at, self._clock.monotonic() + LEAST_GAP_S)


def _is_same(before: Meta, meta: Meta) -> bool:
    """Whether the same version is served; one whose incarnation is known now is no other."""
    known = before.incarnation
    return before.version == meta.version and known in {None, meta.incarnation}


def _path(key: SnapshotKey, subresource: str | None = None) -> str:
    return SECRET_SNAPSHOTS.path(key.namespace, key.source.snapshot, subresource)
