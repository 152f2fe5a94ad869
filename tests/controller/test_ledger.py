"""Statuses of snapshots on a cluster: what is tried again, and how soon."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from contract.reasons import Found
from controller.ledger import Ledger
from controller.leftovers import RETRY_S as RETRY_CAP_S
from controller.reconcile import Decided, Known
from controller.records import Records
from controller.secrets import Secrets
from kube.errors import ApiError, of_status
from refresh.model import SnapshotKey, SourceKey
from refresh.snapshot_data import data, history_data
from tests.controller.secret_server import SecretServer
from tests.controller.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = SnapshotKey("payments", SourceKey("prod", "controller", "file", "/prod/payments/db"))
FASTER = 5.0


class FastClock:
    """The loop's, faster."""

    def now(self) -> float:
        return 1e9 + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * FASTER


class Absent:
    """No Secret stands in a snapshot's place."""

    async def is_foreign(self, namespace: str, name: str) -> bool:
        del namespace, name
        return False


class Hanging:
    """An API server where the object is being deleted, and a foreign finalizer holds it."""

    def __init__(self) -> None:
        self.created = 0

    async def create(self, path: str, body: Mapping[str, Any]) -> None:
        del body
        self.created += 1
        raise of_status(409, reason="AlreadyExists", method="POST", path=path)


class Removing:
    """An API server that takes deletions, but for the first ones."""

    def __init__(self, failing: int = 0) -> None:
        self.failing = failing
        self.asked: list[str] = []
        self.under_way = self.most = 0

    async def delete(self, path: str, *, uid: str) -> None:
        assert uid == "1"
        self.asked.append(path.rpartition("/")[2])
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if len(self.asked) <= self.failing:
            raise of_status(503, reason="", method="DELETE", path=path)


def _key(number: int) -> SnapshotKey:
    return SnapshotKey("payments", SourceKey("prod", "controller", "file", f"/forged/{number}"))


def _made(*keys: SnapshotKey) -> SimpleNamespace:
    """Copies with an object of each, made for pods."""
    objects = {
        (key.namespace, key.source.snapshot): SimpleNamespace(uid="1", declared=False)
        for key in keys
    }
    return SimpleNamespace(
        snapshots=SimpleNamespace(items=objects, subscribe=lambda _: None),
        namespaces=SimpleNamespace(items={("", "payments"): SimpleNamespace(uid="u")}),
    )


def _ledger(api: object, copies: SimpleNamespace) -> Ledger:
    unused = cast("Any", None)
    return Ledger(
        cast("Any", api),
        copies=cast("Any", copies),
        records=cast("Any", SimpleNamespace(get=lambda _: None)),
        secrets=cast("Any", Absent()),
        freshness=unused,
        nudges=unused,
        events=unused,
        clock=cast("Any", FastClock()),
    )


def _forgotten(
    api: object, keys: list[SnapshotKey], lasts_s: float, *, again: bool = False
) -> None:
    """Nobody wants them any more; `again`: and then somebody does."""

    async def turns() -> None:
        ledger = _ledger(api, _made(*keys))
        wanted = {key: Decided(known=Known(), demanded=None) for key in keys}
        for key in keys:
            ledger.write(key, None)
        ledger.decided({}, {}, {})
        for key in keys:
            ledger.forget(key)
        if again:
            ledger.decided(wanted, {}, {})
        running = asyncio.create_task(ledger.run({}))
        await asyncio.sleep(lasts_s / FASTER)
        running.cancel()

    asyncio.run(turns())


def test_p13_many_objects_that_nobody_wants_are_removed_a_few_at_a_time() -> None:
    """A tenant that takes a thousand pods away costs no thousand requests at once."""
    api, keys = Removing(), [_key(number) for number in range(40)]
    _forgotten(api, keys, 6.0)
    assert set(api.asked) == {key.source.snapshot for key in keys}
    assert api.most == 1


def test_a_removal_that_fails_is_made_again_later() -> None:
    """Else the object would stay until another process leads."""
    api = Removing(failing=1)
    _forgotten(api, [_key(1)], RETRY_CAP_S + 3)
    assert api.asked == [_key(1).source.snapshot] * 2


def test_what_is_wanted_again_is_not_removed() -> None:
    """Its object is the one that is used."""
    api = Removing()
    _forgotten(api, [_key(1)], 3.0, again=True)
    assert api.asked == []


def test_p4_an_object_that_hangs_in_its_deletion_is_made_again_with_backoff() -> None:
    """It is not seen and can't be made: that is a failure, and no reason to ask each second."""
    api = Hanging()
    copies = _made()

    async def turns() -> None:
        ledger = _ledger(api, copies)
        ledger.decided({KEY: Decided(known=Known(synced=True), demanded=None)}, {}, {})
        ledger.write(KEY, None)
        running = asyncio.create_task(ledger.run({}))
        await asyncio.sleep(12 / FASTER)
        running.cancel()

    asyncio.run(turns())
    assert 2 <= api.created <= 5


def _publishing(server: SecretServer) -> Ledger:
    """A ledger whose Secrets and records are kept by `server`, for one namespace of UID u."""
    api = cast("Any", server)
    server.namespaces["payments"] = "u"
    return Ledger(
        api,
        copies=cast("Any", _made(KEY)),
        records=Records(api, "lastgood-system", lambda _: "u", b"salt"),
        secrets=Secrets(api),
        freshness=cast("Any", SimpleNamespace(entry=lambda *_: None)),
        nudges=cast("Any", SimpleNamespace(ask=lambda *_: None)),
        events=cast("Any", None),
        clock=cast("Any", FastClock()),
    )


async def _published(ledger: Ledger) -> None:
    state = STEPS["rotation"][1]
    await ledger.publish(KEY, data(KEY, state, (), "cluster"), history_data(state))


@pytest.mark.parametrize("first", ["collect", "publish"])
def test_p2_a_check_and_a_removal_of_one_snapshot_leave_nothing_behind(first: str) -> None:
    """Else a Secret would stay that no record tells of, and that nobody may delete."""

    async def both() -> None:
        server = SecretServer()
        ledger = _publishing(server)
        await _published(ledger)
        acts = [ledger.collect(KEY), _published(ledger)]
        await asyncio.gather(*(acts if first == "collect" else reversed(acts)))
        assert server.objects == {}
        await _published(ledger)
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
        ledger = _publishing(server)
        await _published(ledger)
        server.refuses = True
        for _ in range(times):
            with pytest.raises(ApiError):
                await _published(ledger)
        assert ledger.kept_from_pods(KEY) is found
        server.refuses = False
        await _published(ledger)
        assert ledger.kept_from_pods(KEY) is None

    asyncio.run(run())
