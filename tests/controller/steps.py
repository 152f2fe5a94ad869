"""A snapshot's state before and after each kind of change, for tests of what is written."""

from __future__ import annotations

from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from refresh.model import Kept, SnapshotKey, SnapshotState, SourceKey

KEY = SnapshotKey("payments", SourceKey("prod", "payments", "aws-sm", "/prod/payments/db"))
NAME = KEY.source.snapshot


def _kept(version: str) -> Kept:
    number = int(version[1:])
    value = SecretBytes(b"value of " + version.encode())
    return Kept(version=version, value=value, fetched_at=float(number), rank=number)


def _state(served: str | None, *history: str, revoked: tuple[str, ...] = ()) -> SnapshotState:
    return SnapshotState(
        serving=Serving.REVOKED if served is None else Serving.SERVED,
        served=None if served is None else _kept(served),
        history=tuple(_kept(version) for version in history),
        latest="v2",
        revoked=revoked,
    )


STEPS = {
    "rotation": (_state("v1"), _state("v2", "v1")),
    "rollback": (_state("v2", "v1"), _state("v1", "v2")),
    "revocation": (_state("v2", "v1"), _state("v1", revoked=("v2",))),
}
