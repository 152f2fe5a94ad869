"""Accounts and policies in use say so: the decision, and the writes on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from controller.holds import Holdable, Holds, Used, changes, used
from kube.clock import SystemClock
from kube.errors import AlreadyExistsError, NotFoundError
from kube.reflector import Reflector
from kube.resources import CUSTOM_RESOURCES, SECRET_ACCOUNTS, SECRET_POLICIES
from policy.load import load_texts
from refresh.model import SnapshotKey, SourceKey
from tests.kube.cluster import cluster
from tests.make.embedded import REPOSITORY

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
    source = SourceKey(
        account=account, identity="controller", provider="aws-sm", reference="/prod/x"
    )
    return SnapshotKey(namespace=namespace, source=source)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], Used()),
        (
            [key("payments")],
            Used(accounts=frozenset({"one"}), policies=frozenset({"payments"})),
        ),
        ([key("bare", "two")], Used(accounts=frozenset({"two"}))),
        ([key("other")], Used(accounts=frozenset({"one"}))),
        ([key("gone")], Used(accounts=frozenset({"one"}))),
    ],
    ids=["nothing", "its own", "not labelled", "not listed by the policy", "namespace gone"],
)
def test_what_snapshots_need(keys: list[SnapshotKey], expected: Used) -> None:
    """The account of each, and the policy that its namespace is under."""
    assert used(keys, load_texts({"policies.yaml": POLICIES})) == expected


def test_p2_a_policy_that_can_not_be_read_stays_in_use() -> None:
    """It is not known what it says, and it must not go meanwhile."""
    known = load_texts({"policies.yaml": POLICIES})
    unread = replace(known, policies={}, unreadable_policies=frozenset({"payments"}))
    assert used([key("payments")], unread).policies == {"payments"}


@pytest.mark.parametrize("needed", [False, True])
@pytest.mark.parametrize("said", [False, True])
def test_what_is_written(
    said: bool,  # noqa: FBT001 - a column of the table
    needed: bool,  # noqa: FBT001
) -> None:
    """Only what a status does not say yet."""
    item = Holdable(name="a", version="1", in_use=said)
    found = changes([item], frozenset({"a"} if needed else ()))
    assert found == ([item] if said != needed else [])


@pytest.mark.parametrize("status", [None, {}, {"inUse": False}, {"inUse": "true"}])
def test_a_status_that_says_nothing_is_no_use(status: object) -> None:
    """Absent, empty, or of another version."""
    metadata = {"name": "a", "resourceVersion": "1"}
    assert not Holdable.from_wire({"metadata": metadata, "status": status}).in_use


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
            Holdable.from_wire,
            field_selector=f"metadata.name={self.name}",
            clock=clock,
            rng=rng,
        )
        self.policies = Reflector(
            api,
            SECRET_POLICIES,
            Holdable.from_wire,
            field_selector="metadata.name=nobody",
            clock=clock,
            rng=rng,
        )
        self.holds = Holds(api, self.accounts, self.policies)

    async def define(self) -> None:
        """The kinds, where the cluster does not know them yet."""
        for resource in (SECRET_ACCOUNTS, SECRET_POLICIES):
            file = CRDS / f"{resource.plural}.{resource.group}.yaml"
            with contextlib.suppress(AlreadyExistsError):
                await self.api.create(CUSTOM_RESOURCES.path(), yaml.safe_load(file.read_text()))
        for reflector in (self.accounts, self.policies):
            await asyncio.wait_for(reflector.wait_synced(), 60)

    async def create(self) -> None:
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
        await self.api.create(SECRET_ACCOUNTS.path(), body)

    async def hold_until(self, *, in_use: bool) -> None:
        """As the controller's loop does, until the copy says so."""
        names = frozenset({self.name}) if in_use else frozenset()
        async with asyncio.timeout(20):
            while self._seen() is not in_use:
                await self.holds.hold(Used(accounts=names))
                await asyncio.sleep(0.05)

    def _seen(self) -> bool | None:
        item = self.accounts.items.get(("", self.name))
        return None if item is None else item.in_use


@pytest.mark.e2e
def test_an_account_says_whether_it_is_in_use() -> None:
    """In its status alone, which an apply of its manifest does not touch."""

    async def scenario() -> None:
        async with cluster() as (api, _):
            world = World(api)
            stop = asyncio.Event()
            running = [
                asyncio.create_task(reflector.run(stop))
                for reflector in (world.accounts, world.policies)
            ]
            await world.define()
            await world.create()
            try:
                await world.hold_until(in_use=True)
                change = {"spec": {"budget": {"burst": 41}}, "status": {"inUse": False}}
                changed = await api.merge_patch(world.path, change)
                assert changed["spec"]["budget"]["burst"] == 41
                assert changed["status"] == {"inUse": True}
                assert "finalizers" not in changed["metadata"]
                await world.hold_until(in_use=False)
            finally:
                stop.set()
                await asyncio.gather(*running)
                with contextlib.suppress(NotFoundError):
                    await api.delete(world.path)

    asyncio.run(scenario())
