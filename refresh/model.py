"""The values that the refresh engine works on. Times in seconds since the epoch. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from contract.object_names import snapshot_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.ages import Confirmed
    from contract.freshness import FreshnessClass
    from contract.reasons import FetchFailure, Serving
    from contract.secret_bytes import SecretBytes
    from contract.snapshot_format import Quarantined


class Identity(NamedTuple):
    """Which version: the provider's name of it, and which incarnation of that name."""

    version: str
    incarnation: str | None = None
    """As in `contract.snapshot_format.Meta`; None: the provider did not say."""


class Moment(NamedTuple):
    """Now, on both clocks."""

    wall: float
    """Seconds since the epoch: ages."""
    mono: float
    """Monotonic seconds: waits and budgets."""


@dataclass(frozen=True, slots=True, order=True)
class SourceKey:
    """What single flight is by: one fetch of it serves every namespace that may have it."""

    account: str
    identity: str
    scheme: str
    reference: str

    @property
    def snapshot(self) -> str:
        """The name of its snapshot, the same in each namespace."""
        return snapshot_name(self.account, self.identity, self.scheme, self.reference)


@dataclass(frozen=True, slots=True, order=True, weakref_slot=True)
class SnapshotKey:
    """One source in one namespace."""

    namespace: str
    source: SourceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What a new value must pass before it is served, from policy (docs/contract.md)."""

    max_bytes: int
    validations: tuple[Mapping[str, object], ...] = ()
    """As in SecretPolicy `validate`, already checked for form: for example {"pem": True}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSpec:
    """What operators ask of one snapshot (SecretSnapshot spec, and the account's `revoked`)."""

    pin: str | None = None
    quarantined: frozenset[str] = frozenset()
    """Versions rolled back from."""
    revoked: frozenset[str] = frozenset()
    """Versions never to be served again; grows only."""
    refresh_requested: float | None = None
    """When a refresh was last asked for; None: never."""
    refresh_done: bool = False
    """Whether a process before this one has answered that."""


@dataclass(frozen=True, slots=True)
class Use:
    """A member of a value, and the pods that use it."""

    member: str
    """Steps divided by `/`."""
    pods: tuple[str, ...] = ()
    """The first MOST_NAMED of their names, sorted. None of them: a declaration uses it."""
    more: int = 0
    """How many others."""


MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Demanded:
    """One snapshot that pods or a declaration demand and policy allows now."""

    key: SnapshotKey
    rules: FreshnessClass
    checks: Checks
    properties: frozenset[str] = frozenset()
    """Properties that pods demand, steps divided by `/`. One that the value lacks holds its pod,
    never the others."""
    whole: bool = False
    """Whether a pod takes the whole value; then a first value need not be a JSON object."""
    wanted: OperatorSpec | None = None
    """None: nothing is known of operators' requests, so those recorded in meta.json stay."""
    used: tuple[Use, ...] = ()
    """Members that pods use which run now, or that a declaration names."""
    hold_s: float | None = None
    """How long a version that lost one of those is held; None: as long as the freshness budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One version that the controller holds: served, older, or newer and refused."""

    version: str
    value: SecretBytes
    fetched_at: float
    rank: int = 0
    """Grows with each version that became the provider's current one; 0: fetched by name only."""
    incarnation: str | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.version, self.incarnation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """A revoked value of a provider that names no versions."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotState:
    """All that is known of one snapshot; what survives a restart is rebuilt from meta.json, history
    and the freshness entry.
    """

    serving: Serving | None = None
    """None: never synced."""
    served: Kept | None = None
    """None unless `serving` is SERVED."""
    history: tuple[Kept, ...] = ()
    """Other stored versions, highest rank first: good ones, and a candidate that was refused."""
    latest: str | None = None
    """The version that the provider last gave as current, served or not."""
    latest_incarnation: str | None = None
    pin: str | None = None
    quarantined: tuple[Quarantined, ...] = ()
    revoked: tuple[str, ...] = ()
    spent: tuple[Spent, ...] = ()
    """Of `revoked`, those that the engine named itself."""
    last_success: float | None = None
    """When the served version was last confirmed (contract.ages); never moved by serving stale."""
    prior: Confirmed | None = None
    last_attempt: float | None = None
    failures: int = 0
    """Failed attempts since the last success; 0 after one."""
    reason: FetchFailure | None = None
    """Why the last attempt failed; None: it did not."""
    code: str | None = None
    """The source's word for `reason`; None: there is none."""
    refresh_handled: float | None = None
    """The request for a refresh that was answered last, by a fetch that began after it."""
    answered_at: float | None = None
    """When the provider last named `latest`; at least `last_success`. None: not yet."""
    seen: float | None = None
    """The clock at the last event; None: no event yet. A clock before it has gone backwards."""
    lost: tuple[Use, ...] = ()
    """What `latest` lacks while it is held for that; empty: it is not held."""
    held_since: float | None = None
    """When the first of the versions that are held one after another arrived; None: none is."""
    held_until: float | None = None
    """When `latest` is served all the same; None: it is not held."""
    restored: str | None = None
    """The UID of the cluster whose backup this is, until the provider confirms; None: our own."""

    @property
    def current(self) -> Identity | None:
        """`latest` with its incarnation."""
        return None if self.latest is None else Identity(self.latest, self.latest_incarnation)


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """One thing to ask a provider: a source's current version, or one version by name."""

    source: SourceKey
    version: str | None = None
    """None: the current one. An operator's pin may be any text, the empty one too."""

    @property
    def by_name(self) -> bool:
        return self.version is not None
