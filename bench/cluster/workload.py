"""Many snapshots that are declared in many namespaces, at a stand-in of AWS on this machine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bench.cluster.filled_provider import REGION, reference
from bench.cluster.waiting import is_gone, until
from contract.object_names import snapshot_name
from kube.api import Api
from kube.api_resources import (
    LEASES,
    NAMESPACES,
    SECRET_ACCOUNTS,
    SECRET_POLICIES,
    SECRET_SNAPSHOTS,
)
from kube.config import load
from kube.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
    from pathlib import Path

Json = dict[str, Any]
NAME = "lastgood-bench-workload"
"""Of the account, the policy, the controller's namespace, and what the others begin with."""
AT_ONCE = 16
GONE_S = 600.0
LIMIT_S = 60.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is declared."""

    kubeconfig: Path
    snapshots: int
    namespaces: int
    interval_s: int

    @property
    def budget_s(self) -> int:
        """Four intervals, or what policy asks for at least."""
        return max(4 * self.interval_s, (4 * (self.interval_s + 90) + 2) // 3)

    def references(self) -> Iterator[tuple[str, str]]:
        """Namespace and reference of each snapshot."""
        for number in range(self.snapshots):
            yield f"{NAME}-{number % self.namespaces:03d}", reference(number)

    async def govern(self, endpoint: str) -> None:
        """Namespaces, account, policy, and a Lease that is nobody's."""
        async with _opened(self.kubeconfig) as api:
            await api.create(NAMESPACES.path(), _namespace(NAME))
            lease = {"holderIdentity": "", "leaseDurationSeconds": 1}
            body = _object("coordination.k8s.io/v1", "Lease", "lastgood-controller", lease)
            await api.create(LEASES.path(NAME), body)
            await api.create(SECRET_ACCOUNTS.path(), _account(endpoint))
            await api.create(SECRET_POLICIES.path(), self._policy())
            names = sorted({namespace for namespace, _ in self.references()})
            await _each(names, lambda name: api.create(NAMESPACES.path(), _namespace(name)))

    async def declare(self) -> None:
        """Every SecretSnapshot."""
        async with _opened(self.kubeconfig) as api:

            async def one(item: tuple[str, str]) -> None:
                namespace, name = item
                await api.create(SECRET_SNAPSHOTS.path(namespace), _snapshot(name))

            await _each(self.references(), one)

    async def served(self) -> int:
        """How many have a version in their status."""
        async with _opened(self.kubeconfig) as api:
            count = 0
            async for page in api.pages(SECRET_SNAPSHOTS.path()):
                count += sum("version" in (it.get("status") or {}) for it in page["items"])
            return count

    async def remove(self) -> None:
        """All of it; waits until the namespaces are gone."""
        async with _opened(self.kubeconfig) as api:
            listing = await api.list_all(NAMESPACES.path())
            names = [item["metadata"]["name"] for item in listing.items]
            ours = [name for name in names if name.startswith(NAME)]
            for kind in (SECRET_POLICIES, SECRET_ACCOUNTS):
                path = kind.path(name=NAME)
                with suppress(NotFoundError):
                    await api.delete(path)
            await _each(ours, lambda name: _delete(api, name))
            for name in ours:
                path = NAMESPACES.path(name=name)
                await until(partial(is_gone, api, path), GONE_S)

    def _policy(self) -> Json:
        rules = {
            "refreshInterval": f"{self.interval_s}s",
            "freshnessBudget": f"{self.budget_s}s",
            "maxAge": "24h",
        }
        spec = {
            "namespaces": [f"{NAME}-*"],
            "sources": [{"account": NAME, "allow": ["aws-sm:/bench/*"], "class": "steady"}],
            "classes": {"steady": rules},
            "limits": {"snapshotsPerNamespace": self.snapshots},
        }
        return _object("lastgood.dev/v1alpha1", "SecretPolicy", NAME, spec)


@asynccontextmanager
async def _opened(kubeconfig: Path) -> AsyncIterator[Api]:
    configuration = await load(kubeconfig)
    async with Api(configuration, user_agent="lastgood-bench", timeout_s=LIMIT_S) as api:
        yield api


async def _each(items: Iterable[T], do: Callable[[T], Awaitable[object]]) -> None:
    """Some at once."""
    todo = iter(items)

    async def worker() -> None:
        for item in todo:
            await do(item)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def _delete(api: Api, name: str) -> None:
    with suppress(NotFoundError):
        await api.delete(NAMESPACES.path(name=name))


def _object(api_version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _namespace(name: str) -> Json:
    labels = {} if name == NAME else {"lastgood.dev/policy": NAME}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _account(endpoint: str) -> Json:
    spec = {
        "provider": "aws",
        "aws": {"regions": [REGION], "endpoint": f"http://{endpoint}"},
        "budget": {"callsPerSecond": 20, "burst": 40},
    }
    return _object("lastgood.dev/v1alpha1", "SecretAccount", NAME, spec)


def _snapshot(of: str) -> Json:
    source = {"account": NAME, "provider": "aws-sm", "reference": of}
    name = snapshot_name(NAME, "controller", "aws-sm", of)
    return _object("lastgood.dev/v1alpha1", "SecretSnapshot", name, {"source": source})
