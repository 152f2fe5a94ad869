"""The snapshot Secret: its keys, and `meta.json`, the authority on what its value is.

A Secret of type `lastgood.dev/snapshot`; in a pod's volume a folder with the same keys and
bytes.
"""

from __future__ import annotations

from contract import wire
from contract.frozen import Record
from contract.reasons import Serving

SECRET_TYPE = "lastgood.dev/snapshot"
VALUE = "value"
META = "meta.json"
MOST_VERSION = 128
"""Characters in the provider's name of a version. AWS has at most 64, others fewer."""
MOST_INCARNATION = 64
"""Characters in the mark of a version's incarnation."""
MOST_VERSIONS = 128
"""That operators may name in one list of a snapshot: revoked, or rolled back from."""
MOST_REVOKED = MOST_VERSIONS + 256
"""Revocations that are kept of a snapshot: a list of its own, and the list of its account."""


def is_version(name: str) -> bool:
    """Whether objects and documents can name a version so: 1 to MOST_VERSION printable ASCII
    characters that JSON writes as one byte each, so no quote and no backslash.
    """
    plain = name.isascii() and name.isprintable() and '"' not in name and "\\" not in name
    return 0 < len(name) <= MOST_VERSION and plain


def is_incarnation(mark: str) -> bool:
    """Whether objects and documents can hold it: as `is_version`, and no longer than
    MOST_INCARNATION.
    """
    return is_version(mark) and len(mark) <= MOST_INCARNATION


def property_key(name: str) -> str:
    """The data key of a property: `p.<member>`; in a deeper one the steps `a/b` become `a..b`,
    which no single member can contain.
    """
    return "p." + name.replace("/", "..")


def data_key(name: str | None) -> str:
    """The data key of what a file holds: a property, or with None the whole value."""
    return VALUE if name is None else property_key(name)


class Quarantined(Record):
    """A version that is not served, and why: a validation's word, or `rolled-back`."""

    version: str
    reason: str
    incarnation: str | None = None
    """As in Meta; None: every incarnation of the version."""


class Meta(Record):
    """What `value` is. Changes only when bytes or pointers change, so that no volume swaps without
    cause.
    """

    account: str
    identity: str
    scheme: str
    reference: str
    serving: Serving
    version: str | None
    """The version served; None: nothing is."""
    fetched_at: float | None
    """When that version was fetched, in seconds since the epoch; None: nothing is served."""
    cluster: str
    """The UID of the cluster that wrote this; another one means a restored backup."""
    pin: str | None = None
    revoked: tuple[str, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    incarnation: str | None = None
    """What tells the served version from another of the same name: a secret that is deleted and
    made again can give its old names to other bytes. None: not known, so any incarnation.
    """

    def names(self, account: str, identity: str, scheme: str, reference: str) -> bool:
        """Whether this is the snapshot of exactly that source and identity."""
        return (account, identity, scheme, reference) == (
            self.account,
            self.identity,
            self.scheme,
            self.reference,
        )


_WIRE_NAMES = {"scheme": "provider"}
"""Members that have another name in meta.json."""


def to_wire(meta: Meta) -> str:
    """meta.json; equal metas give equal text."""
    document = _known(meta)
    document["quarantined"] = [_known(item) for item in meta.quarantined]
    return wire.encode(document)


def _known(item: Record) -> dict[str, object]:
    """The members of a value; `incarnation` only where it is known."""
    members = {_WIRE_NAMES.get(name, name): value for name, value in item.__dict__.items()}
    if members["incarnation"] is None:
        del members["incarnation"]
    return members


def from_wire(raw: bytes | str) -> Meta:
    """The meta of a meta.json, or a WireError."""
    document = wire.decode(raw, META)
    wire.need(document, "revoked", "quarantined")
    serving = wire.text(document, "serving")
    if serving not in Serving.__members__.values():
        raise wire.WireError(f"{META}: serving must be one of {', '.join(Serving)}")
    version = wire.optional_text(document, "version")
    if (version is None) == (serving == Serving.SERVED):
        raise wire.WireError(f"{META}: a version is served exactly when serving says so")
    return Meta(
        account=wire.text(document, "account"),
        identity=wire.text(document, "identity"),
        scheme=wire.text(document, "provider"),
        reference=wire.text(document, "reference"),
        serving=Serving(serving),
        version=version,
        fetched_at=wire.optional_number(document, "fetched_at"),
        cluster=wire.text(document, "cluster"),
        pin=wire.optional_text(document, "pin"),
        revoked=wire.texts(document, "revoked"),
        quarantined=tuple(
            Quarantined(
                version=wire.text(item, "version"),
                reason=wire.text(item, "reason"),
                incarnation=wire.optional_text(item, "incarnation"),
            )
            for item in wire.objects(document, "quarantined")
        ),
        incarnation=wire.optional_text(document, "incarnation"),
    )
