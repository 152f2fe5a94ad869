"""Demand, policy and operators' requests -> what the engine keeps fresh. Pure.

Policy decides again on every source, whatever the webhook decided when the pod came: a plan is
something that a tenant wrote.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from contract.reasons import Found
from controller.demand import DemandedParts
from policy.match import Allowed, Reason, Refused, policy_of
from refresh.model import Checks, Demanded, OperatorSpec, SnapshotState
from refresh.versions import ROLLED_BACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from controller.policy_cache import PolicyCache
    from controller.spec import Spec
    from policy.match import PolicySet
    from refresh.model import SnapshotKey, Use

RETENTION_S = 7 * 86_400.0
"""A snapshot that no pod has demanded for so long is not fetched any more, unless it says another
time itself; its value stays."""
MOST_REFUSED = 256
"""Sources of one namespace that are refused, were never served, and are still shown. More are
passed over, so that what one tenant demands in vain costs the others nothing."""
NO_GRACE = frozenset({Reason.UNREADABLE.value, Found.NO_RIGHTS.value})
"""Refusals that say nothing of what the admin allows: they start no grace time, and end none."""
GRACE_S = 86_400.0
"""A value that policy has not allowed for so long is removed; until then it is alarmed, and kept
without being fetched, so that a policy pruned by mistake stops no pod."""


NUDGE = "nudge"
"""A class's `propagation` that does not wait for the kubelet."""


