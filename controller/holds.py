"""Keeps accounts and policies in use from vanishing: their status says that they are in use, and a
ValidatingAdmissionPolicy of the chart refuses to delete such a one (docs/design/016). The decision
is pure; `Holds` writes it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.telemetry import say
from kube.errors import ApiError, ConflictError, NotFoundError
from kube.resources import SECRET_ACCOUNTS, SECRET_POLICIES
from policy.match import Reason, Refused, policy_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kube.api import Api, Json
    from kube.reflector import Reflector
    from kube.resources import Resource
    from policy.match import PolicySet
    from refresh.model import SnapshotKey

STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdable:
    """What is kept of an account or a policy."""

    name: str
    version: str
    """Its resource version: a write that would undo another's is refused."""
    in_use: bool
    """As its status says."""

    @staticmethod
    def from_wire(content: Json) -> Holdable:
        """Of any object."""
        metadata = content["metadata"]
        return Holdable(
            name=metadata["name"],
            version=metadata["resourceVersion"],
            in_use=(content.get(STATUS) or {}).get("inUse") is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Names."""

    accounts: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()


def used(snapshots: Iterable[SnapshotKey], policies: PolicySet) -> Used:
    """What these snapshots need: the accounts that fetch them, and the policies that their
    namespaces are under. Snapshots that nobody demands count until they are forgotten.
    """
    keys = frozenset(snapshots)
    over = (_over(policies, namespace) for namespace in {key.namespace for key in keys})
    return Used(
        accounts=frozenset(key.source.account for key in keys),
        policies=frozenset(name for name in over if name is not None),
    )


def _over(policies: PolicySet, namespace: str) -> str | None:
    """The name of a namespace's policy, also of one that can't be read; None: it has none."""
    policy = policy_of(policies, namespace)
    if not isinstance(policy, Refused):
        return policy.name
    return policies.namespaces[namespace] if policy.reason is Reason.UNREADABLE else None


def changes(objects: Iterable[Holdable], names: frozenset[str]) -> list[Holdable]:
    """The objects whose status must say the opposite, when those of `names` are in use."""
    return [item for item in objects if item.in_use != (item.name in names)]


class Holds:
    """Writes statuses, through an `api` that is fenced. The reflectors project with
    `Holdable.from_wire`.
    """

    def __init__(
        self, api: Api, accounts: Reflector[Holdable], policies: Reflector[Holdable]
    ) -> None:
        self._api = api
        self._accounts = accounts
        self._policies = policies
        self._done: tuple[int, int, Used] | None = None

    async def hold(self, now_used: Used) -> None:
        """Call it after each decision, but not before every snapshot that was left by the last
        process is known: what is not named is let go. Asks nothing when nothing has changed; what
        could not be written is tried again at the next call. FencedError.
        """
        if not (self._accounts.synced and self._policies.synced):
            return
        seen = (self._accounts.revision, self._policies.revision, now_used)
        if seen == self._done:
            return
        done = await self._write(SECRET_ACCOUNTS, self._accounts.items, now_used.accounts)
        done &= await self._write(SECRET_POLICIES, self._policies.items, now_used.policies)
        self._done = seen if done else None

    async def _write(
        self, resource: Resource, items: Mapping[tuple[str, str], Holdable], names: frozenset[str]
    ) -> bool:
        done = True
        for item in changes(list(items.values()), names):
            body = {
                "metadata": {"resourceVersion": item.version},
                STATUS: {"inUse": not item.in_use},
            }
            event = "controller.let_go" if item.in_use else "controller.held"
            try:
                await self._api.merge_patch(resource.path(None, item.name, STATUS), body)
            except (ConflictError, NotFoundError):
                # The watch is about to tell what it is now, and that is a new revision.
                continue
            except ApiError as error:
                done = False
                say(logging.WARNING, "controller.hold_failed", kind=resource.plural, why=str(error))
            else:
                say(logging.INFO, event, kind=resource.plural, name=item.name)
        return done
