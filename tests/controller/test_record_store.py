"""What a leader makes of a record that a backup brought back, that went, or that is not known."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from contract.ages import Confirmed, Entry
from contract.reasons import Serving
from contract.snapshot_format import META, VALUE, Meta
from controller.publish import is_held_back
from controller.record_store import KnownRecord
from controller.snapshot_record import RECORD, record_name
from kube.errors import ConflictError, NotFoundError
from tests.controller.secret_server import Killed, SecretServer
from tests.controller.steps import KEY, NAME, STEPS
from tests.controller.test_publish import (
    RECORD_PATH,
    SECRET,
    Controller,
    given_to_pods,
    meant,
    versions_known,
)


def _held(controller: Controller) -> KnownRecord:
    held = controller.records.get(KEY)
    assert held is not None
    return held


def test_p2_a_record_that_a_backup_brought_back_takes_no_newer_value() -> None:
    """Its own UID is another than the one that it was told. Whatever changes, only the record is
    written, until the provider has confirmed it; that is known after a restart too.
    """

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(STEPS["rotation"][0])
        server.objects[RECORD_PATH]["metadata"]["uid"] = "restored"
        newer = server.objects[SECRET]["data"] = {"value": "bmV3ZXI="}
        controller = Controller(server)
        for _ in range(2):
            await controller.restore()
            assert _held(controller).restored
            await controller.publish(STEPS["rotation"][1], held_back=True)
            assert server.objects[SECRET]["data"] == newer
            controller = Controller(server)
        assert versions_known(await controller.restore()) == {"v1", "v2"}
        controller.records.trust(KEY)
        await controller.publish(STEPS["rotation"][1])
        assert given_to_pods(server) == meant(STEPS["rotation"][1])
        await controller.restore()
        assert not _held(controller).restored

    asyncio.run(run())


@pytest.mark.parametrize("how", ["deleted", "restored"])
def test_p2_a_record_that_went_under_a_leader_stops_no_write(how: str) -> None:
    """What the leader has in memory is the truth, so the record that it writes is no backup's; also
    where the write of the Secret fails at first.
    """

    async def run() -> None:
        before, after = STEPS["revocation"]
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(before)
        if how == "deleted":
            del server.objects[RECORD_PATH]
        else:
            server.objects[RECORD_PATH]["metadata"] |= {"uid": "new", "resourceVersion": "999"}
        server.left = 1
        with pytest.raises(Killed):
            await controller.publish(after)
        server.left = 1000
        await controller.publish(after)
        assert given_to_pods(server) == meant(after)
        last = Controller(server)
        await last.restore()
        assert not _held(last).restored

    asyncio.run(run())


def test_p13_nothing_reaches_a_namespace_that_was_made_again() -> None:
    """Whether the watch has told of it, or tells only later."""

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(STEPS["rotation"][0])
        del server.objects[SECRET]
        server.namespaces["payments"] = "uid-of-another"
        for told in (False, True):
            if told:
                controller.uid = "uid-of-another"
            with pytest.raises(NotFoundError):
                await controller.publish(STEPS["rotation"][1])
            assert SECRET not in server.objects

    asyncio.run(run())


def test_p2_a_record_that_this_process_should_know_is_not_written_over() -> None:
    """It began before it could see it: the process must start again, and take it over."""

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(STEPS["rotation"][1])
        before = json.dumps(server.objects)
        other = Controller(server)
        with pytest.raises(ConflictError):
            await other.publish(STEPS["rotation"][0])
        assert other.records.untaken == record_name("payments", NAME)
        assert json.dumps(server.objects) == before

    asyncio.run(run())


def _broken(part: str) -> bytes:
    return b"" if part == VALUE else b'{"v":2}'


@pytest.mark.parametrize("part", [RECORD, META, VALUE, "source"])
def test_p11_a_record_that_a_newer_version_wrote_is_not_written_over(part: str) -> None:
    """It may hold revocations that this version can't read. The process does not end for it,
    because the next one could not take it over either.
    """

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(STEPS["rotation"][1])
        data = server.objects[RECORD_PATH]["data"]
        if part == "source":
            other = base64.b64decode(data[META]).replace(b"/prod/payments/db", b"/prod/orders/db")
            data[META] = base64.b64encode(other).decode()
        else:
            data[part] = base64.b64encode(_broken(part)).decode()
        before = json.dumps(server.objects)
        controller = Controller(server)
        with pytest.raises(ConflictError) as refused:
            await controller.publish(STEPS["rotation"][0])
        assert refused.value.path == RECORD_PATH, "by it the status says record-not-written"
        assert json.dumps(server.objects) == before
        assert controller.records.untaken is None

    asyncio.run(run())


META_OF_V3 = Meta(
    account="a",
    identity="i",
    scheme="p",
    reference="/r",
    serving=Serving.SERVED,
    version="v3",
    fetched_at=1.0,
    cluster="c",
)


@pytest.mark.parametrize(
    ("given_version", "changes", "restored_", "held_back"),
    [
        pytest.param("v5", {}, True, True, id="pods have a newer one"),
        pytest.param(None, {}, True, True, id="nobody knows what pods have"),
        pytest.param("v3", {}, True, False, id="pods have this one"),
        pytest.param("v5", {"revoked": ("v5",)}, True, False, id="what pods have is revoked"),
        pytest.param("v5", {"revoked": ("v4",)}, True, True, id="another one is revoked"),
        pytest.param("v5", {"pin": "v3"}, True, False, id="an operator has pinned it"),
        pytest.param("v5", {"pin": "v2"}, True, True, id="another one is pinned"),
        pytest.param(
            "v5", {"serving": Serving.REVOKED, "version": None}, True, False, id="a tombstone"
        ),
        pytest.param("v5", {}, False, False, id="no backup's"),
    ],
)
def test_p2_a_backups_record_is_held_back_while_pods_may_have_a_newer_value(
    given_version: str | None, changes: dict[str, Any], *, restored_: bool, held_back: bool
) -> None:
    """The ages tell which version pods were given."""
    held = KnownRecord(
        resource_version="1",
        digest=b"",
        uid="new",
        namespace_uid="n",
        keys=(),
        written=None,
        told="old" if restored_ else "new",
    )
    given = None if given_version is None else Confirmed(version=given_version, last_success=1.0)
    entry = Entry(served=given, prior=None, last_attempt=None, reason=None)
    assert is_held_back(held, entry, META_OF_V3.replace(**changes)) is held_back
