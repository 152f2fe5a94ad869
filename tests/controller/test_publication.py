"""A snapshot's record, and the Secret that pods mount: nothing is lost between two writes."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.ages import Confirmed, Entry
from contract.reasons import Serving
from contract.snapshot import META, Meta
from controller.cluster.publication import is_held_back, publish
from controller.cluster.record import RECORD, from_secret, record_name
from controller.cluster.records import Held, Records
from controller.cluster.secrets import ForeignSecretError, Secrets
from controller.volumes import revealed
from kube.errors import ApiError, ConflictError, NotFoundError, of_status
from refresh.snapshot_data import data, history_data, restored
from tests.controller.secret_server import Killed, SecretServer
from tests.controller.test_volumes import KEY, NAME, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.cluster.record import Record
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
        snapshot = revealed(data(KEY, state, (), "cluster"))
        kept = revealed(history_data(state))
        await publish(self.records, self.secrets, KEY, snapshot, kept, held_back=held_back)

    async def restore(self) -> Record:
        """As at a start."""
        ((content,),) = [page async for page in self.records.pages()]
        record = from_secret(content)
        self.records.hold(record, content)
        return record


def _state(record: Record) -> SnapshotState:
    return restored(KEY, record.data, record.history, None, cluster="cluster", now=99.0)


def _versions(record: Record) -> set[str]:
    """The versions that a controller which starts now knows."""
    state = _state(record)
    return {item.version for item in (state.served, *state.history) if item is not None}


def _given(server: SecretServer) -> dict[str, bytes]:
    """What pods are given."""
    return {key: base64.b64decode(raw) for key, raw in server.objects[SECRET]["data"].items()}


def _meant(state: SnapshotState) -> dict[str, bytes]:
    return revealed(data(KEY, state, (), "cluster"))


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
        assert wanted & old <= _versions(record) <= wanted | old
        assert _given(server) in (_meant(before), _meant(after))
        held = last.records.get(KEY)
        assert held is not None
        assert held.unfinished != (_given(server) == _meant(_state(record)) and writes != 2)
        await last.publish(after)
        assert _versions(await last.restore()) == wanted
        assert _given(server) == _meant(after)

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
        assert _given(server) == _meant(after)
        assert _versions(await controller.restore()) == {"v1", "v2"}

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
        assert _versions(await controller.restore()) == {"v1", "v2"}
        del server.objects[RECORD_PATH]
        await controller.publish(STEPS["rotation"][0])
        assert _versions(await controller.restore()) == {"v1"}

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
            dry_run: bool = False,  # noqa: ARG002 - likewise
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
        assert _given(server) == {**_meant(STEPS["rotation"][0]), "bundle.json": b"{}"}
        assert server.objects[RECORD_PATH]["data"]["z"] == base64.b64encode(b"last").decode()
        await older.publish(STEPS["rotation"][1])
        assert _given(server) == _meant(STEPS["rotation"][1])
        record = await Controller(server).restore()
        assert dict(record.extra) == {}
        assert record.unknown == {"rank": {"of": "newer"}}

    asyncio.run(run())


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
        assert _versions(await controller.restore()) == {"v1", "v2"}
        controller.records.trust(KEY)
        await controller.publish(STEPS["rotation"][1])
        assert _given(server) == _meant(STEPS["rotation"][1])
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
        assert _given(server) == _meant(after)
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


def test_p11_a_record_that_a_newer_version_wrote_is_not_written_over() -> None:
    """It may hold revocations that this version can't read."""

    async def run() -> None:
        server = SecretServer()
        await Controller(server).publish(STEPS["rotation"][1])
        server.objects[RECORD_PATH]["data"][RECORD] = base64.b64encode(b'{"v":2}').decode()
        before = json.dumps(server.objects)
        with pytest.raises(ConflictError):
            await Controller(server).publish(STEPS["rotation"][0])
        assert json.dumps(server.objects) == before

    asyncio.run(run())


def _held(controller: Controller) -> Held:
    held = controller.records.get(KEY)
    assert held is not None
    return held


META_OF_V3 = Meta(
    account="a",
    identity="i",
    provider="p",
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
    held = Held(
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
        said = [_meant(STATES[0])]
        await controller.publish(STATES[0])
        for number, writes, restart in acts:
            if restart:
                controller = Controller(server)
                await controller.restore()
            server.left = writes
            said.append(_meant(STATES[number]))
            try:
                await controller.publish(STATES[number])
            except Killed:
                controller = Controller(server)
                await controller.restore()
            server.left = 1000
            assert _given(server) in said
        last = Controller(server)
        state = _state(await last.restore())
        await last.publish(state)
        assert _given(server) == _meant(state)

    asyncio.run(run())
