"""Records and snapshots stay within what the API server takes, whatever is named in them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import (
    MOST_INCARNATION,
    MOST_REVOKED,
    MOST_VERSION,
    MOST_VERSIONS,
    VALUE,
    Quarantined,
)
from controller.publish import publish
from controller.record_store import Records
from controller.snapshot_record import MOST_BYTES, decoded, from_secret, to_secret, with_extra
from controller.tenant_secrets import Secrets
from refresh.model import Checks, Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.snapshot_data import publication, published, restored
from refresh.validate import check
from refresh.versions import ROLLED_BACK
from tests.controller.secret_server import SecretServer

ETCD_BYTES = 1_572_864
"""What etcd takes of one request."""
MARK = "i" * MOST_INCARNATION
KEY = SnapshotKey("payments", SourceKey("a" * 63, '"' * 253, "aws-sm", "/" + "r" * 511))
SECRET = f"/api/v1/namespaces/payments/secrets/{KEY.source.snapshot}"
SYSTEM = "lastgood-system"


class Controller:
    """One process, and the API server that it writes to."""

    def __init__(self, server: SecretServer) -> None:
        self.server = server
        self.records = Records(server, SYSTEM, lambda _: "uid-of-payments", b"salt")

    async def publish(self, state: SnapshotState) -> None:
        written = publication(KEY, state, (), "cluster")
        await publish(self.records, Secrets(self.server), KEY, written)

    async def known(self) -> SnapshotState:
        """What a process knows that starts now; it takes the record over."""
        ((content,),) = [page async for page in self.records.pages()]
        record = from_secret(content)
        self.records.keep(record, content)
        written = published(record.meta, record.data[VALUE], record.history)
        return restored(KEY, written, None, cluster="cluster", now=2e9)


def _name(number: int) -> str:
    return f"{number:0{MOST_VERSION}}"


def _kept(number: int, value: bytes) -> Kept:
    version, at = _name(number), 1e9 + number / 7
    return Kept(
        version=version, value=SecretBytes(value), fetched_at=at, rank=number, incarnation=MARK
    )


def _full(value: bytes, *history: Kept) -> SnapshotState:
    """All its lists are as long as they can be, of the longest names."""
    rolled_back = [(_name(1000 + number), ROLLED_BACK) for number in range(MOST_VERSIONS)]
    refused = [(_name(900 + number), "required-keys") for number in range(6)]
    return SnapshotState(
        serving=Serving.SERVED,
        served=_kept(500, value),
        history=history,
        latest=_name(500),
        latest_incarnation=MARK,
        pin=_name(500),
        revoked=tuple(_name(2000 + number) for number in range(MOST_REVOKED + 2)),
        quarantined=tuple(
            Quarantined(version=version, reason=reason, incarnation=MARK)
            for version, reason in refused + rolled_back
        ),
    )


def _members(count: int, text: str) -> bytes:
    document = {f"m{number:05}": text for number in range(count)}
    return json.dumps(document, separators=(",", ":")).encode()


def _passes(raw: bytes) -> bool:
    checks = Checks(max_bytes=1 << 20)
    return check(SecretBytes(raw), checks, frozenset(), object_needed=True) is None


def _largest(text: str) -> bytes:
    """The value with the most members of this text that passes its checks."""
    low, high = 1, (1 << 20) // (len(text) + 10)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _passes(_members(middle, text)) else (low, middle)
    return _members(low, text)


def _size(content: dict[str, str]) -> int:
    return sum(map(len, decoded({"data": content}).values()))


@pytest.mark.parametrize("text", ["", "x" * 30, "x" * 10_000, "x" * 400_000])
def test_p12_the_largest_value_leaves_room_for_every_revocation(text: str) -> None:
    """Thousands of keys, and all lists full: neither Secret is too large for the API server, which
    tracks each key of a Secret in managedFields too.
    """

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(_full(_largest(text)))
        assert len(server.objects) == 2
        for name, content in server.objects.items():
            assert _size(content["data"]) <= MOST_BYTES, name
            keys = sum(2 * len(key) + 16 for key in content["data"])
            assert _size(content["data"]) + keys < ETCD_BYTES, name

    asyncio.run(run())


def test_p12_kept_versions_that_do_not_fit_beside_names_go_the_largest_first() -> None:
    """The others are known after a restart."""
    value, small, large = _largest("x" * 30), b"x" * 1000, b"y" * 530_000

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(_full(value, _kept(3, large), _kept(2, small)))
        known = await controller.known()
        assert known.served is not None
        assert known.served.value.reveal() == value
        assert [kept.version for kept in known.history] == [_name(2)]
        assert len(known.revoked) == MOST_REVOKED + 2

    asyncio.run(run())


@pytest.mark.parametrize(("added", "stays"), [(1000, True), (600_000, False)])
def test_p11_a_newer_versions_keys_stay_as_long_as_they_fit(added: int, *, stays: bool) -> None:
    """A record that can't be written would keep rollbacks from being recorded."""
    value = b"x" * 400_000

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        before = replace(_full(value), quarantined=())
        await controller.publish(before)
        (path,) = server.objects.keys() - {SECRET}
        record = with_extra(from_secret(server.objects[path]), {"k.newer": b"z" * added})
        server.objects[path] |= to_secret(record) | {"metadata": server.objects[path]["metadata"]}
        await controller.known()
        await controller.publish(_full(value))
        assert ("newer" in server.objects[SECRET]["data"]) == stays
        assert ("k.newer" in server.objects[path]["data"]) == stays
        assert _size(server.objects[path]["data"]) <= MOST_BYTES

    asyncio.run(run())
