"""One sync of the cache with the volumes: gather, decide, write."""

from __future__ import annotations

from agent import volume
from agent.cache import Cache
from agent.decide import Decision, PodVerdict, decide, files_of, status
from contract.frozen import Record
from contract.plan import MOUNT
from contract.snapshot_format import data_key
from contract.wire import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.decide import CachedSnapshot, Mounted
    from contract.plan import Plan
    from contract.secret_bytes import SecretBytes


class Folders(Record):
    """Where the volumes are mounted."""

    cache: str | None
    """None: in `mount` mode, where there is no cache."""
    snapshots: str
    freshness: str


class SyncResult(Record):
    """What a sync found and did."""

    decision: Decision
    revision: str | None = None
    """The revision that this sync published; None: none."""
    altered: bool = False
    """Whether readers had other bytes in an older revision before."""
    seen: dict[str, SecretBytes] | None = None
    """In `mount` mode: the app's files as the kubelet shows them, whatever was decided."""


class Unreadable(Exception):  # noqa: N818 - a state of the cache
    """The cache holds what this version can't read, and the volumes can't replace all of it.
    Nothing was touched; caught by the loops.
    """


def decide_only(plan: Plan, folders: Folders, now: float) -> SyncResult:
    """The decision from the volumes alone, as for a pod in `mount` mode."""
    mounted = volume.read_snapshots(folders.snapshots, plan)
    entries = volume.read_entries(folders.freshness, plan)
    return SyncResult(decision=decide(plan, mounted, {}, entries, now), seen=_seen(plan, mounted))


def sync_once(plan: Plan, folders: Folders, now: float, *, starting: bool) -> SyncResult:
    """Decide, and bring the cache to it. While a starting pod waits, only remove what may
    not stay.

    OSError, WireError or Unreadable when that was not possible; readers then have what they had.
    """
    if plan.mode == MOUNT or folders.cache is None:
        return decide_only(plan, folders, now)
    mounted = volume.read_snapshots(folders.snapshots, plan)
    entries = volume.read_entries(folders.freshness, plan)
    with Cache(folders.cache, plan) as cache:
        before = cache.revision
        cached = _cached(cache)
        decision = decide(plan, mounted, cached or {}, entries, now)
        if cached is None and not all(each.copy or each.gone for each in decision.choices):
            raise Unreadable
        if starting and decision.verdict is not PodVerdict.START and not decision.drops:
            return SyncResult(decision=decision)
        bundle = decision.bundle
        bundled = cache.holds(bundle)
        publish = decision.changes or cached is None or not bundled
        for _ in cache.apply(
            decision.copies,
            bundle,
            lambda revision: status(decision, revision, now),
            decision.allows,
            publish=publish,
        ):
            pass
        return SyncResult(
            decision=decision,
            revision=cache.revision if publish else None,
            altered=before is not None
            and (cached is None or not bundled or files_of(cached) != decision.files),
        )


def _seen(plan: Plan, mounted: Mapping[str, Mounted]) -> dict[str, SecretBytes]:
    """The bytes of the files that are there, by name."""
    return {
        file.file: value
        for planned in plan.snapshots
        if (found := mounted.get(planned.snapshot)) is not None
        for file in planned.files
        if (value := found.values.get(data_key(file.property))) is not None
    }


def _cached(cache: Cache) -> dict[str, CachedSnapshot] | None:
    """What the cache holds, by snapshot; None: something that can't be read."""
    try:
        return cache.copies()
    except WireError:
        return None


class VolumeWatch:
    """Says when the next sync is due: a volume was swapped, or a time has come, or the clock went
    back.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._seen: tuple[str | None, ...] | None = None
        self._due: float | None = None
        self._last = 0.0

    def is_due(self, now: float) -> bool:
        """Whether to sync now, `now` in seconds since the epoch."""
        seen = volume.current(self._folders.snapshots), volume.current(self._folders.freshness)
        late = self._due is not None and now >= self._due
        due = seen != self._seen or late or now < self._last
        self._seen, self._last = seen, now
        return due

    def wake_at(self, due: float | None) -> None:
        """Sync again at `due` at the latest; None: when a volume is swapped."""
        self._due = due
