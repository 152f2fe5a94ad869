"""The freshness entry: one per snapshot in the namespace's `lastgood-freshness` ConfigMap, without
secret material.

Key: the snapshot's name. It is written on a change of state and otherwise at most every quarter of
the smallest budget, so that ages cost O(changes + namespaces) writes (docs/contract.md).
"""

from __future__ import annotations

from contract import wire
from contract.frozen import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contract.snapshot_format import Meta

CONFIG_MAP = "lastgood-freshness"


class Confirmed(Record):
    """A version, and when it was last confirmed to be the one that policy and operators want
    served.
    """

    version: str
    last_success: float
    incarnation: str | None = None
    """As in `contract.snapshot_format.Meta`."""

    def is_of(self, meta: Meta) -> bool:
        """Whether it speaks of the version that `meta` serves, as far as both know incarnations."""
        marks = {self.incarnation, meta.incarnation}
        return self.version == meta.version and (len(marks) == 1 or None in marks)


class Entry(Record):
    """Ages of one snapshot. Times in seconds since the epoch."""

    served: Confirmed | None
    """None: nothing is served."""
    prior: Confirmed | None
    """The version served before: a reader whose mounted snapshot lags behind this entry takes its
    age from here.
    """
    last_attempt: float | None
    """None: no attempt yet."""
    reason: str | None
    """Why the last attempt did not confirm the served version; None: it did."""


def to_wire(entry: Entry) -> str:
    """The entry as one line of JSON."""
    return wire.encode(
        {
            "served": _to_wire(entry.served),
            "prior": _to_wire(entry.prior),
            "last_attempt": entry.last_attempt,
            "reason": entry.reason,
        }
    )


def from_wire(raw: bytes | str) -> Entry:
    """The entry of one line of JSON, or a WireError."""
    document = wire.decode(raw, "the freshness entry")
    wire.need(document, "served")
    return Entry(
        served=_confirmed(document, "served"),
        prior=_confirmed(document, "prior"),
        last_attempt=wire.optional_number(document, "last_attempt"),
        reason=wire.optional_text(document, "reason"),
    )


def last_success(meta: Meta, entry: Entry | None) -> float | None:
    """When the mounted version was last confirmed: from the entry if it speaks of that version,
    else when it was fetched.

    Never later than the truth: the kubelet may show the ConfigMap before the Secret, or the Secret
    before the ConfigMap. An entry of the very incarnation goes before one that knows none.
    """
    pair = () if entry is None else (entry.served, entry.prior)
    found = [confirmed for confirmed in pair if confirmed is not None and confirmed.is_of(meta)]
    for confirmed in found:
        if confirmed.incarnation == meta.incarnation:
            return confirmed.last_success
    return found[0].last_success if found else meta.fetched_at


def _to_wire(confirmed: Confirmed | None) -> dict[str, object] | None:
    if confirmed is None:
        return None
    members = {"version": confirmed.version, "last_success": confirmed.last_success}
    mark = confirmed.incarnation
    return members if mark is None else members | {"incarnation": mark}


def _confirmed(document: dict[str, object], member: str) -> Confirmed | None:
    if document.get(member) is None:
        return None
    item = wire.mapping(document, member)
    return Confirmed(
        version=wire.text(item, "version"),
        last_success=wire.number(item, "last_success"),
        incarnation=wire.optional_text(item, "incarnation"),
    )
