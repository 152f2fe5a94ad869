"""Accounts and policies in use say so: the decision, and the writes on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from controller.in_use_protection import (
    NEEDED,
    InUseProtection,
    ProtectedObject,
    Used,
    changes,
    used,
)
from kube.api_resources import SECRET_ACCOUNTS, SECRET_POLICIES
from kube.errors import AlreadyExistsError, NotFoundError, of_status
from kube.reflector import Reflector
from policy.load import load_texts
from refresh.model import SnapshotKey, SourceKey
from tests.kube.cluster import cluster
from tests.make.kinds import CUSTOM_RESOURCES
from tests.make.waiting import REPOSITORY
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from kube.api import Api

CRDS = REPOSITORY / "charts/lastgood/crds"
POLICIES = """
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: one}
spec: {provider: aws, aws: {regions: [eu-west-1]}, budget: {callsPerSecond: 20, burst: 40}}
---
apiVersion: lastgood.dev/v1alpha1
kind: SecretPolicy
metadata: {name: payments}
spec:
  namespaces: ["payments", "bare"]
  sources: [{account: one, allow: ["aws-sm:/prod/*"], class: steady}]
  classes:
    steady: {refreshInterval: 15m, freshnessBudget: 1h, maxAge: 24h}
---
apiVersion: v1
kind: Namespace
metadata: {name: payments, labels: {lastgood.dev/policy: payments}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {lastgood.dev/policy: payments}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bare}}
"""


def key(namespace: str, account: str = "one") -> SnapshotKey:
    """Of any source."""
    source = SourceKey(account=account, identity="controller", scheme="aws-sm", reference="/prod/x")
    return SnapshotKey(namespace=namespace, source=source)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], Used()),
        (
            [key("payments")],
            Used(accounts={"one": 1.2}, policies=frozenset({"payments"})),
        ),
        ([key("bare", "two")], Used(accounts={"two": 0.0})),
        ([key("other")], Used(accounts={"one": 1.2})),
        ([key("gone")], Used(accounts={"one": 1.2})),
    ],
    ids=["nothing", "its own", "not labelled", "not listed by the policy", "namespace gone"],
)
def test_what_snapshots_need(keys: list[SnapshotKey], expected: Used) -> None:
    """The account of each with its calls a second, and the policy that its namespace is under."""
    policies = load_texts({"policies.yaml": POLICIES})
    assert used(keys, policies, {"one": 1.234, "three": 1.0}) == expected


def test_p2_a_policy_that_can_not_be_read_stays_in_use() -> None:
    """It is not known what it says, and it must not go meanwhile."""
    known = load_texts({"policies.yaml": POLICIES})
    unread = replace(known, policies={}, unreadable_policies=frozenset({"payments"}))
    assert used([key("payments")], unread, {}).policies == {"payments"}


@pytest.mark.parametrize(
    ("said", "in_use", "expected"),
    [
        ((False, 0.0), {}, {}),
        ((False, 0.0), {"a": 0.0}, {"inUse": True}),
        ((False, 0.0), {"a": 1.5}, {"inUse": True, "neededCallsPerSecond": 1.5}),
        ((True, 1.5), {"a": 1.5, "b": 2.0}, {}),
        ((True, 1.5), {"a": 1.6}, {"neededCallsPerSecond": 1.6}),
        ((True, 1.5), {"a": 0.0}, {"neededCallsPerSecond": 0.0}),
        ((True, 1.5), {"b": 2.0}, {"inUse": False, "neededCallsPerSecond": 0.0}),
        ((True, 0.0), {}, {"inUse": False}),
    ],
    ids=[
        "not used",
        "a policy, or all undemanded",
        "used",
        "the same",
        "more",
        "none demanded",
        "let go",
        "a policy let go",
    ],
)
def test_what_is_written(
    said: tuple[bool, float], in_use: dict[str, float], expected: dict[str, bool | float]
) -> None:
    """Only what a status does not say yet; of a policy never calls."""
    item = ProtectedObject(name="a", version="1", in_use=said[0], needed=said[1])
    assert changes([item], in_use) == ([(item, expected)] if expected else [])


def test_a_burst_that_is_too_small_is_said_and_taken_back() -> None:
    """With the smallest that works."""
    item = ProtectedObject(name="a", version="1", in_use=True, needed=1.0)
    [(_, said)] = changes([item], {"a": 1.0}, {"a": 4})
    assert said == {"reason": "budget-too-small", "smallestBurst": 4}
    known = ProtectedObject.from_wire(
        {
            "metadata": {"name": "a", "resourceVersion": "2"},
            "status": {"inUse": True, "neededCallsPerSecond": 1.0} | said,
        }
    )
    assert changes([known], {"a": 1.0}, {"a": 4}) == []
    assert changes([known], {"a": 1.0}) == [(known, {"reason": None, "smallestBurst": None})]


@pytest.mark.parametrize("status", [None, {}, {"inUse": False}, {"inUse": "true"}])
def test_a_status_that_says_nothing_is_no_use(status: object) -> None:
    """Absent, empty, or of another version."""
    metadata = {"name": "a", "resourceVersion": "1"}
    found = ProtectedObject.from_wire({"metadata": metadata, "status": status})
    assert (found.in_use, found.needed) == (False, 0.0)


class Copy:
    """What a watch has told."""

    synced = True

    def __init__(self, *items: ProtectedObject) -> None:
        self.items = {("", item.name): item for item in items}
        self.revision = 1


class Server:
    """Refuses the first patches of some objects."""

    def __init__(self, **failing: int) -> None:
        self.failing = failing
        self.asked: list[tuple[float, str]] = []
        self.mono = 0.0

    def monotonic(self) -> float:
        return self.mono

    def now(self) -> float:
        return 1.7e9 + self.mono

    async def merge_patch(self, path: str, body: dict[str, Any]) -> None:
        assert body["status"]["inUse"]
        name = path.split("/")[-2]
        self.asked.append((self.mono, name))
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            raise of_status(503, reason="", method="PATCH", path=path)


def test_p4_a_status_that_cant_be_written_backs_off_and_stops_no_other() -> None:
    """Nothing is asked while nothing changes; a change does not shorten the backoff."""
    accounts = Copy(
        *(ProtectedObject(name=it, version="1", in_use=False) for it in ("good", "bad"))
    )
    server = Server(bad=3)
    some = cast("Any", server)
    protection = InUseProtection(
        some, cast("Any", accounts), cast("Any", Copy()), clock=some, draw=lambda: 0.5
    )

    async def calls() -> None:
        for number in range(16):
            server.mono = number / 2
            accounts.revision += number == 4
            await protection.update(Used(accounts={"good": 0.0, "bad": 0.0}))
            if number == 0:
                known = ProtectedObject(name="good", version="2", in_use=True)
                accounts.items["", "good"] = known

    asyncio.run(calls())
    assert server.asked == [(0.0, "good"), (0.0, "bad"), (0.5, "bad"), (1.5, "bad"), (3.5, "bad")]


class World:
    """The API server, and one account of its own."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.name = f"e2e-{secrets.token_hex(4)}"
        self.path = SECRET_ACCOUNTS.path(name=self.name)
        clock, rng = SystemClock(), random.Random()
        # Others' accounts are on this cluster too; only ours is looked at.
        self.accounts = Reflector(
            api,
            SECRET_ACCOUNTS,
            ProtectedObject.from_wire,
            field_selector=f"metadata.name={self.name}",
            clock=clock,
            rng=rng,
        )
        self.policies = Reflector(
            api,
            SECRET_POLICIES,
            ProtectedObject.from_wire,
            field_selector="metadata.name=nobody",
            clock=clock,
            rng=rng,
        )
        self.protection = InUseProtection(
            api, self.accounts, self.policies, clock=clock, draw=rng.random
        )

    async def define(self) -> None:
        """The kinds, as they are now. A watch that began before goes by the older definition."""
        for resource in (SECRET_ACCOUNTS, SECRET_POLICIES):
            name = f"{resource.plural}.{resource.group}"
            definition = yaml.safe_load((CRDS / f"{name}.yaml").read_text())
            try:
                await self.api.create(CUSTOM_RESOURCES.path(), definition)
            except AlreadyExistsError:
                await self.api.merge_patch(CUSTOM_RESOURCES.path(name=name), definition)

    async def synced(self) -> None:
        """Both copies."""
        for reflector in (self.accounts, self.policies):
            await asyncio.wait_for(reflector.wait_synced(), 60)

    async def create(self) -> None:
        """Waits until the API server goes by the definitions, which takes it a moment."""
        spec = {
            "provider": "aws",
            "aws": {"regions": ["eu-west-1"]},
            "budget": {"callsPerSecond": 20, "burst": 40},
        }
        body: dict[str, Any] = {
            "apiVersion": SECRET_ACCOUNTS.api_version,
            "kind": "SecretAccount",
            "metadata": {"name": self.name},
            "spec": spec,
        }
        async with asyncio.timeout(60):
            while not await self._created(body):  # noqa: ASYNC110 - the API server sets no event
                await asyncio.sleep(0.05)
            while not await self._knows_needs():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def _created(self, body: dict[str, Any]) -> bool:
        try:
            await self.api.create(SECRET_ACCOUNTS.path(), body)
        except NotFoundError:
            return False
        return True

    async def _knows_needs(self) -> bool:
        """An older definition drops them."""
        path = SECRET_ACCOUNTS.path(None, self.name, "status")
        changed = await self.api.merge_patch(path, {"status": {NEEDED: 7.0}})
        return NEEDED in changed.get("status", {})

    async def hold_until(self, needed: float | None) -> None:
        """As the controller's loop does, until the copy says so; None: it is not in use."""
        used = Used(accounts={} if needed is None else {self.name: needed})
        wanted = (needed is not None, needed or 0.0)
        async with asyncio.timeout(20):
            while self._seen() != wanted:
                await self.protection.update(used)
                await asyncio.sleep(0.05)

    def _seen(self) -> tuple[bool, float] | None:
        item = self.accounts.items.get(("", self.name))
        return None if item is None else (item.in_use, item.needed)


@pytest.mark.e2e
def test_an_account_says_whether_it_is_in_use() -> None:
    """And how many calls it needs: in its status alone, which an apply of its manifest does not
    touch.
    """

    async def scenario() -> None:
        async with cluster() as (api, _):
            world = World(api)
            await world.define()
            await world.create()
            stop = asyncio.Event()
            running = [
                asyncio.create_task(reflector.run(stop))
                for reflector in (world.accounts, world.policies)
            ]
            await world.synced()
            try:
                await world.hold_until(0.25)
                change = {"spec": {"budget": {"burst": 41}}, "status": {"inUse": False}}
                changed = await api.merge_patch(world.path, change)
                assert changed["spec"]["budget"]["burst"] == 41
                assert changed["status"] == {"inUse": True, "neededCallsPerSecond": 0.25}
                assert "finalizers" not in changed["metadata"]
                await world.hold_until(12.0)
                await world.hold_until(None)
            finally:
                stop.set()
                await asyncio.gather(*running)
                with contextlib.suppress(NotFoundError):
                    await api.delete(world.path)

    asyncio.run(scenario())
