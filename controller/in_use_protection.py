"""Keeps accounts and policies in use from vanishing: their status says that they are in use, and a
ValidatingAdmissionPolicy of the chart refuses to delete such a one (docs/design/016). An account's
says too how many calls it needs, and how its login and breaker are. The decision is pure;
`InUseProtection` writes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from contract.reasons import FetchFailure
from controller.account_health import fields
from controller.required_rate import rounded
from controller.telemetry import say
from kube.api_resources import SECRET_ACCOUNTS, SECRET_POLICIES
from kube.errors import ApiError, ConflictError, FencedError, NotFoundError
from policy.match import Reason, Refused, policy_of
from workqueue.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from controller.account_health import AccountHealth
    from kube.api import Api, Json
    from kube.api_resources import Resource
    from policy.match import PolicySet
    from policy.watched import LocalCopy
    from refresh.model import SnapshotKey
    from workqueue.clock import Clock

    StatusPatch = dict[str, Any]

STATUS = "status"
IN_USE, NEEDED = "inUse", "neededCallsPerSecond"
REASON, BURST = "reason", "smallestBurst"

_HEALTH = ("login", "loginUntil", "breaker", "conditions")
_NO_BURSTS: Mapping[str, int] = MappingProxyType({})
_NO_HEALTH: Mapping[str, AccountHealth] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedObject:
    """What is kept of an account or a policy."""

    name: str
    version: str
    """Its resource version: a write that would undo another's is refused."""
    in_use: bool
    """As its status says."""
    needed: float = 0.0
    """Calls a second, as an account's status says."""
    reason: str | None = None
    burst: int | None = None
    health: Mapping[str, Any] = field(default_factory=dict)
    """What the status of an account says of its login and breaker, as on the wire."""

    @staticmethod
    def from_wire(content: Json) -> ProtectedObject:
        """Of any object."""
        metadata, status = content["metadata"], content.get(STATUS) or {}
        return ProtectedObject(
            name=metadata["name"],
            version=metadata["resourceVersion"],
            in_use=status.get(IN_USE) is True,
            needed=status.get(NEEDED) or 0.0,
            reason=status.get(REASON),
            burst=status.get(BURST),
            health={name: status[name] for name in _HEALTH if name in status},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What is in use, by name."""

    accounts: Mapping[str, float] = field(default_factory=dict)
    """With the calls a second that each needs, rounded."""
    policies: frozenset[str] = frozenset()
    bursts: Mapping[str, int] = field(default_factory=dict)
    """Of the accounts whose burst is too small, the smallest that works."""
    health: Mapping[str, AccountHealth] = field(default_factory=dict)
    """Of the accounts for which a source was opened. Of others what is said stays, if it is in use.
    """


def used(
    snapshots: Iterable[SnapshotKey],
    policies: PolicySet,
    needed: Mapping[str, float],
    bursts: Mapping[str, int] = _NO_BURSTS,
) -> Used:
    """What these snapshots need: the accounts that fetch them, and the policies that their
    namespaces are under. Snapshots that nobody demands count until they are forgotten. `needed` are
    calls a second by account; what is not in it needs none. `bursts` as in Used.
    """
    keys = frozenset(snapshots)
    over = (_over(policies, namespace) for namespace in {key.namespace for key in keys})
    accounts = {key.source.account for key in keys}
    return Used(
        accounts={name: rounded(needed.get(name, 0.0)) for name in accounts},
        policies=frozenset(name for name in over if name is not None),
        bursts={name: burst for name, burst in bursts.items() if name in accounts},
    )


def _over(policies: PolicySet, namespace: str) -> str | None:
    """The name of a namespace's policy, also of one that can't be read; None: it has none."""
    policy = policy_of(policies, namespace)
    if not isinstance(policy, Refused):
        return policy.name
    return policies.namespaces[namespace] if policy.reason is Reason.UNREADABLE else None


def changes(
    objects: Iterable[ProtectedObject],
    in_use: Mapping[str, float],
    bursts: Mapping[str, int] = _NO_BURSTS,
    health: Mapping[str, AccountHealth] = _NO_HEALTH,
    now: float = 0.0,
) -> list[tuple[ProtectedObject, StatusPatch]]:
    """The objects whose status must say something else, and what; `in_use` has what each of those
    needs, `bursts` the smallest burst of those whose own is too small, and `health` as in Used.
    `now` in seconds since the epoch.
    """
    found = (
        (
            item,
            _change(item, in_use.get(item.name), bursts.get(item.name))
            | _health_change(item, health.get(item.name), now, in_use=item.name in in_use),
        )
        for item in objects
    )
    return [(item, change) for item, change in found if change]


def _change(item: ProtectedObject, needed: float | None, burst: int | None) -> StatusPatch:
    """`needed` None: it is not in use. Null removes a field."""
    said: StatusPatch = {
        IN_USE: item.in_use,
        NEEDED: item.needed,
        REASON: item.reason,
        BURST: item.burst,
    }
    must: StatusPatch = {
        IN_USE: needed is not None,
        NEEDED: needed or 0.0,
        REASON: None if burst is None else FetchFailure.BUDGET_TOO_SMALL.value,
        BURST: burst,
    }
    return {name: value for name, value in must.items() if value != said[name]}


def _health_change(
    item: ProtectedObject, health: AccountHealth | None, now: float, *, in_use: bool
) -> StatusPatch:
    if health is None and in_use:
        return {}
    must = fields(health if in_use else None, item.health.get("conditions") or (), now)
    return {name: value for name, value in must.items() if value != item.health.get(name)}


class InUseProtection:
    """Writes statuses, through an `api` that is fenced. The copies have what
    `ProtectedObject.from_wire` keeps.
    """

    def __init__(
        self,
        api: Api,
        accounts: LocalCopy[ProtectedObject],
        policies: LocalCopy[ProtectedObject],
        *,
        clock: Clock,
        draw: Callable[[], float],
    ) -> None:
        """`draw` gives a random number in [0, 1)."""
        self._api = api
        self._informers = {SECRET_ACCOUNTS: accounts, SECRET_POLICIES: policies}
        self._clock = clock
        self._draw = draw
        self._queue: WorkQueue[tuple[Resource, str]] = WorkQueue()
        """Objects whose status must say something else, by kind and name."""
        self._seen: tuple[int, int, Used] | None = None

    async def update(self, now_used: Used) -> None:
        """Call it after each decision, but not before every snapshot that was left by the last
        process is known: what is not named is released. Asks nothing when nothing has changed. What
        could not be written is tried again at a later call. FencedError.
        """
        if not all(copy.synced for copy in self._informers.values()):
            return
        wanted = {
            SECRET_ACCOUNTS: now_used,
            SECRET_POLICIES: Used(accounts=dict.fromkeys(now_used.policies, 0.0)),
        }
        accounts, policies = (copy.revision for copy in self._informers.values())
        seen = (accounts, policies, now_used)
        if seen != self._seen:
            self._seen = seen
            for resource, used in wanted.items():
                for item, _ in self._changes(resource, used):
                    self._queue.add((resource, item.name), self._clock.monotonic())
        while (key := self._queue.get(self._clock.monotonic())) is not None:
            await self._write(*key, wanted[key[0]])

    def _changes(self, resource: Resource, used: Used) -> list[tuple[ProtectedObject, StatusPatch]]:
        return self._of(list(self._informers[resource].items.values()), used)

    def _of(
        self, items: list[ProtectedObject], used: Used
    ) -> list[tuple[ProtectedObject, StatusPatch]]:
        return changes(items, used.accounts, used.bursts, used.health, self._clock.now())

    async def _write(self, resource: Resource, name: str, used: Used) -> None:
        key, kind = (resource, name), resource.plural
        item = self._informers[resource].items.get(("", name))
        found = [] if item is None else self._of([item], used)
        for seen, change in found:
            body = {"metadata": {"resourceVersion": seen.version}, STATUS: change}
            try:
                await self._api.merge_patch(resource.path(None, name, STATUS), body)
            except (ConflictError, NotFoundError):
                # The watch is about to tell what it is now, and that is a new revision.
                continue
            except (ApiError, FencedError) as error:
                mono, draw = self._clock.monotonic(), self._draw()
                self._queue.retry(key, mono, draw, asked_s=error.delay_s)
                if isinstance(error, FencedError):
                    raise
                say(logging.WARNING, "controller.in_use_failed", kind=kind, why=str(error))
                return
            else:
                say(logging.INFO, _event(change), kind=kind, name=name, status=change)
        self._queue.done(key)


def _event(change: StatusPatch) -> str:
    if IN_USE not in change:
        return "controller.needs" if NEEDED in change else "controller.account_status"
    return "controller.held" if change[IN_USE] else "controller.let_go"
