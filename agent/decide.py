"""What becomes of each snapshot of a pod, from the plan, what is mounted, what is cached, the
ages and `now`. Pure.
"""

from __future__ import annotations

from enum import StrEnum

from contract import ages, freshness
from contract.frozen import Record
from contract.plan import BUNDLES
from contract.reasons import CacheReason, Freshness, Serving
from contract.snapshot_format import data_key
from contract.status_file import CacheStatus, SecretStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Entry
    from contract.plan import Plan, PlannedSnapshot
    from contract.secret_bytes import SecretBytes
    from contract.snapshot_format import Meta


class PodVerdict(StrEnum):
    """The gate's answer for the whole pod."""

    START = "start"
    WAIT = "wait"
    MISCONFIGURED = "misconfigured"


class Mounted(Record):
    """A snapshot as its volume shows it."""

    meta: Meta | None
    """None: meta.json can't be read by this version."""
    values: dict[str, SecretBytes]
    """By data key. A key that is not there is missing."""


class CachedSnapshot(Record):
    """One version of a snapshot, with the bytes of all files that the pod takes from it."""

    meta: Meta
    values: dict[str, SecretBytes]
    """By the file's name."""

    def same(self, other: CachedSnapshot | None) -> bool:
        """Whether the files would be the same, and named by the same version."""
        return (
            other is not None
            and self.meta.version == other.meta.version
            and self.values == other.values
        )


class Choice(Record):
    """What the pod gets from one snapshot, and how old it is. Times in seconds since the epoch."""

    planned: PlannedSnapshot
    copy: CachedSnapshot | None
    """None: no file."""
    cache_reason: CacheReason | None
    """Why this is not simply what is mounted; None: it is."""
    gone: bool
    """The snapshot says that nothing is served: the absence of a copy is wanted."""
    state: Freshness
    last_success: float | None
    last_attempt: float | None
    reason: str | None
    """For status.json."""
    next_change: float | None
    """When `state` changes by itself; None: never."""

    @property
    def waits(self) -> CacheReason | None:
        """Why a starting pod waits for this; None: it does not."""
        if self.copy is None:
            return self.cache_reason
        refused = self.state is Freshness.EXPIRED and self.planned.rules.refuses
        return CacheReason.EXPIRED if refused else None


class Decision(Record):
    """For all snapshots of the plan, in its order."""

    choices: tuple[Choice, ...]
    cached: Mapping[str, CachedSnapshot]
    revoked: Mapping[str, tuple[str, ...] | None]
    """By snapshot: versions that may not stay anywhere; None: no version may."""
    form: str | None = None
    """Of the bundle; None: the pod asks for none."""

    @property
    def verdict(self) -> PodVerdict:
        if any(choice.cache_reason is CacheReason.FOREIGN for choice in self.choices):
            return PodVerdict.MISCONFIGURED
        return PodVerdict.WAIT if self.waiting else PodVerdict.START

    @property
    def waiting(self) -> dict[str, str]:
        """By the annotation's name: why a starting pod waits."""
        return {
            file.name: choice.waits.value
            for choice in self.choices
            if choice.waits is not None
            for file in choice.planned.files
        }

    @property
    def not_current(self) -> dict[str, str]:
        """By the annotation's name: why a running pod does not have what is mounted."""
        return {
            file.name: choice.cache_reason.value
            for choice in self.choices
            if choice.cache_reason is not None
            for file in choice.planned.files
        }

    @property
    def versions(self) -> dict[str, str | None]:
        """By the annotation's name: the version that the pod has; None: none."""
        return {
            file.name: None if choice.copy is None else choice.copy.meta.version
            for choice in self.choices
            for file in choice.planned.files
        }

    @property
    def copies(self) -> dict[str, CachedSnapshot]:
        """What the cache should hold, by snapshot."""
        return {
            choice.planned.snapshot: choice.copy
            for choice in self.choices
            if choice.copy is not None
        }

    @property
    def files(self) -> dict[str, SecretBytes]:
        """The bytes of the pod's files, by name."""
        return files_of(self.copies)

    @property
    def bundle(self) -> dict[str, SecretBytes]:
        """The one file with all secrets, by its name. None is there until each secret has come;
        what is revoked later is left out of it, as its own file is.
        """
        whole = all(choice.copy is not None or choice.gone for choice in self.choices)
        if self.form is None or not whole or not self.copies:
            return {}
        from contract.bundle import encode

        names = {file.file: file.name for each in self.choices for file in each.planned.files}
        content = encode(self.form, {names[file]: value for file, value in self.files.items()})
        return {} if content is None else {BUNDLES[self.form]: content}

    @property
    def changes(self) -> bool:
        """Whether the cache holds something else than it should."""
        copies = self.copies
        return copies.keys() != self.cached.keys() or any(
            not copy.same(self.cached.get(snapshot)) for snapshot, copy in copies.items()
        )

    @property
    def drops(self) -> bool:
        """Whether the cache holds something that may no longer stay."""
        return any(snapshot not in self.copies for snapshot in self.cached)

    @property
    def next_change(self) -> float | None:
        """When some state changes by itself; None: never."""
        return min((at for choice in self.choices if (at := choice.next_change)), default=None)

    def allows(self, snapshot: str, version: str | None) -> bool:
        """Whether that version of a snapshot may stay in the cache."""
        revoked = self.revoked.get(snapshot, ())
        return revoked is not None and version not in revoked


