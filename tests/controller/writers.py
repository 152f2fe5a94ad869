"""The three writers of a leader, put together for tests."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from controller.garbage_collector import GarbageCollector
from controller.record_store import Records
from controller.snapshot_writer import SnapshotWriter
from controller.status_writer import StatusWriter
from controller.tenant_secrets import Secrets
from refresh.model import SnapshotKey, SourceKey

if TYPE_CHECKING:
    from tests.controller.secret_server import SecretServer

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


class Writers(NamedTuple):
    """Those of one leader."""

    snapshots: SnapshotWriter
    statuses: StatusWriter
    garbage: GarbageCollector


def made(*keys: SnapshotKey) -> SimpleNamespace:
    """Copies with an object of each, made for pods."""
    objects = {
        (key.namespace, key.source.snapshot): SimpleNamespace(uid="1", declared=False)
        for key in keys
    }
    return SimpleNamespace(
        snapshots=SimpleNamespace(items=objects, subscribe=lambda _: None),
        namespaces=SimpleNamespace(items={("", "payments"): SimpleNamespace(uid="u")}),
    )


def writers(
    api: object,
    informers: SimpleNamespace,
    *,
    records: object = None,
    secrets: object = None,
    clock: object = None,
    **others: object,
) -> Writers:
    """`others`: freshness, nudges and events, where they are used."""
    some = cast("Any", api)
    common = {
        "informers": cast("Any", informers),
        "records": cast("Any", records or SimpleNamespace(get=lambda _: None)),
        "secrets": cast("Any", secrets or Absent()),
        "clock": cast("Any", clock or FastClock()),
    }
    events = {"events": cast("Any", others.get("events"))}
    freshness = {"freshness": cast("Any", others.get("freshness"))}
    statuses = StatusWriter(some, **common, **freshness, **events, draw=_half)
    nudges = cast("Any", others.get("nudges"))
    snapshots = SnapshotWriter(some, **common, **freshness, nudges=nudges, statuses=statuses)
    garbage = GarbageCollector(
        some, **common, **events, snapshots=snapshots, statuses=statuses, draw=_half
    )
    return Writers(snapshots, statuses, garbage)


def _half() -> float:
    """Of the longest delay."""
    return 0.5


def publishing(server: SecretServer, clock: object = None) -> Writers:
    """Writers whose Secrets and records are kept by `server`, for one namespace of UID u."""
    api = cast("Any", server)
    server.namespaces["payments"] = "u"
    return writers(
        api,
        made(KEY),
        records=Records(api, "lastgood-system", lambda _: "u", b"salt"),
        secrets=Secrets(api),
        freshness=SimpleNamespace(entry=lambda *_: None),
        nudges=SimpleNamespace(ask=lambda *_: None),
        clock=clock,
    )
