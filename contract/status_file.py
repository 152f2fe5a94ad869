"""`status.json` in the cache: what the app, its owner and our agent see of each secret. No value,
and no digest of one.
"""

from __future__ import annotations

from contract import wire
from contract.frozen import Record
from contract.reasons import Freshness


class SecretStatus(Record):
    """One secret of the pod. Times in seconds since the epoch."""

    version: str | None
    """The version in the cache; None: no file."""
    rules: str
    """The name of its class."""
    state: Freshness
    last_success: float | None
    last_attempt: float | None
    reason: str | None
    """A FetchFailure of the controller's last attempt, or a CacheReason of this pod; None: all is
    well.
    """


class CacheStatus(Record):
    """The cache as a whole."""

    revision: str | None
    """The directory behind `..data`; None before the first publication."""
    written_at: float
    secrets: dict[str, SecretStatus]
    """By the annotation's `<name>`."""


def to_wire(status: CacheStatus) -> str:
    """status.json."""
    return wire.encode(
        {
            "revision": status.revision,
            "written_at": status.written_at,
            "secrets": {name: _secret_to_wire(secret) for name, secret in status.secrets.items()},
        }
    )


def from_wire(raw: bytes | str) -> CacheStatus:
    """The status of a status.json, or a WireError."""
    document = wire.decode(raw, "status.json")
    wire.need(document, "secrets")
    return CacheStatus(
        revision=wire.optional_text(document, "revision"),
        written_at=wire.number(document, "written_at"),
        secrets={
            name: _secret_from_wire(name, item)
            for name, item in wire.mapping(document, "secrets").items()
        },
    )


def _secret_to_wire(secret: SecretStatus) -> dict[str, object]:
    return {
        "version": secret.version,
        "class": secret.rules,
        "state": secret.state,
        "last_success": secret.last_success,
        "last_attempt": secret.last_attempt,
        "reason": secret.reason,
    }


def _secret_from_wire(name: str, item: object) -> SecretStatus:
    if type(item) is not dict:
        raise wire.WireError(f"{name!a} must be an object")
    state = wire.text(item, "state")
    if state not in Freshness.__members__.values():
        raise wire.WireError(f"{name!a}: state must be one of {', '.join(Freshness)}")
    return SecretStatus(
        version=wire.optional_text(item, "version"),
        rules=wire.text(item, "class"),
        state=Freshness(state),
        last_success=wire.optional_number(item, "last_success"),
        last_attempt=wire.optional_number(item, "last_attempt"),
        reason=wire.optional_text(item, "reason"),
    )
