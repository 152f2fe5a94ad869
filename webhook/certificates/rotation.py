"""What to do next about certificates, from what is seen now. Pure.

A CA is published before it is used. It lives in the Secret as `next`, then `active`, then
`retired`; the API server's configuration trusts all three. Only `active` signs, and it becomes so
when each API server has had time to see it. A retired CA is trusted until the last leaf that it may
have signed has ended.

    nothing, or half of active's life is over
      --save--> next --publish--> read back, noted --settle_s--> active

Every replica does this alone, on what it just read. A write holds only if what it was decided on
is still there, so that two can't undo each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationTimes:
    """In seconds."""

    ca_s: float = 365 * 86_400.0
    """A CA's life; its successor is made after half of it."""
    leaf_s: float = 7 * 86_400.0
    """A leaf's life; it is renewed after two thirds."""
    settle_s: float = 300.0
    """From the configuration being read back to the first signature: API servers follow it by
    watches, each in its own time."""
    heal_s: float = 10.0
    """The same where no CA can sign at all, so that waiting costs more than it saves."""
    slack_s: float = 600.0
    """How long a replica may take from reading the Secret to signing, at most, clocks included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ca:
    """A CA's certificate."""

    id: str
    not_after: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredCa:
    """A CA that signs no more."""

    ca: Ca
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCas:
    """What the Secret says. A CA without a key that fits is not there."""

    active: Ca | None = None
    next: Ca | None = None
    retired: tuple[RetiredCa, ...] = ()
    published: float | None = None
    """When the configuration was read back with `next` in it."""

    @property
    def trusted(self) -> frozenset[str]:
        """What the API server shall trust."""
        cas = [ca.id for ca in (self.active, self.next) if ca is not None]
        return frozenset([*cas, *(item.ca.id for item in self.retired)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What this replica serves with."""

    issuer: Ca
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All that was just read."""

    cas: StoredCas | None
    """None: there is no Secret, or it holds nothing of use."""
    bundles: tuple[tuple[Ca, ...], ...]
    """What the API server trusts, for each entry of the configuration. Empty: there is no
    configuration."""
    leaf: Leaf | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Write the Secret. `mint`: with a new CA as `next`."""

    cas: StoredCas
    mint: bool = False


@dataclass(frozen=True, slots=True)
class PublishCa:
    """Write these, and no more, into each entry of the configuration."""

    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sign:
    """Make a leaf with `active`, which is this one, and serve with it."""

    ca: Ca


Action = Save | PublishCa | Sign


def step(seen: Observed, times: RotationTimes, now: float) -> Action | None:
    """The next thing to do; None: all is as it should be. The Secret was read before the
    configuration, so that what is unknown in the configuration is no newer than the Secret.
    """
    stored = seen.cas or StoredCas()
    known = _adopted(stored, seen, now)
    cas = _living(known, times, now)
    if cas.active is None and cas.next is None:
        return Save(cas=cas, mint=True)
    if known != stored:
        return Save(cas=known)
    if cas.next is None and _due(cas.active, times, now):
        return Save(cas=known, mint=True)
    if any({ca.id for ca in bundle} != cas.trusted for bundle in seen.bundles):
        return PublishCa(cas.trusted)
    if cas != stored:
        return Save(cas=cas)
    if not seen.bundles:
        return None
    if cas.next is not None and (moved := _onward(cas, cas.next, times, now)) != cas:
        return Save(cas=moved)
    if cas.active is not None and _unsigned(seen.leaf, cas.active, times, now):
        return Sign(cas.active)
    return None


def trusted(seen: Observed, now: float) -> bool:
    """Whether the API server trusts what this replica serves with."""
    leaf = seen.leaf
    if leaf is None or not seen.bundles or leaf.not_after <= now:
        return False
    return all(any(ca.id == leaf.issuer.id for ca in bundle) for bundle in seen.bundles)


def leaf_end(ca: Ca, times: RotationTimes, now: float) -> float:
    """When a leaf that is signed now ends: never after its CA."""
    return min(now + times.leaf_s, ca.not_after)


def _living(cas: StoredCas, times: RotationTimes, now: float) -> StoredCas:
    """Without the CAs that have ended, or whose last leaf has."""
    latest = times.leaf_s + times.slack_s
    kept = tuple(
        item for item in cas.retired if item.ca.not_after > now and now - item.since < latest
    )
    active = cas.active if cas.active is not None and cas.active.not_after > now else None
    after = cas.next if cas.next is not None and cas.next.not_after > now else None
    published = cas.published if after is not None else None
    return StoredCas(active=active, next=after, retired=kept, published=published)


def _adopted(cas: StoredCas, seen: Observed, now: float) -> StoredCas:
    """With what is trusted and not in the Secret: the Secret was lost or damaged, and leaves of
    such a CA may still serve.
    """
    found = {ca.id: ca for bundle in seen.bundles for ca in bundle}
    if seen.leaf is not None and seen.leaf.not_after > now:
        found[seen.leaf.issuer.id] = seen.leaf.issuer
    lost = tuple(
        RetiredCa(ca=ca, since=now)
        for name, ca in sorted(found.items())
        if name not in cas.trusted and ca.not_after > now
    )
    return replace(cas, retired=(*cas.retired, *lost)) if lost else cas


def _due(active: Ca | None, times: RotationTimes, now: float) -> bool:
    return active is not None and now >= active.not_after - times.ca_s / 2


def _onward(cas: StoredCas, coming: Ca, times: RotationTimes, now: float) -> StoredCas:
    """`next` was read back: note when, and after a while let it sign."""
    if cas.published is None:
        cas = replace(cas, published=now)
    published = now if cas.published is None else cas.published
    if now - published < _settling(cas, times):
        return cas
    gone = () if cas.active is None else (RetiredCa(ca=cas.active, since=now),)
    return StoredCas(active=coming, retired=(*cas.retired, *gone))


def _settling(cas: StoredCas, times: RotationTimes) -> float:
    if cas.active is not None:
        return times.settle_s
    return min(times.heal_s, times.settle_s) if cas.retired else 0.0


def _unsigned(leaf: Leaf | None, active: Ca, times: RotationTimes, now: float) -> bool:
    if leaf is None or leaf.issuer.id != active.id:
        return True
    return (
        now >= leaf.not_after - times.leaf_s / 3 and leaf_end(active, times, now) > leaf.not_after
    )
