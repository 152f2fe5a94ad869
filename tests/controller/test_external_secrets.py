"""ExternalSecrets as they are read: real manifests, and statuses that anybody may have written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from controller.cluster_secrets import failed, secret_of
from controller.external_secrets import MOST_OF_A_NAMESPACE, ExternalSecrets, project
from kube.api import WatchEvent
from kube.errors import of_status
from providers.cluster import SecretObject
from providers.kubernetes.source.evidence import evidence
from tests.make.external_secrets import external_secret, not_ready, secret, status
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kube.api import Api
    from providers.cluster import ExternalSecret
    from providers.protocol import Failed

Json = dict[str, Any]
AT = "2026-11-26T05:42:01Z"
EXAMPLES: list[Json] = list(
    yaml.safe_load_all(Path(__file__).with_name("external_secrets.yaml").read_text())
)


def read(manifest: Json, generation: int = 1, **changes: object) -> ExternalSecret | None:
    """With the status of a refresh that went well."""
    content = {**manifest, "status": status(manifest, generation, AT, **changes)}
    content["metadata"] = {
        **manifest["metadata"],
        "namespace": "payments",
        "generation": generation,
    }
    return project(content)


@pytest.mark.parametrize("manifest", EXAMPLES, ids=lambda it: it["metadata"]["name"])
def test_real_external_secrets_are_read(manifest: Json) -> None:
    """By their own annotation `expect`: what each proves."""
    expected = manifest["metadata"]["annotations"]["expect"].split()
    found = read(manifest)
    assert found is not None
    assert [found.target, found.weak or "strong"] == expected
    assert (found.ready, found.reason, found.refreshed_at) == (True, "SecretSynced", 1795671721.0)


@pytest.mark.parametrize(
    ("spec", "weak"),
    [
        ({"refreshInterval": "0"}, "NoRefresh"),
        ({"refreshInterval": "0s"}, "NoRefresh"),
        ({"refreshInterval": "0h0m0s"}, "NoRefresh"),
        ({"refreshInterval": "0.0s"}, "NoRefresh"),
        ({"refreshInterval": "-0s"}, "NoRefresh"),
        ({"refreshInterval": "0.03m"}, None),
        ({"refreshInterval": "0ms" * 20 + "1h"}, None),
        ({"refreshInterval": "0ms" * 40 + "1h"}, "NoRefresh"),
        ({"refreshInterval": "0ms" * 400_000 + "1h"}, "NoRefresh"),
        ({"refreshInterval": "10s"}, None),
        ({"refreshInterval": "1h0m0s"}, None),
        ({"refreshPolicy": "OnChange"}, "NoRefresh"),
        ({"refreshPolicy": "Periodic"}, None),
        ({"target": {"deletionPolicy": "Delete"}}, "DeletionPolicy"),
        ({"target": {"deletionPolicy": "Retain"}}, None),
        ({"dataFrom": [{"extract": {"key": "a"}}]}, None),
        ({"dataFrom": [{"extract": {"key": "a"}}, {"find": {"path": "a"}}]}, "Find"),
    ],
)
def test_what_proves_nothing_is_weak(spec: Json, weak: str | None) -> None:
    """By the fields of its spec."""
    found = read(external_secret("a", **spec))
    assert found is not None
    assert found.weak == weak


def test_one_that_writes_no_secret_keeps_none() -> None:
    """CreationPolicy None, and a target of another kind (2.x)."""
    for target in ({"creationPolicy": "None"}, {"manifest": {"kind": "ConfigMap"}}):
        assert read(external_secret("a", target=target)) is None


def test_an_error_is_not_in_sync() -> None:
    """Nor are two conditions Ready, which nobody but a forger writes."""
    bad = read(external_secret("a"), conditions=not_ready(AT))
    assert bad is not None
    assert (bad.ready, bad.reason) == (False, "SecretSyncedError")
    good = status(external_secret("a"), 1, AT)["conditions"]
    forged = read(external_secret("a"), conditions=[*good, *not_ready(AT)])
    assert forged is not None
    assert not forged.ready


wrong = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(AT),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "status", "reason", "name", "find", "target"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(
        st.sampled_from(["refreshTime", "syncedResourceVersion", "binding", "conditions"]), wrong
    ),
    spec=st.dictionaries(
        st.sampled_from(["target", "dataFrom", "refreshInterval", "refreshPolicy"]), wrong
    ),
)
def test_p13_a_malformed_one_proves_nothing_and_raises_nothing(fields: Json, spec: Json) -> None:
    """Only what is whole is evidence."""
    metadata = {"name": "a", "namespace": "payments", "generation": 1}
    found = project({"metadata": metadata, "spec": spec, "status": fields})
    if found is None:
        return
    body = secret("a", {"p": b"x"})
    body["metadata"] |= {"namespace": "payments", "creationTimestamp": AT}
    kept = secret_of(body, "payments", "a", 1795671800.0)
    assert isinstance(kept, SecretObject)
    told = evidence(kept, found.target, [found])
    assert told is not None
    if told.doubt is None:
        assert fields["refreshTime"] == AT
        assert found.ready


def test_a_secret_counts_from_when_its_data_was_written() -> None:
    """By the manager of the data. A label or a status that another manager writes renews nothing,
    nor does a time in the future.
    """
    body = secret("db", {"p": b"x"})
    body["metadata"] |= {
        "namespace": "payments",
        "creationTimestamp": "2026-11-20T00:00:00Z",
        "managedFields": [
            {"time": "2026-11-21T00:00:00Z", "fieldsV1": {"f:data": {"f:p": {}}}},
            {"time": "2026-11-22T00:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
            {"time": "no time", "fieldsV1": {"f:data": {}}},
            "nonsense",
        ],
    }
    kept = secret_of(body, "payments", "db", 1795671800.0)
    assert isinstance(kept, SecretObject)
    assert kept.written_at == 1795219200.0
    assert kept.created_at == 1795132800.0
    body["metadata"]["managedFields"][0]["time"] = "2099-01-01T00:00:00Z"
    future = secret_of(body, "payments", "db", 1795671800.0)
    assert isinstance(future, SecretObject)
    assert future.written_at == 1795671800.0


@pytest.mark.parametrize(
    ("labels", "owners", "managed"),
    [
        ({}, [], False),
        ({"app": "db"}, [{"apiVersion": "apps/v1", "kind": "Deployment"}], False),
        ({"reconcile.external-secrets.io/managed": "true"}, [], True),
        ({}, [{"apiVersion": "external-secrets.io/v1beta1", "kind": "ExternalSecret"}], True),
        ({}, ["nonsense", {"kind": "ExternalSecret"}], False),
    ],
)
def test_the_operators_marks_are_seen(labels: Json, owners: list[Any], managed: object) -> None:
    """Also those of a version before 0.16, which has no v1."""
    body = secret("db", {"p": b"x"})
    body["metadata"] |= {"namespace": "payments", "labels": labels, "ownerReferences": owners}
    kept = secret_of(body, "payments", "db", 1.0)
    assert isinstance(kept, SecretObject)
    assert kept.managed is managed


def test_only_the_api_servers_own_words_mean_absent_or_denied() -> None:
    """A page of a proxy has no reason."""

    def said(code: int, reason: str) -> Failed:
        return failed(of_status(code, reason=reason, method="GET", path="/x"))

    assert said(404, "NotFound").reason is FetchFailure.ABSENT
    assert said(403, "Forbidden").reason is FetchFailure.DENIED
    assert said(429, "TooManyRequests").reason is FetchFailure.THROTTLED
    for code, reason in ((404, ""), (403, ""), (401, "Unauthorized"), (500, "InternalError")):
        assert said(code, reason).reason is FetchFailure.UNAVAILABLE


class Server:
    """One list, and changes that a test makes."""

    def __init__(self, *items: Json) -> None:
        self._items = list(items)
        self.changes: asyncio.Queue[WatchEvent] = asyncio.Queue()

    async def pages(self, _: str, **__: object) -> AsyncIterator[Json]:
        yield {"items": self._items, "metadata": {"resourceVersion": "1"}}

    async def watch(self, _: str, **__: object) -> AsyncIterator[WatchEvent]:
        while True:
            yield await self.changes.get()


def placed(name: str, target: str, namespace: str = "payments") -> Json:
    """As the API server has it."""
    content = external_secret(name, target)
    content["metadata"] = {"name": name, "namespace": namespace, "generation": 1}
    return content


async def seen(true: Callable[[], bool]) -> None:
    """Within ten seconds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what tests wait for has no event
            await asyncio.sleep(0.001)


