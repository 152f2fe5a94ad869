"""Snapshot and history as two Secrets of an API server: nothing is lost between two writes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from contract.snapshot import HISTORY_SUFFIX, META, SECRET_TYPE
from controller.cluster.publication import any_history, names, publish
from controller.cluster.secrets import MARK, ForeignSecretError, Secrets
from controller.volumes import revealed
from kube.errors import ApiError, of_status
from refresh.snapshot_data import data, history_data, restored
from tests.controller.test_volumes import KEY, NAME, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refresh.model import SnapshotState

Json = dict[str, Any]


class Killed(Exception):  # noqa: N818 - it is what happens to us
    """Nothing more is sent."""


class Server:
    """Secrets by path, as an API server keeps them. `left` writes are answered; then we die."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.left = 1000
        self.sent: list[Json] = []
        self._version = 0

    async def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        assert not dry_run
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            raise _refusal(409, "AlreadyExists")
        return self._put(path, body)

    async def merge_patch(
        self, path: str, body: Mapping[str, Any], *, dry_run: bool = False
    ) -> Json:
        assert not dry_run
        found = self.objects.get(path)
        if found is None:
            raise _refusal(404, "NotFound")
        if not body:
            return found
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise _refusal(409, "Conflict")
        merged = found["data"] | body.get("data", {})
        kept = {key: value for key, value in merged.items() if value is not None}
        self.sent.append(dict(body))
        return self._put(
            path, {**found, "metadata": found["metadata"] | body["metadata"], "data": kept}
        )

    async def delete(self, path: str, *, resource_version: str | None = None) -> Json:
        assert resource_version == self.objects[path]["metadata"]["resourceVersion"]
        return self.objects.pop(path)

    def _put(self, path: str, body: Mapping[str, Any]) -> Json:
        if self.left == 0:
            raise Killed
        self.left -= 1
        self._version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = json.loads(json.dumps({**body, "metadata": metadata}))
        return self.objects[path]


def _refusal(status: int, reason: str) -> ApiError:
    return of_status(status, reason=reason, method="PATCH", path="/secrets")


def _ours(found: Mapping[str, bytes]) -> bool:
    return names(KEY, found)


async def _publish(secrets: Secrets, state: SnapshotState) -> None:
    snapshot = revealed(data(KEY, state, (), "cluster"))
    await publish(secrets, KEY, snapshot, revealed(history_data(state)))


async def _read(server: Server) -> tuple[Secrets, set[str]]:
    """A controller that starts now, and the versions that it knows."""
    secrets = Secrets(server, b"another salt")
    found = await secrets.read("payments", NAME, _ours) or {}
    older = await secrets.read("payments", NAME + HISTORY_SUFFIX, any_history) or {}
    state = restored(KEY, found, older, None, cluster="cluster", now=99.0)
    kept = {item.version for item in (state.served, *state.history) if item is not None}
    return secrets, kept


@pytest.mark.parametrize("again", [False, True], ids=["same process", "after a restart"])
@pytest.mark.parametrize("writes", [0, 1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_p2_killed_between_two_writes_no_version_is_lost(
    step: str, writes: int, *, again: bool
) -> None:
    """Whatever moves between the two Secrets is in one of them at any time."""

    async def run() -> None:
        before, after = STEPS[step]
        server = Server()
        secrets = Secrets(server, b"salt")
        await _publish(secrets, before)
        if again:
            secrets, _ = await _read(server)
        server.left = writes
        try:
            await _publish(secrets, after)
        except Killed:
            assert writes < 3
        server.left = 1000
        wanted = {item.version for item in (after.served, *after.history) if item is not None}
        old = {item.version for item in (before.served, *before.history) if item is not None}
        secrets, found = await _read(server)
        assert wanted & old <= found <= wanted | old
        await _publish(secrets, after)
        assert (await _read(server))[1] == wanted

    asyncio.run(run())


def test_what_is_there_already_is_not_sent_again() -> None:
    """Neither by the process that wrote it nor by the next one."""

    async def run() -> None:
        server = Server()
        await _publish(Secrets(server, b"salt"), STEPS["rotation"][1])
        secrets, _ = await _read(server)
        server.left = 0
        await _publish(secrets, STEPS["rotation"][1])

    asyncio.run(run())


def test_only_what_changes_is_sent() -> None:
    """A patch names the resource version, and no key that stays."""

    async def run() -> None:
        server = Server()
        secrets = Secrets(server, b"salt")
        write = {"a": b"1", "b": b"2", "c": b"3"}
        await secrets.write("payments", "x", write, any_history)
        await secrets.write("payments", "x", {"a": b"1", "b": b"4"}, any_history)
        (patch,) = server.sent
        assert patch["metadata"] == {"resourceVersion": "1"}
        assert patch["data"] == {"b": "NA==", "c": None}

    asyncio.run(run())


def test_somebody_elses_write_is_read_and_then_written_over() -> None:
    """A conflict tells; what we hold is the truth, for we are the one writer."""

    async def run() -> None:
        server = Server()
        secrets = Secrets(server, b"salt")
        before, after = STEPS["rotation"]
        await _publish(secrets, before)
        other, _ = await _read(server)
        await _publish(other, after)
        await _publish(secrets, after)
        assert (await _read(server))[1] == {"v1", "v2"}

    asyncio.run(run())


def test_p2_one_of_ours_that_has_lost_its_mark_gets_it_again() -> None:
    """Without it the chart's policy would let whoever may delete Secrets there delete it."""

    async def run() -> None:
        server = Server()
        await _publish(Secrets(server, b"salt"), STEPS["rotation"][0])
        for stored in server.objects.values():
            del stored["metadata"]["labels"]
        secrets, _ = await _read(server)
        assert [stored["metadata"]["labels"] for stored in server.objects.values()] == [MARK] * 2
        await _publish(secrets, STEPS["rotation"][1])

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["Opaque", SECRET_TYPE])
def test_p13_a_foreign_secret_is_never_written_over(kind: str) -> None:
    """Of another type, or of ours without a meta.json that names the source."""

    async def run() -> None:
        server = Server()
        path = f"/api/v1/namespaces/payments/secrets/{NAME}"
        foreign = {"metadata": {"resourceVersion": "x"}, "type": kind, "data": {META: "e30="}}
        server.objects[path] = foreign
        with pytest.raises(ForeignSecretError):
            await _publish(Secrets(server, b"salt"), STEPS["rotation"][0])
        assert server.objects[path] == foreign

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
    """After any other it may be there, with a pin and revocations: it is neither lost nor none."""

    class Refusing(Server):
        async def merge_patch(
            self,
            path: str,
            body: Mapping[str, Any],  # noqa: ARG002 - as Writes has it
            *,
            dry_run: bool = False,  # noqa: ARG002 - likewise
        ) -> Json:
            raise of_status(status, reason=reason, method="PATCH", path=path)

    expected = ForeignSecretError if foreign else ApiError
    with pytest.raises(expected):
        asyncio.run(Secrets(Refusing(), b"salt").read("payments", NAME, _ours))
