"""A snapshot's record, and the Secret that pods mount: nothing is lost between two writes."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.snapshot_format import META, VALUE
from controller.publish import publish
from controller.record_store import Records
from controller.snapshot_record import HISTORY, RECORD, from_secret, record_name
from controller.tenant_secrets import ForeignSecretError, Secrets
from kube.errors import ApiError, of_status
from refresh.snapshot_data import publication, published, restored, secret_data
from tests.controller.secret_server import Killed, SecretServer
from tests.controller.steps import KEY, NAME, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.snapshot_record import SnapshotRecord
    from refresh.model import SnapshotState

SYSTEM = "lastgood-system"
SECRET = f"/api/v1/namespaces/payments/secrets/{NAME}"
RECORD_PATH = f"/api/v1/namespaces/{SYSTEM}/secrets/{record_name('payments', NAME)}"


class Controller:
    """What one process has of the snapshot."""

    def __init__(self, server: SecretServer) -> None:
        self.uid = "uid-of-payments"
        self.records = Records(server, SYSTEM, lambda _: self.uid, b"salt")
        self.secrets = Secrets(server)

    async def publish(self, state: SnapshotState, *, held_back: bool = False) -> None:
        written = publication(KEY, state, (), "cluster")
        await publish(self.records, self.secrets, KEY, written, held_back=held_back)

    async def restore(self) -> SnapshotRecord:
        """As at a start."""
        ((content,),) = [page async for page in self.records.pages()]
        record = from_secret(content)
        self.records.keep(record, content)
        return record


def _state(record: SnapshotRecord) -> SnapshotState:
    written = published(record.meta, record.data[VALUE], record.history)
    return restored(KEY, written, None, cluster="cluster", now=99.0)


def versions_known(record: SnapshotRecord) -> set[str]:
    """The versions that a controller which starts now knows."""
    state = _state(record)
    return {item.version for item in (state.served, *state.history) if item is not None}


def given_to_pods(server: SecretServer) -> dict[str, bytes]:
    """What pods are given."""
    return {key: base64.b64decode(raw) for key, raw in server.objects[SECRET]["data"].items()}


def meant(state: SnapshotState) -> dict[str, bytes]:
    """What pods are to be given."""
    return secret_data(publication(KEY, state, (), "cluster"))


@pytest.mark.parametrize("again", [False, True], ids=["same process", "after a restart"])
@pytest.mark.parametrize("writes", [0, 1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_p2_killed_between_two_writes_no_version_is_lost(
    step: str, writes: int, *, again: bool
) -> None:
    """The next process reads the record, ends the work, and pods are given what it says."""

    async def run() -> None:
        before, after = STEPS[step]
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(before)
        if again:
            controller = Controller(server)
            await controller.restore()
        server.left = writes
        try:
            await controller.publish(after)
        except Killed:
            assert writes < 3
        server.left = 1000
        wanted = {item.version for item in (after.served, *after.history) if item is not None}
        old = {item.version for item in (before.served, *before.history) if item is not None}
        last = Controller(server)
        record = await last.restore()
        assert wanted & old <= versions_known(record) <= wanted | old
        assert given_to_pods(server) in (meant(before), meant(after))
        held = last.records.get(KEY)
        assert held is not None
        assert held.unfinished != (given_to_pods(server) == meant(_state(record)) and writes != 2)
        await last.publish(after)
        assert versions_known(await last.restore()) == wanted
        assert given_to_pods(server) == meant(after)

    asyncio.run(run())


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("step", ["first", "rotation"])
def test_p2_a_write_whose_answer_is_lost_is_made_again(step: str, lost: int) -> None:
    """It was made: then there is an object, or another resource version."""

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        if step == "rotation":
            await controller.publish(STEPS["rotation"][0])
        after = STEPS["rotation"][1]
        server.lost = lost
        with pytest.raises(ApiError):
            await controller.publish(after)
        await controller.publish(after)
        assert given_to_pods(server) == meant(after)
        assert versions_known(await controller.restore()) == {"v1", "v2"}

    asyncio.run(run())


def test_p2_nothing_revoked_is_in_any_write() -> None:
    """Neither in the record nor in the Secret, from the first write on."""

    async def run() -> None:
        before, after = STEPS["revocation"]
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(before)
        assert before.served is not None
        revoked = base64.b64encode(before.served.value.reveal()).decode()
        for writes in range(1, 4):
            server.left = 1
            try:
                await controller.publish(after)
            except Killed:
                changed = RECORD_PATH if writes == 1 else SECRET
                assert revoked not in json.dumps(server.objects[changed])
        assert revoked not in json.dumps(server.objects)

    asyncio.run(run())


def test_what_is_there_already_is_asked_and_not_written() -> None:
    """One PUT, by the process that wrote it and by the next one; nothing changes by it."""

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(STEPS["rotation"][1])
        server.left = 0
        for process in (controller, Controller(server)):
            if process is not controller:
                await process.restore()
            server.requests.clear()
            await process.publish(STEPS["rotation"][1])
            assert server.requests == [f"PUT {SECRET}"]

    asyncio.run(run())


@pytest.mark.parametrize("what", ["changed", "deleted", "label", "forged"])
def test_p2_what_somebody_did_to_the_secret_is_undone(what: str) -> None:
    """The record is the truth: a change is written over, and a Secret that went is made again."""

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(STEPS["rotation"][1])
        meant = server.objects[SECRET]
        changed = json.loads(json.dumps(meant))
        changed["metadata"]["resourceVersion"] = "999"
        if what == "changed":
            changed["data"]["value"] = "b3RoZXI="
        elif what == "label":
            del changed["metadata"]["labels"]["app.kubernetes.io/managed-by"]
        elif what == "forged":
            changed["data"] = {META: "e30="}
        server.objects[SECRET] = changed
        if what == "deleted":
            del server.objects[SECRET]
        last = Controller(server)
        await last.restore()
        await last.publish(STEPS["rotation"][1])
        assert server.objects[SECRET]["data"] == meant["data"]
        assert server.objects[SECRET]["metadata"]["labels"] == meant["metadata"]["labels"]

    asyncio.run(run())


def test_p2_a_record_that_somebody_changed_or_removed_is_written_again() -> None:
    """Only the leader writes records, and while we may write we lead."""

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        await controller.publish(STEPS["rotation"][0])
        server.objects[RECORD_PATH]["metadata"]["resourceVersion"] = "999"
        await controller.publish(STEPS["rotation"][1])
        assert versions_known(await controller.restore()) == {"v1", "v2"}
        del server.objects[RECORD_PATH]
        await controller.publish(STEPS["rotation"][0])
        assert versions_known(await controller.restore()) == {"v1"}

    asyncio.run(run())


def test_a_history_that_can_not_be_read_is_replaced() -> None:
    """It stops no publication."""

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(STEPS["rotation"][0])
        server.objects[RECORD_PATH]["data"][HISTORY] = base64.b64encode(b"{").decode()
        controller = Controller(server)
        assert versions_known(await controller.restore()) == {"v1"}
        await controller.publish(STEPS["rotation"][1])
        assert versions_known(await controller.restore()) == {"v1", "v2"}

    asyncio.run(run())


def test_p13_a_foreign_secret_is_never_written_over() -> None:
    """Of another type: the API server refuses, and it stays as it is."""

    async def run() -> None:
        server = SecretServer()
        foreign = {"metadata": {"resourceVersion": "x"}, "type": "Opaque", "data": {META: "e30="}}
        server.objects[SECRET] = foreign
        with pytest.raises(ForeignSecretError):
            await Controller(server).publish(STEPS["rotation"][0])
        assert server.objects[SECRET] == foreign
        assert await Secrets(server).is_foreign("payments", NAME)
        del server.objects[SECRET]
        assert not await Secrets(server).is_foreign("payments", NAME)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "reason", "foreign"),
    [
        (422, "Invalid", True),
        (401, "Unauthorized", False),
        (403, "Forbidden", False),
        (404, "", False),
        (413, "", False),
        (500, "", False),
    ],
)
def test_p2_only_our_policys_own_answer_makes_a_secret_foreign(
    status: int, reason: str, *, foreign: bool
) -> None:
    """After any other it may be ours; a 404 of a proxy makes no new one."""

    class Refusing(SecretServer):
        async def replace(
            self,
            path: str,
            body: Mapping[str, Any],  # noqa: ARG002 - as Writes has it
            *,
            dry_run: bool = False,  # noqa: ARG002 - as above
        ) -> dict[str, Any]:
            raise of_status(status, reason=reason, method="PUT", path=path)

    expected = ForeignSecretError if foreign else ApiError
    server = Refusing()
    with pytest.raises(expected):
        asyncio.run(Secrets(server).write("payments", NAME, {}, "1"))
    assert server.objects == {}


def _newer(server: SecretServer) -> None:
    """A newer version of lastgood has written keys and members that this one does not know."""
    stored = server.objects[RECORD_PATH]
    document = json.loads(base64.b64decode(stored["data"][RECORD]))
    document["rank"] = {"of": "newer"}
    document["keys"].append("bundle.json")
    stored["data"][RECORD] = base64.b64encode(json.dumps(document).encode()).decode()
    stored["data"]["k.bundle.json"] = base64.b64encode(b"{}").decode()
    stored["data"]["z"] = base64.b64encode(b"last").decode()
    server.objects[SECRET]["data"]["bundle.json"] = base64.b64encode(b"{}").decode()
    server.objects[SECRET]["metadata"]["resourceVersion"] = "newer"


def test_p11_keys_of_a_newer_version_survive_the_older_one() -> None:
    """After a rollback of the chart they are written as they were, as long as the same version is
    served; then they may hold what is served no more, and go. Members that tell of them stay.
    """

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(STEPS["rotation"][0])
        _newer(server)
        older = Controller(server)
        await older.restore()
        await older.publish(STEPS["rotation"][0])
        assert given_to_pods(server) == {**meant(STEPS["rotation"][0]), "bundle.json": b"{}"}
        assert server.objects[RECORD_PATH]["data"]["z"] == base64.b64encode(b"last").decode()
        await older.publish(STEPS["rotation"][1])
        assert given_to_pods(server) == meant(STEPS["rotation"][1])
        record = await Controller(server).restore()
        assert dict(record.extra) == {}
        assert record.unknown == {"rank": {"of": "newer"}}

    asyncio.run(run())


STATES = [state for step in STEPS.values() for state in step]


@settings(max_examples=60, deadline=None)
@given(
    acts=st.lists(
        st.tuples(st.integers(0, len(STATES) - 1), st.integers(0, 4), st.booleans()), max_size=6
    )
)
def test_p3_pods_are_given_what_a_record_said_and_at_last_what_it_says(
    acts: list[tuple[int, int, bool]],
) -> None:
    """Whatever is published, killed and started again in any order."""

    async def run() -> None:
        server = SecretServer()
        controller = Controller(server)
        said = [meant(STATES[0])]
        await controller.publish(STATES[0])
        for number, writes, restart in acts:
            if restart:
                controller = Controller(server)
                await controller.restore()
            server.left = writes
            said.append(meant(STATES[number]))
            try:
                await controller.publish(STATES[number])
            except Killed:
                controller = Controller(server)
                await controller.restore()
            server.left = 1000
            assert given_to_pods(server) in said
        last = Controller(server)
        state = _state(await last.restore())
        await last.publish(state)
        assert given_to_pods(server) == meant(state)

    asyncio.run(run())
