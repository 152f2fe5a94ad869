"""Policies, accounts and namespaces as the API server has them. What is read from here is a local
copy: nothing is asked while it is used.

An object that this version can't read keeps its last good form, as a broken file in a folder does.
Where there is none, after a restart, its name is kept: it refuses, but it is not gone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from contract.annotations import POLICY_LABEL
from policy.match import PolicySet
from schema.error_messages import explain
from schema.strict_model import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from api.account import SecretAccount
    from api.policy import SecretPolicy

_LOG = logging.getLogger("lastgood.policy")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=BaseModel)
Key = tuple[str, str]
"""Namespace, "" for what is cluster-scoped, and name."""


class NotYetError(Exception):
    """Nothing is known yet. Caught by the code that asks for the current policies."""


class LocalCopy(Protocol[T_co]):
    """A local copy of one kind of objects: `kube.reflector.Reflector`."""

    @property
    def items(self) -> Mapping[Key, T_co]:
        """By namespace and name."""
        ...

    @property
    def revision(self) -> int:
        """Equal numbers mean equal items."""
        ...

    @property
    def synced(self) -> bool:
        """Whether a whole list was seen once."""
        ...


@dataclass(frozen=True, slots=True)
class LastGoodObject(Generic[T]):
    """One object of an admin's."""

    good: T | None
    """Its last good form; None: there was none since it is watched."""
    problem: str | None = None
    """Why the object as it is now is not that; None: it is."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A namespace, and the policy that its label names."""

    policy: str | None
    uid: str
    """Another one means that a namespace of the same name was made again."""


class ObjectReader(Generic[M]):
    """Reads one kind of an admin's objects. `before` gives what was held of an object."""

    def __init__(self, model: type[M], before: Callable[[Key], LastGoodObject[M] | None]) -> None:
        self._model = model
        self._before = before

    def __call__(self, content: Mapping[str, Any]) -> LastGoodObject[M]:
        """The object as it is now, or else its last good form with what is wrong."""
        found = parsed(self._model, content)
        if not isinstance(found, str):
            return LastGoodObject(found)
        problem, kind = found, self._model.__name__
        name = str((content.get("metadata") or {}).get("name"))
        before = self._before(("", name))
        if before is None or before.problem != problem:
            fields = {"kind": kind, "name": name, "problem": problem}
            _LOG.error("policies.kept_last_good", extra={"fields": fields})
        return LastGoodObject(None if before is None else before.good, problem)


def parsed(model: type[M], content: Mapping[str, Any]) -> M | str:
    """An object of an admin's as the API server answers with it, or what is wrong with it."""
    document = {
        "apiVersion": API_VERSION,
        "kind": model.__name__,
        "metadata": content.get("metadata") or {},
        "spec": content.get("spec"),
    }
    try:
        return model.model_validate(document)
    except ValidationError as error:
        return "; ".join(explain(model, error))


def labelled(content: Mapping[str, Any]) -> Labelled:
    """What is kept of a namespace."""
    metadata = content.get("metadata") or {}
    labels = metadata.get("labels") or {}
    return Labelled(labels.get(POLICY_LABEL), str(metadata.get("uid") or ""))


class WatchedPolicies:
    """All that admins said, put together again only when one of the copies has changed."""

    def __init__(
        self,
        accounts: LocalCopy[LastGoodObject[SecretAccount]],
        policies: LocalCopy[LastGoodObject[SecretPolicy]],
        namespaces: LocalCopy[Labelled],
    ) -> None:
        self._accounts = accounts
        self._policies = policies
        self._namespaces = namespaces
        self._seen: tuple[int, ...] | None = None
        self._current = PolicySet()

    @property
    def synced(self) -> bool:
        """Whether each kind was listed once."""
        return self._accounts.synced and self._policies.synced and self._namespaces.synced

    @property
    def invalid(self) -> dict[str, int]:
        """How many objects are not what is in force, by kind."""
        return {
            kind: sum(item.problem is not None for item in copy.items.values())
            for kind, copy in (("SecretAccount", self._accounts), ("SecretPolicy", self._policies))
        }

    def current(self) -> PolicySet:
        """What is known now. NotYetError before the first lists."""
        seen = (self._accounts.revision, self._policies.revision, self._namespaces.revision)
        if self._seen == seen:
            return self._current
        if not self.synced:
            raise NotYetError("policies, accounts and namespaces have not been listed yet")
        self._current = PolicySet(
            accounts=_good(self._accounts),
            policies=_good(self._policies),
            namespaces={name: item.policy for (_, name), item in self._namespaces.items.items()},
            unreadable_accounts=_unreadable(self._accounts),
            unreadable_policies=_unreadable(self._policies),
        )
        self._seen = seen
        return self._current


def _good(copy: LocalCopy[LastGoodObject[M]]) -> dict[str, M]:
    return {name: held.good for (_, name), held in copy.items.items() if held.good is not None}


def _unreadable(copy: LocalCopy[LastGoodObject[M]]) -> frozenset[str]:
    return frozenset(name for (_, name), held in copy.items.items() if held.good is None)
