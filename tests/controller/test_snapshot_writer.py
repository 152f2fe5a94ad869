"""What is published, removed, or can't be written."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import Found, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import from_wire
from kube.errors import ApiError, of_status
from refresh.model import Kept, SnapshotState
from refresh.snapshot_data import publication
from tests.controller.secret_server import SecretServer
from tests.controller.steps import STEPS
from tests.controller.writers import KEY, publishing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.snapshot_writer import SnapshotWriter


async def _published(snapshots: SnapshotWriter) -> None:
    state = STEPS["rotation"][1]
    await snapshots.publish(KEY, publication(KEY, state, (), "cluster"))


@pytest.mark.parametrize("first", ["collect", "publish"])
def test_p2_a_check_and_a_removal_of_one_snapshot_leave_nothing_behind(first: str) -> None:
    """Else a Secret would stay that no record tells of, and that nobody may delete."""

    async def both() -> None:
        server = SecretServer()
        snapshots, _, garbage = publishing(server)
        await _published(snapshots)
        acts = [garbage.collect(KEY), _published(snapshots)]
        await asyncio.gather(*(acts if first == "collect" else reversed(acts)))
        assert server.objects == {}
        await _published(snapshots)
        assert len(server.objects) == 2, "wanted again later"

    asyncio.run(both())


@pytest.mark.parametrize(
    ("status", "times", "found"),
    [(503, 1, None), (503, 2, Found.WRITE_FAILED), (413, 1, Found.WRITE_REFUSED)],
)
def test_p5_a_secret_that_cant_be_written_is_told_of(
    status: int, times: int, found: Found | None
) -> None:
    """The status does not say what pods do not have; a moment's trouble is not told of."""

    class Refusing(SecretServer):
        refuses = False

        async def replace(
            self, path: str, body: Mapping[str, Any], *, dry_run: bool = False
        ) -> dict[str, Any]:
            if self.refuses and path.endswith(KEY.source.snapshot):
                raise of_status(status, reason="", method="PUT", path=path)
            return await super().replace(path, body, dry_run=dry_run)

    async def run() -> None:
        server = Refusing()
        snapshots, statuses, _ = publishing(server)
        await _published(snapshots)
        server.refuses = True
        for _ in range(times):
            with pytest.raises(ApiError):
                await _published(snapshots)
        assert statuses.kept_from_pods(KEY) is found
        server.refuses = False
        await _published(snapshots)
        assert statuses.kept_from_pods(KEY) is None

    asyncio.run(run())


def test_p2_a_key_that_was_mounted_stays_without_a_value() -> None:
    """One that went would freeze the volume of a pod that projects it, with the value in it."""

    async def run() -> None:
        server = SecretServer()
        snapshots = publishing(server).snapshots
        value = SecretBytes(b'{"password": "canary"}')
        served = Kept(version="v1", value=value, fetched_at=1.0)
        state = SnapshotState(serving=Serving.SERVED, served=served)
        await snapshots.publish(KEY, publication(KEY, state, (), "cluster"))
        gone = SnapshotState(serving=Serving.REVOKED, revoked=("v1",))
        await snapshots.publish(KEY, publication(KEY, gone, (), "cluster"))
        (secret,) = (it for path, it in server.objects.items() if "/payments/" in path)
        assert secret["data"]["p.password"] == secret["data"]["value"] == ""
        assert from_wire(base64.b64decode(secret["data"]["meta.json"])).serving is Serving.REVOKED

    asyncio.run(run())