class RefusedSource(StrEnum):
    """Why a source is not fetched, beside the reasons of `policy.match.Reason`."""

    IDENTITY = "identity"
    """The plan names an identity that policy does not give."""
    LIMIT = "limit"
    """The namespace has as many snapshots as its policy allows."""
    NO_RIGHTS = Found.NO_RIGHTS.value
    """The controller may not write there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is remembered of a snapshot between two decisions. Times in seconds since the epoch."""

    parts: DemandedParts = field(default_factory=DemandedParts)
    """What pods took of it last."""
    synced: bool = False
    """Whether it was ever served."""
    undemanded_since: float | None = None
    """None: a pod demands it."""
    refused_since: float | None = None
    """None: policy allows it, or it was not known since what policy says."""
    retention_s: float = RETENTION_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What becomes of one snapshot."""

    known: Known
    demanded: Demanded | None
    """None: it is not fetched; `refusal` says why, or no pod has wanted it for long."""
    refusal: str | None = None
    """A RefusedSource or a `policy.match.Reason`; None: policy allows it."""
    message: str | None = None
    """The refusal as a sentence, for the log."""
    withdraw: bool = False
    """Policy has not allowed it for the grace time: its value goes."""
    unused: bool = False
    """Nobody has demanded it for its retention."""
    nudge: bool = False
    """Its class says that running pods are to learn of a rotation at once."""


def reconcile(
    *,
    parts: Mapping[SnapshotKey, DemandedParts],
    known: Mapping[SnapshotKey, Known],
    policy_cache: PolicyCache,
    operator_specs: Mapping[SnapshotKey, OperatorSpec],
    now: float,
    used: Mapping[SnapshotKey, tuple[Use, ...]] | None = None,
) -> dict[SnapshotKey, Decided]:
    """The decision on every snapshot that pods demand or that is remembered.

    One that was never served and is not demanded any more is in no answer: it can be forgotten. So
    are those past MOST_REFUSED.
    """
    found: dict[SnapshotKey, Decided] = {}
    counts: dict[str, int] = {}
    refused: dict[str, int] = {}
    for key in sorted(parts.keys() | known.keys(), key=lambda key: _rank(key, parts, known)):
        before = known.get(key, Known())
        if key not in parts and not before.synced:
            continue
        count = counts.get(key.namespace, 0) + 1
        verdict = _verdict(key, policy_cache, count)
        if before.synced or isinstance(verdict, Allowed):
            counts[key.namespace] = count
        else:
            refused[key.namespace] = refused.get(key.namespace, 0) + 1
            if refused[key.namespace] > MOST_REFUSED:
                continue
        known_now = _known(parts.get(key), before, verdict, now)
        decided = _decided(key, known_now, verdict, operator_specs.get(key), now=now)
        found[key] = _with_uses(decided, None if used is None else used.get(key))
    return found


def within(
    parts: Mapping[SnapshotKey, DemandedParts],
    known: Mapping[SnapshotKey, Known],
    policies: PolicySet,
) -> Mapping[SnapshotKey, DemandedParts]:
    """The same without what is too much of any one namespace: new sources beyond what its policy
    allows it and MOST_REFUSED are passed over before anything is asked or kept of them. What is
    known stays.
    """
    sizes = Counter(key.namespace for key in parts)
    room = {
        namespace: _most(policies, namespace)
        for namespace, size in sizes.items()
        if size > MOST_REFUSED and size > _most(policies, namespace)
    }
    if not room:
        return parts
    taken = {key for key in parts if key.namespace not in room or key in known}
    for key in taken:
        if key.namespace in room:
            room[key.namespace] -= 1
    for key in parts:
        if key not in taken and room[key.namespace] > 0:
            room[key.namespace] -= 1
            taken.add(key)
    return {key: item for key, item in parts.items() if key in taken}


def _most(policies: PolicySet, namespace: str) -> int:
    policy = policy_of(policies, namespace)
    if isinstance(policy, Refused):
        return MOST_REFUSED
    return MOST_REFUSED + policy.spec.limits.snapshots_per_namespace


def next_change(decided: Iterable[Decided], now: float) -> float:
    """When time alone changes a decision, in seconds since the epoch; infinity: never."""
    ends = [
        end
        for item in decided
        for since, length in (
            (item.known.undemanded_since, item.known.retention_s),
            (item.known.refused_since, GRACE_S),
        )
        if since is not None and (end := since + length) > now
    ]
    return min(ends, default=float("inf"))


def operator_spec(
    key: SnapshotKey,
    spec: Spec | None,
    policies: PolicySet,
    *,
    state: SnapshotState | None,
    handled: float | None,
) -> OperatorSpec | None:
    """What operators and the account's admin want; None: nobody said anything, what is recorded
    holds.

    `handled` is the request for a refresh that was answered last before a restart.
    """
    account = policies.accounts.get(key.source.account)
    revoked = frozenset(
        item.version
        for item in (() if account is None else account.spec.revoked)
        if item.covers(key.source.scheme, key.source.reference)
    )
    if spec is None:
        return _joined(state or SnapshotState(), revoked) if revoked else None
    asked = spec.refresh_requested
    return OperatorSpec(
        pin=spec.pin,
        quarantined=frozenset(spec.quarantined),
        revoked=frozenset(spec.revoked) | revoked,
        refresh_requested=asked,
        refresh_done=asked is not None and handled is not None and handled >= asked,
    )


def _joined(state: SnapshotState, revoked: frozenset[str]) -> OperatorSpec:
    """What the snapshot has recorded of operators' requests, and an admin's revocations."""
    rolled_back = (item.version for item in state.quarantined if item.reason == ROLLED_BACK)
    return OperatorSpec(pin=state.pin, quarantined=frozenset(rolled_back), revoked=revoked)


@dataclass(frozen=True, slots=True)
class _No:
    reason: str
    message: str


def _rank(
    key: SnapshotKey, parts: Mapping[SnapshotKey, DemandedParts], known: Mapping[SnapshotKey, Known]
) -> tuple[bool, bool, SnapshotKey]:
    """Within a limit: what is served and demanded, then what is served, then what is new."""
    return (not known.get(key, Known()).synced, key not in parts, key)


def _verdict(key: SnapshotKey, policy_cache: PolicyCache, count: int) -> Allowed | Refused | _No:
    verdict, source = policy_cache.of(key), key.source
    if not isinstance(verdict, Allowed):
        return verdict
    if not policy_cache.reaches(key.namespace):
        message = f"lastgood was installed without permissions in namespace {key.namespace}"
        return _No(RefusedSource.NO_RIGHTS, message)
    if verdict.identity != source.identity:
        return _No(
            RefusedSource.IDENTITY, f"policy {verdict.policy} gives identity {verdict.identity}"
        )
    policy = policy_cache.policies.policies[verdict.policy]
    limit = policy.spec.limits.snapshots_per_namespace
    if count > limit:
        message = f"policy {verdict.policy} allows {limit} snapshots in namespace {key.namespace}"
        return _No(RefusedSource.LIMIT, message)
    return verdict


def _known(
    parts: DemandedParts | None, before: Known, verdict: Allowed | Refused | _No, now: float
) -> Known:
    undemanded = None if parts is not None else _since(before.undemanded_since, now)
    refused = _refused_since(before, verdict, now)
    taken = before.parts if parts is None else parts
    if (taken, undemanded, refused) == (
        before.parts,
        before.undemanded_since,
        before.refused_since,
    ):
        return before
    return replace(before, parts=taken, undemanded_since=undemanded, refused_since=refused)


def _decided(
    key: SnapshotKey,
    known: Known,
    verdict: Allowed | Refused | _No,
    wanted: OperatorSpec | None,
    *,
    now: float,
) -> Decided:
    refused, undemanded = known.refused_since, known.undemanded_since
    unused = undemanded is not None and now >= undemanded + known.retention_s
    if not isinstance(verdict, Allowed):
        return Decided(
            known=known,
            demanded=None,
            refusal=verdict.reason,
            message=verdict.message,
            withdraw=(
                known.synced
                and verdict.reason not in NO_GRACE
                and refused is not None
                and now >= refused + GRACE_S
            ),
            unused=unused,
        )
    if unused:
        return Decided(known=known, demanded=None, unused=True)
    return Decided(
        known=known,
        demanded=_demanded(key, known.parts, verdict, wanted),
        nudge=verdict.propagation == NUDGE,
    )


def _with_uses(decided: Decided, uses: tuple[Use, ...] | None) -> Decided:
    if uses is None or decided.demanded is None:
        return decided
    return replace(decided, demanded=replace(decided.demanded, used=uses))


def _refused_since(before: Known, verdict: Allowed | Refused | _No, now: float) -> float | None:
    if isinstance(verdict, Allowed):
        return None
    if verdict.reason in NO_GRACE:
        return before.refused_since
    return _since(before.refused_since, now)


def _since(before: float | None, now: float) -> float:
    return now if before is None else min(before, now)


def _demanded(
    key: SnapshotKey, parts: DemandedParts, verdict: Allowed, wanted: OperatorSpec | None
) -> Demanded:
    return Demanded(
        key=key,
        rules=verdict.rules,
        checks=Checks(max_bytes=verdict.max_bytes, validations=verdict.validations),
        properties=parts.properties,
        whole=parts.whole,
        wanted=wanted,
        hold_s=verdict.hold_s,
    )