def followed(
    server: Server,
    check: Callable[[ExternalSecrets, list[str]], Any],
    place: tuple[str, str] = ("payments", "db"),
) -> None:
    """Runs `check` once the list is there, of which `place` is known. It is given the copy, and
    what was told as a problem.
    """

    async def run() -> None:
        stop, told = asyncio.Event(), []
        copy = ExternalSecrets(
            cast("Api", server), SystemClock(), Random(1), lambda what, _: told.append(what)
        )
        assert copy.of(*place) is None
        running = asyncio.create_task(copy.run(stop))
        await seen(lambda: copy.of(*place) is not None)
        await check(copy, told)
        stop.set()
        await running

    asyncio.run(run())


def test_those_that_keep_a_secret_are_found_by_its_name_and_namespace() -> None:
    """Several may keep one. A changed target concerns the Secret before and the one after."""
    server = Server(
        placed("a", "db"), placed("b", "db"), placed("c", "tls"), placed("a", "db", "orders")
    )

    async def check(copy: ExternalSecrets, _: list[str]) -> None:
        concerned: list[tuple[str, str]] = []
        with copy.told(lambda *place: concerned.append(place)):
            assert names(copy, "payments", "db") == ["a", "b"]
            assert names(copy, "orders", "db") == ["a"]
            server.changes.put_nowait(WatchEvent(kind="MODIFIED", object=placed("b", "tls")))
            await seen(lambda: names(copy, "payments", "tls") == ["c", "b"])
            server.changes.put_nowait(WatchEvent(kind="DELETED", object=placed("a", "db")))
            await seen(lambda: not names(copy, "payments", "db"))
        assert set(concerned) == {("payments", "db"), ("payments", "tls")}
        assert names(copy, "orders", "db") == ["a"]

    followed(server, check)