def decide(
    plan: Plan,
    mounted: Mapping[str, Mounted],
    cached: Mapping[str, CachedSnapshot],
    entries: Mapping[str, Entry],
    now: float,
) -> Decision:
    """The decision for a pod; `mounted`, `cached` and `entries` by snapshot."""
    choices = []
    for planned in plan.snapshots:
        name = planned.snapshot
        copy, cache_reason = _copy(planned, mounted.get(name), cached.get(name), plan.bundle)
        choices.append(_choice(planned, copy, cache_reason, entries.get(name), now))
    revoked = {
        planned.snapshot: _revoked(planned, mounted.get(planned.snapshot))
        for planned in plan.snapshots
    }
    return Decision(choices=tuple(choices), cached=cached, revoked=revoked, form=plan.bundle)


def files_of(copies: Mapping[str, CachedSnapshot]) -> dict[str, SecretBytes]:
    """The bytes of the files that these copies make, by name."""
    return {file: value for copy in copies.values() for file, value in copy.values.items()}


def status(decision: Decision, revision: str | None, now: float) -> CacheStatus:
    """status.json for a decision that has become `revision`."""
    return CacheStatus(
        revision=revision,
        written_at=now,
        secrets={
            file.name: SecretStatus(
                version=None if choice.copy is None else choice.copy.meta.version,
                rules=choice.planned.rules.name,
                state=choice.state,
                last_success=choice.last_success,
                last_attempt=choice.last_attempt,
                reason=choice.reason,
            )
            for choice in decision.choices
            for file in choice.planned.files
        },
    )


def counts(decision: Decision) -> dict[str, int]:
    """How many of the pod's secrets are in each state."""
    found = dict.fromkeys((state.value for state in Freshness), 0)
    for choice in decision.choices:
        found[choice.state.value] += len(choice.planned.files)
    return found


def oldest_age_s(decision: Decision, now: float) -> float | None:
    """The greatest age in seconds; None: there is no secret, or one whose age is not known."""
    found = [freshness.age_s(choice.last_success, now) for choice in decision.choices]
    known = [age for age in found if age is not None]
    return max(known) if known and len(known) == len(found) else None


def _choice(
    planned: PlannedSnapshot,
    copy: CachedSnapshot | None,
    cache_reason: CacheReason | None,
    entry: Entry | None,
    now: float,
) -> Choice:
    last_success = None if copy is None else ages.last_success(copy.meta, entry)
    failure = None if entry is None else entry.reason
    return Choice(
        planned=planned,
        copy=copy,
        cache_reason=cache_reason,
        gone=cache_reason in (CacheReason.REVOKED, CacheReason.WITHDRAWN),
        state=freshness.assess(planned.rules, last_success, now),
        last_success=last_success,
        last_attempt=None if entry is None else entry.last_attempt,
        reason=failure if cache_reason is None else cache_reason.value,
        next_change=freshness.next_change(planned.rules, last_success, now),
    )


def _copy(
    planned: PlannedSnapshot,
    mounted: Mounted | None,
    cached: CachedSnapshot | None,
    form: str | None,
) -> tuple[CachedSnapshot | None, CacheReason | None]:
    """Which copy the pod gets, and why it is not the mounted one."""
    if mounted is None:
        return cached, CacheReason.NEVER_SYNCED if cached is None else CacheReason.MISSING
    meta = mounted.meta
    if meta is None:
        return cached, CacheReason.MALFORMED
    if not _ours(planned, meta):
        return cached, CacheReason.FOREIGN
    if meta.serving is Serving.WITHDRAWN:
        return None, CacheReason.WITHDRAWN
    if meta.serving is Serving.REVOKED or meta.version in meta.revoked:
        return None, CacheReason.REVOKED
    values = _values(planned, mounted)
    if values is None:
        return _unrevoked(cached, meta), CacheReason.PROPERTY_MISSING
    if form is not None and not _fit(form, planned, values):
        return _unrevoked(cached, meta), CacheReason.UNFIT_FOR_BUNDLE
    return CachedSnapshot(meta=meta, values=values), None


def _unrevoked(cached: CachedSnapshot | None, meta: Meta) -> CachedSnapshot | None:
    """What stays while the mounted version can't be used."""
    revoked = cached is not None and cached.meta.version in meta.revoked
    return None if revoked else cached


def _fit(form: str, planned: PlannedSnapshot, values: Mapping[str, SecretBytes]) -> bool:
    """Whether the bundle can carry all that the pod takes from this snapshot."""
    from contract.bundle import fits

    return all(fits(form, file.name, values[file.file]) for file in planned.files)


def _values(planned: PlannedSnapshot, mounted: Mounted) -> dict[str, SecretBytes] | None:
    """The bytes of all planned files, by file name; None: one is missing, or empty, which replaces
    nothing either.
    """
    values = {}
    for file in planned.files:
        value = mounted.values.get(data_key(file.property))
        if not value:
            return None
        values[file.file] = value
    return values


def _ours(planned: PlannedSnapshot, meta: Meta) -> bool:
    return meta.names(planned.account, planned.identity, planned.scheme, planned.reference)


def _revoked(planned: PlannedSnapshot, mounted: Mounted | None) -> tuple[str, ...] | None:
    """Versions that may not stay; None: none may. A meta that is not there, not readable or not
    ours revokes nothing.
    """
    meta = None if mounted is None else mounted.meta
    if meta is None or not _ours(planned, meta):
        return ()
    return meta.revoked if meta.serving is Serving.SERVED else None
