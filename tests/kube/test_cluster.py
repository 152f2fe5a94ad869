"""The same code against a real API server."""

from __future__ import annotations

import asyncio
import base64
import random
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kube.api import Api
from kube.api_resources import CONFIG_MAPS, SECRETS, Resource
from kube.config import load
from kube.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
)
from kube.reflector import Pace, Reflector
from tests.kube.cluster import cluster, kubeconfig
from tests.make import CANARY, leaks
from tests.make.kinds import SERVICE_ACCOUNTS
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")


def on_cluster(act: Callable[[Api, str], Awaitable[None]]) -> None:
    """Runs `act` with the API server and a namespace of its own."""

    async def scenario() -> None:
        async with cluster() as (api, namespace):
            await act(api, namespace)

    asyncio.run(scenario())


def config_map(name: str, **data: str) -> Json:
    """With this data."""
    return {"metadata": {"name": name}, "data": data}


async def until(true: Callable[[], bool]) -> None:
    """Within 20 seconds."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the cluster tells us nothing else
            await asyncio.sleep(0.02)


def test_a_reflector_sees_what_comes_changes_and_goes() -> None:
    """Listed in pages, then watched."""

    async def act(api: Api, namespace: str) -> None:
        path = CONFIG_MAPS.path(namespace)
        for name in "abcde":
            await api.create(path, config_map(name, n="1"))
        reflector = Reflector(
            api,
            CONFIG_MAPS,
            lambda content: (content.get("data") or {}).get("n"),
            namespace=namespace,
            clock=SystemClock(),
            rng=random.Random(),
            pace=Pace(page=2),
        )
        stop = asyncio.Event()
        running = asyncio.create_task(reflector.run(stop))
        await asyncio.wait_for(reflector.wait_synced(), 20)
        assert {name for _, name in reflector.items} == set("abcde")
        await api.create(path, config_map("f", n="6"))
        await api.merge_patch(CONFIG_MAPS.path(namespace, "a"), {"data": {"n": "2"}})
        await api.delete(CONFIG_MAPS.path(namespace, "b"))
        wanted = {"a": "2", "c": "1", "d": "1", "e": "1", "f": "6"}
        await until(lambda: {name: n for (_, name), n in reflector.items.items()} == wanted)
        assert reflector.staleness_s(SystemClock().monotonic()) < 60
        stop.set()
        await running

    on_cluster(act)


def test_a_watch_from_long_ago_is_gone() -> None:
    """Whether the server says so in the stream or as status."""

    async def act(api: Api, namespace: str) -> None:
        with pytest.raises(GoneError):
            async for _ in api.watch(
                CONFIG_MAPS.path(namespace), resource_version="1", timeout_s=10
            ):
                pass

    on_cluster(act)


def test_a_watch_ends_in_time_without_an_error() -> None:
    """As the server was told; the last thing it says is a bookmark."""

    async def act(api: Api, namespace: str) -> None:
        path = CONFIG_MAPS.path(namespace)
        listing = await api.list_all(path)
        watch = api.watch(path, resource_version=listing.resource_version, timeout_s=2)
        kinds = [event.kind async for event in watch]
        assert set(kinds) <= {"BOOKMARK", "ADDED"}

    on_cluster(act)


def test_who_wrote_first_wins() -> None:
    """By resource version, name, and a deletion's precondition; a dry run writes nothing."""

    async def act(api: Api, namespace: str) -> None:
        path, one = CONFIG_MAPS.path(namespace), CONFIG_MAPS.path(namespace, "a")
        await api.create(path, config_map("a"), dry_run=True)
        with pytest.raises(NotFoundError):
            await api.get(one)
        made = await api.create(path, config_map("a", n="1"))
        with pytest.raises(AlreadyExistsError):
            await api.create(path, config_map("a"))
        version = made["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "data": {"n": "2"}}
        await api.merge_patch(one, patch)
        with pytest.raises(ConflictError):
            await api.merge_patch(one, patch | {"data": {"n": "3"}})
        with pytest.raises(InvalidError):
            await api.json_patch(one, [{"op": "test", "path": "/data/n", "value": "1"}])
        with pytest.raises(ConflictError):
            await api.delete(one, uid="00000000-0000-0000-0000-000000000000")
        await api.delete(one, uid=made["metadata"]["uid"])
        with pytest.raises(NotFoundError):
            await api.delete(one)

    on_cluster(act)


async def account(api: Api, namespace: str, folder: Path) -> Path:
    """A kubeconfig of a service account that may patch Secrets here and nothing else."""
    metadata = {"metadata": {"name": "patcher"}}
    await api.create(SERVICE_ACCOUNTS.path(namespace), metadata)
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]}
    await api.create(ROLES.path(namespace), metadata | {"rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "patcher", "namespace": namespace}
    role = {"apiGroup": ROLES.group, "kind": "Role", "name": "patcher"}
    await api.create(BINDINGS.path(namespace), metadata | {"roleRef": role, "subjects": [subject]})
    path = SERVICE_ACCOUNTS.path(namespace, "patcher", "token")
    answer = await api.create(path, {"spec": {"expirationSeconds": 600}})
    return with_token(answer["status"]["token"], folder)


def with_token(token: str, folder: Path) -> Path:
    """The kubeconfig of this cluster, but with a token for a certificate."""
    content = yaml.safe_load(kubeconfig().read_text(encoding="utf-8"))
    for user in content["users"]:
        user["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_an_empty_merge_patch_answers_with_the_content_of_a_secret(tmp_path: Path) -> None:
    """To one who may patch and not get, known by a token; and it changes nothing."""

    async def act(api: Api, namespace: str) -> None:
        value = base64.b64encode(b"value").decode()
        body = {"metadata": {"name": "db"}, "data": {"value": value}}
        made = await api.create(SECRETS.path(namespace), body)
        one = SECRETS.path(namespace, "db")
        async with Api(await load(await account(api, namespace, tmp_path))) as patcher:

            async def read() -> Json:
                async with asyncio.timeout(10):
                    while True:
                        try:
                            return await patcher.merge_patch(one, {})
                        except ForbiddenError:
                            await asyncio.sleep(0.1)

            read_back = await read()
            assert read_back["data"] == {"value": value}
            assert read_back["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
            with pytest.raises(ForbiddenError) as caught:
                await patcher.get(one)
            assert caught.value.status == 403

    on_cluster(act)


def test_a_token_that_nobody_gave_out_is_refused(tmp_path: Path) -> None:
    """401, and the token is not in the error."""

    async def act(_: Api, namespace: str) -> None:
        async with Api(await load(with_token(CANARY.hex(), tmp_path))) as nobody:
            with pytest.raises(ForbiddenError) as caught:
                await nobody.get(CONFIG_MAPS.path(namespace))
        assert caught.value.status == 401
        assert leaks("".join(traceback.format_exception(caught.value))) == []

    on_cluster(act)


BAD: dict[str, Json] = {
    "no base64": {"metadata": {"name": "a"}, "data": {"value": CANARY.decode()}},
    "a label": {"metadata": {"name": "a", "labels": {"x": CANARY.decode()}}},
    "a name": {"metadata": {"name": CANARY.decode()}},
    "a key": {"metadata": {"name": "a"}, "stringData": {CANARY.decode(): "x"}},
    "a type of field": {"metadata": {"name": "a"}, "immutable": CANARY.decode()},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_p8_what_the_server_says_about_an_object_is_not_passed_on(body: Json) -> None:
    """Its messages quote what is wrong; ours don't."""

    async def act(api: Api, namespace: str) -> None:
        with pytest.raises(ApiError) as caught:
            await api.create(SECRETS.path(namespace), body)
        assert caught.value.status in {400, 422}
        assert leaks("".join(traceback.format_exception(caught.value))) == []

    on_cluster(act)