def names(copy: ExternalSecrets, namespace: str, secret_: str) -> list[str]:
    """Of those that keep a Secret."""
    return [item.name for item in copy.of(namespace, secret_) or ()]


def test_p13_a_namespace_with_too_many_takes_no_others_memory() -> None:
    """It is told of once, and nothing is known of it: what is not kept may be what fails. The
    others are read as they are.
    """
    many = [placed(f"x{number}", "db") for number in range(MOST_OF_A_NAMESPACE)]
    server = Server(*many, placed("a", "db", "orders"))

    async def check(copy: ExternalSecrets, told: list[str]) -> None:
        found = copy.of("payments", "db")
        assert found is not None
        assert len(found) == MOST_OF_A_NAMESPACE
        for number in range(2):
            server.changes.put_nowait(WatchEvent(kind="ADDED", object=placed(f"y{number}", "new")))
        server.changes.put_nowait(WatchEvent(kind="DELETED", object=many[0]))
        server.changes.put_nowait(WatchEvent(kind="ADDED", object=placed("b", "db", "orders")))
        await seen(lambda: names(copy, "orders", "db") == ["a", "b"])
        assert copy.of("payments", "db") is None
        assert copy.of("payments", "new") is None
        assert told == ["watch"]

    followed(server, check)


def test_p13_a_list_with_too_many_leaves_a_namespace_unknown() -> None:
    """From the first list on."""
    many = [placed(f"x{number}", f"s{number}") for number in range(MOST_OF_A_NAMESPACE + 1)]

    async def check(copy: ExternalSecrets, told: list[str]) -> None:
        assert copy.of("payments", "s0") is None
        assert copy.of("payments", f"s{MOST_OF_A_NAMESPACE}") is None
        assert names(copy, "orders", "db") == ["a"]
        assert told == ["watch"]

    followed(Server(*many, placed("a", "db", "orders")), check, place=("orders", "db"))


def test_p13_texts_that_are_longer_than_any_name_are_no_evidence() -> None:
    """They are not kept either."""
    manifest, long = external_secret("a"), "x" * 254
    found = read(manifest, syncedResourceVersion=f"1-{long}", binding={"name": long})
    assert found is not None
    assert (found.synced, found.bound) == ("", None)
    ready = [{"type": "Ready", "status": "True", "reason": long}]
    found = read(manifest, conditions=ready)
    assert found is not None
    assert found.reason == ""
    assert read(external_secret("a", long)) is None
