"""A SecretSnapshot as operators and the embedded store have it: `spec`, which operators write, and
`status`, which the controller does.

No secret material and no digest of it. Both are additive formats of `contract.wire`. The API
server's form of them is read by `controller.snapshots`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from contract import wire
from contract.freshness import FreshnessClass
from contract.reasons import FetchFailure
from contract.snapshot import MOST_VERSIONS, Quarantined
from refresh.versions import ROLLED_BACK

if TYPE_CHECKING:
    from contract.ages import Entry


_FAILURES = frozenset(FetchFailure)


class Name(NamedTuple):
    """One snapshot in one namespace."""

    namespace: str
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What operators ask of one snapshot."""

    generation: int = 0
    """Grows with each change, so that a status can say which wish it has seen; 0: nobody asked for
    anything.
    """
    pin: str | None = None
    """None: the newest good version."""
    quarantined: tuple[str, ...] = ()
    """Versions rolled back from."""
    revoked: tuple[str, ...] = ()
    """Versions never to be served again; grows only."""
    refresh_requested: float | None = None
    """Seconds since the epoch; None: never asked."""
    retention_s: float | None = None
    """How long it is fetched once nobody uses it; None: as long as any other."""

    def to_wire(self) -> str:
        """The spec as one line of JSON."""
        return wire.encode({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def from_wire(cls, raw: bytes | str) -> Spec:
        """The spec of one line of JSON, or a WireError."""
        document = wire.decode(raw, "the snapshot's spec")
        return cls(
            generation=int(wire.number(document, "generation")),
            pin=wire.optional_text(document, "pin"),
            quarantined=wire.texts(document, "quarantined"),
            revoked=wire.texts(document, "revoked"),
            refresh_requested=wire.optional_number(document, "refresh_requested"),
            retention_s=wire.optional_number(document, "retention_s"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A version that the controller holds, without its value."""

    version: str
    fetched_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an older controller's status on a cluster says instead of the class's rules."""

    rules: str
    """The class's name."""
    state: str
    """As of its writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The projection of what the controller knows. Times in seconds since the epoch."""

    account: str
    identity: str
    provider: str
    reference: str
    rules: FreshnessClass | None
    """None: policy does not allow the source, and no class is known."""
    serving: str | None
    """A contract.reasons.Serving; None: never synced."""
    version: str | None
    """None: nothing is served."""
    fetched_at: float | None
    last_success: float | None
    last_attempt: float | None
    failures: int
    reason: str | None
    """A FetchFailure of the last attempt, a refusal of policy, or a Found; None: nothing is wrong.
    """
    latest: str | None
    """The version that the provider last gave as current."""
    pin: str | None
    quarantined: tuple[Quarantined, ...]
    revoked: tuple[str, ...]
    history: tuple[Held, ...]
    """Other versions held, newest first."""
    consumers: tuple[str, ...]
    """Names of pods that demand it, sorted."""
    undemanded_since: float | None
    """None: a pod demands it."""
    refused_since: float | None = None
    """Since when policy does not allow the source; None: it does."""
    observed_generation: int = 0
    """The spec's generation that this status reflects."""
    told: Told | None = None
    """None: `rules` are known, or policy gives no class. Of clusters only, in no file."""
    unnamed: int = 0
    """How many more pods demand it, whose names are not known. Of clusters only, in no file."""

    @property
    def class_name(self) -> str | None:
        """None: policy gives no class."""
        if self.rules is not None:
            return self.rules.name
        return None if self.told is None else self.told.rules

    @property
    def pods(self) -> int:
        """How many pods demand it."""
        return len(self.consumers) + self.unnamed

    @property
    def source(self) -> str:
        """`provider:reference`, as teams write it."""
        return f"{self.provider}:{self.reference}"

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that is known by name, the served one first."""
        kept = (item.version for item in self.history)
        refused = (item.version for item in self.quarantined)
        found = (self.version, self.pin, self.latest, *kept, *refused, *self.revoked)
        return tuple(dict.fromkeys(version for version in found if version is not None))

    def aged(self, entry: Entry) -> Status:
        """The status with the times of a freshness entry, and with what the last attempt gave, if
        the entry is about the same version and a later attempt. Statuses are not written again
        because time passes, and may be written later than the entry. A refusal of policy and a
        Found stay.
        """
        served, attempt = entry.served, entry.last_attempt
        if served is None or served.version != self.version or attempt is None:
            return self
        if self.last_attempt is not None and attempt <= self.last_attempt:
            return self
        attempted = self.reason is None or self.reason in _FAILURES
        return replace(
            self,
            last_success=served.last_success,
            last_attempt=attempt,
            reason=entry.reason if attempted else self.reason,
        )

    def to_wire(self) -> str:
        """The status as one line of JSON."""
        names = (name for name in self.__slots__ if name not in {"told", "unnamed"})
        document: dict[str, Any] = {name: getattr(self, name) for name in names}
        document["rules"] = None if self.rules is None else self.rules.__dict__
        document["quarantined"] = [item.__dict__ for item in self.quarantined]
        document["history"] = [
            {"version": item.version, "fetched_at": item.fetched_at} for item in self.history
        ]
        return wire.encode(document)

    @classmethod
    def from_wire(cls, raw: bytes | str) -> Status:
        """The status of one line of JSON, or a WireError."""
        document = wire.decode(raw, "the snapshot's status")
        return cls(
            account=wire.text(document, "account"),
            identity=wire.text(document, "identity"),
            provider=wire.text(document, "provider"),
            reference=wire.text(document, "reference"),
            rules=_rules(document),
            serving=wire.optional_text(document, "serving"),
            version=wire.optional_text(document, "version"),
            fetched_at=wire.optional_number(document, "fetched_at"),
            last_success=wire.optional_number(document, "last_success"),
            last_attempt=wire.optional_number(document, "last_attempt"),
            reason=wire.optional_text(document, "reason"),
            latest=wire.optional_text(document, "latest"),
            pin=wire.optional_text(document, "pin"),
            undemanded_since=wire.optional_number(document, "undemanded_since"),
            refused_since=wire.optional_number(document, "refused_since"),
            failures=int(wire.number(document, "failures")),
            quarantined=tuple(
                Quarantined(version=wire.text(item, "version"), reason=wire.text(item, "reason"))
                for item in wire.objects(document, "quarantined")
            ),
            revoked=wire.texts(document, "revoked"),
            history=tuple(
                Held(version=wire.text(item, "version"), fetched_at=wire.number(item, "fetched_at"))
                for item in wire.objects(document, "history")
            ),
            consumers=wire.texts(document, "consumers"),
            observed_generation=int(wire.number(document, "observed_generation")),
        )


def recorded(status: Status) -> Spec:
    """The spec behind a status, for a first wish where none is written down, or no more: what the
    snapshot itself has recorded goes on.
    """
    rolled_back_from = (item for item in status.quarantined if item.reason == ROLLED_BACK)
    return Spec(
        generation=status.observed_generation,
        pin=status.pin,
        quarantined=tuple(item.version for item in rolled_back_from),
        revoked=status.revoked,
    )


def pinned(spec: Spec, version: str | None) -> Spec:
    """The spec that serves `version` until unpinned; None unpins."""
    return replace(spec, pin=version, generation=spec.generation + 1)


def rolled_back(spec: Spec, version: str) -> Spec:
    """The spec that does not serve `version`, the one served now, until a newer appears. The oldest
    make room: versions that were rolled back from so long ago are held no more.
    """
    quarantined = tuple(dict.fromkeys((*spec.quarantined, version)))[-MOST_VERSIONS:]
    return replace(spec, quarantined=quarantined, generation=spec.generation + 1)


def revoked(spec: Spec, version: str) -> Spec:
    """The spec that never serves `version` again; a pin on it goes with it."""
    union = tuple(dict.fromkeys((*spec.revoked, version)))
    pin = None if spec.pin == version else spec.pin
    return replace(spec, revoked=union, pin=pin, generation=spec.generation + 1)


def refresh_requested(spec: Spec, now: float) -> Spec:
    """The spec that asks for a fetch now."""
    return replace(spec, refresh_requested=now, generation=spec.generation + 1)


def _rules(document: dict[str, Any]) -> FreshnessClass | None:
    if document.get("rules") is None:
        return None
    item = wire.mapping(document, "rules")
    return FreshnessClass(
        name=wire.text(item, "name"),
        refresh_s=wire.number(item, "refresh_s"),
        budget_s=wire.number(item, "budget_s"),
        max_age_s=wire.number(item, "max_age_s"),
        on_expired=wire.text(item, "on_expired"),
    )
