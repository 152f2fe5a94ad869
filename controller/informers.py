"""Copies of what others write, each kind listed and watched once: policies, accounts, namespaces,
pods, SecretSnapshots and ExternalSecrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from api.account import SecretAccount
from api.policy import SecretPolicy
from controller.external_secrets import ExternalSecrets
from controller.in_use_protection import ProtectedObject
from controller.watched_pods import RUNNING, PodReader
from controller.watched_snapshots import SnapshotReader
from kube.api_resources import NAMESPACES, PODS, SECRET_ACCOUNTS, SECRET_POLICIES, SECRET_SNAPSHOTS
from kube.filtered_view import View
from kube.reflector import Reflector
from policy.watched import ObjectReader, labelled

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Coroutine

    from kube.api import Api, Json
    from kube.api_resources import Resource
    from kube.reflector import Key
    from policy.watched import LastGoodObject
    from workqueue.clock import Clock

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminObject(Generic[M]):
    """An account or a policy: what its admin says, and what its status says. Of either the
    controller reads the former to decide, and writes the latter.
    """

    spec: LastGoodObject[M]
    status: ProtectedObject

    def said(self) -> LastGoodObject[M]:
        return self.spec

    def shown(self) -> ProtectedObject:
        return self.status


class Informers:
    """The copies, kept current while `run`. `problem(what, why)` is told what can't be read."""

    def __init__(
        self, api: Api, clock: Clock, rng: random.Random, problem: Callable[[str, str], None]
    ) -> None:
        def copy(
            resource: Resource, read: Callable[[Json], T | None], *, fields: str | None = None
        ) -> Reflector[T]:
            return Reflector(
                api,
                resource,
                read,
                field_selector=fields,
                clock=clock,
                rng=rng,
                problem=partial(problem, "watch"),
            )

        def admins(resource: Resource, model: type[M]) -> Reflector[AdminObject[M]]:
            def before(key: Key) -> LastGoodObject[M] | None:
                known = kept.items.get(key)
                return None if known is None else known.spec

            read = ObjectReader(model, before)
            kept = copy(
                resource,
                lambda found: AdminObject(
                    spec=read(found), status=ProtectedObject.from_wire(found)
                ),
            )
            return kept

        self._accounts = admins(SECRET_ACCOUNTS, SecretAccount)
        self._policies = admins(SECRET_POLICIES, SecretPolicy)
        self.accounts = View(self._accounts, AdminObject[SecretAccount].said)
        self.policies = View(self._policies, AdminObject[SecretPolicy].said)
        self.protected_accounts = View(self._accounts, AdminObject[SecretAccount].shown)
        self.protected_policies = View(self._policies, AdminObject[SecretPolicy].shown)
        self.namespaces = copy(NAMESPACES, labelled)
        self.pods = copy(PODS, PodReader(problem), fields=RUNNING)
        self.snapshots = copy(SECRET_SNAPSHOTS, SnapshotReader(problem))
        self.external_secrets = ExternalSecrets(api, clock, rng, problem)
        self._all: tuple[Reflector[Any], ...] = (
            self._accounts,
            self._policies,
            self.namespaces,
            self.pods,
            self.snapshots,
        )

    async def wait_synced(self) -> None:
        """Until each has been listed once."""
        for reflector in self._all:
            await reflector.wait_synced()

    def namespace_uid(self, namespace: str) -> str:
        """Of the namespace of that name; empty where there is none."""
        found = self.namespaces.items.get(("", namespace))
        return "" if found is None else found.uid

    def is_awake(self, namespace: str, pod: str) -> bool:
        """Whether a pod is there whose kubelet still looks at its volumes."""
        found = self.pods.items.get((namespace, pod))
        return found is not None and not found.ending

    def staleness_s(self, now: float) -> dict[str, float]:
        """Seconds since the API server was last heard of, by resource; `now` is monotonic."""
        found: dict[str, Reflector[Any]] = {
            "secretaccounts": self._accounts,
            "secretpolicies": self._policies,
            "namespaces": self.namespaces,
            "pods": self.pods,
            "secretsnapshots": self.snapshots,
        }
        return {name: reflector.staleness_s(now) for name, reflector in found.items()}

    def runs(self, stop: asyncio.Event) -> list[Coroutine[None, None, None]]:
        """A coroutine for each, which follows the API server until `stop`."""
        return [
            *(reflector.run(stop) for reflector in self._all),
            self.external_secrets.run(stop),
        ]
