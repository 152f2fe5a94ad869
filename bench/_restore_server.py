"""`python -m bench._restore_server COUNT NAMESPACES PORT`: an API server that has so many records,
in a process of its own. Pages are made before, so that its own work is not measured.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from aiohttp import web

from contract.ages import Confirmed, Entry, to_wire
from contract.reasons import Serving
from contract.secret_bytes import SecretBytes
from controller.snapshot_record import SnapshotRecord, Written, to_secret
from refresh.model import Kept, SnapshotKey, SnapshotState, SourceKey
from refresh.snapshot_data import history_data, publication, secret_data

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE, CLUSTER, FETCHED_AT = "lastgood-system", "bench", 1_800_000_000.0
PAGE = 500
VALUE = SecretBytes(json.dumps({"username": "payments", "password": "x" * 300}).encode())


def uid(namespace: str) -> str:
    """A namespace's UID, as both sides of the bench have it."""
    return f"uid-of-{namespace}"


def names(count: int) -> list[str]:
    """The namespaces."""
    return [f"team-{number:04}" for number in range(count)]


def main(count: int, namespaces: int) -> None:
    """Says when it serves, and serves until it is ended."""
    app = web.Application()
    pages = list(_pages(count, namespaces))
    maps = {name: _map(name, count, namespaces) for name in names(namespaces)}

    async def records(request: web.Request) -> web.Response:
        begin = int(request.query.get("continue", "0"))
        return web.Response(body=pages[begin], content_type="application/json")

    async def ages(request: web.Request) -> web.Response:
        body = maps[request.match_info["namespace"]]
        return web.Response(body=body, content_type="application/json")

    app.router.add_get(f"/api/v1/namespaces/{NAMESPACE}/secrets", records)
    app.router.add_get("/api/v1/namespaces/{namespace}/configmaps/lastgood-freshness", ages)

    async def started(app: web.Application) -> None:
        del app
        print("ready", flush=True)

    app.on_startup.append(started)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[3]), print=None)


def key(number: int, namespaces: int) -> SnapshotKey:
    """The snapshot of a number."""
    namespace = f"team-{number % namespaces:04}"
    return SnapshotKey(namespace, SourceKey("aws", "controller", "aws-sm", f"/prod/{number}"))


def _state() -> SnapshotState:
    served = Kept(version="v2", value=VALUE, fetched_at=FETCHED_AT, rank=2)
    older = Kept(version="v1", value=VALUE, fetched_at=FETCHED_AT - 1e6, rank=1)
    return SnapshotState(
        serving=Serving.SERVED,
        served=served,
        history=(older,),
        latest="v2",
        last_success=FETCHED_AT,
    )


def _record(number: int, namespaces: int) -> dict[str, Any]:
    mine, state = key(number, namespaces), _state()
    written = publication(mine, state, (), CLUSTER)
    snapshot = secret_data(written)
    record = SnapshotRecord(
        namespace=mine.namespace,
        namespace_uid=uid(mine.namespace),
        snapshot=mine.source.snapshot,
        meta=written.meta,
        data={name: snapshot[name] for name in ("value", "meta.json")},
        history=history_data(written.history),
        keys=tuple(snapshot),
        written=Written(resource_version=str(number), whole=True),
        uid=f"uid-{number}",
    )
    content = to_secret(record)
    content["metadata"] |= {"uid": f"uid-{number}", "resourceVersion": str(number)}
    return content


def _pages(count: int, namespaces: int) -> Iterator[bytes]:
    for begin in range(0, count, PAGE):
        numbers = range(begin, min(begin + PAGE, count))
        metadata = {"resourceVersion": "1"}
        if begin + PAGE < count:
            metadata["continue"] = str(begin // PAGE + 1)
        items = [_record(number, namespaces) for number in numbers]
        yield json.dumps({"metadata": metadata, "items": items}).encode()


def _map(namespace: str, count: int, namespaces: int) -> bytes:
    entry = Entry(
        served=Confirmed(version="v2", last_success=FETCHED_AT),
        prior=None,
        last_attempt=FETCHED_AT,
        reason=None,
    )
    first = names(namespaces).index(namespace)
    keys = (key(number, namespaces) for number in range(first, count, namespaces))
    return json.dumps({"data": {it.source.snapshot: to_wire(entry) for it in keys}}).encode()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
