"""What admins said: from a folder, or from the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from api.account import SecretAccount
from api.policy import SecretPolicy
from cli.api_errors import POLICIES
from cli.exit_codes import CommandError
from kube.api_resources import NAMESPACES, SECRET_ACCOUNTS, SECRET_POLICIES
from policy.load import PolicyError, load_folder
from policy.match import PolicySet
from policy.watched import labelled, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cli.api_client import ApiConnection
    from kube.api_resources import Resource

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """By admins."""

    policies: PolicySet
    problems: list[str] = field(default_factory=list)
    """What this version can't read of it, a sentence for each object; it counts as not there."""


def in_folder(folder: Path) -> Said:
    """CommandError names every mistake."""
    try:
        return Said(policies=load_folder(folder))
    except PolicyError as error:
        raise CommandError(str(error)) from error


def on_cluster(connection: ApiConnection, namespaces: Iterable[str]) -> Said:
    """With the labels of these namespaces. CommandError."""
    said = _without_namespaces(connection)
    labels: dict[str, str | None] = {}
    for name in sorted(set(namespaces)):
        found = connection.find(NAMESPACES.path(name=name), f"get Namespace {name}")
        if found is None:
            said.problems.append(f"Namespace {name} does not exist yet")
        else:
            labels[name] = labelled(found).policy
    return replace(said, policies=replace(said.policies, namespaces=labels))


def with_every_namespace(connection: ApiConnection) -> Said:
    """The same with the labels of all namespaces, if they may be listed. CommandError."""
    said = _without_namespaces(connection)
    listing = connection.api.list_all(NAMESPACES.path())
    listed = connection.allowed(listing, "list namespaces")
    labels = {it["metadata"]["name"]: labelled(it).policy for it in listed.items} if listed else {}
    return replace(said, policies=replace(said.policies, namespaces=labels))


def _without_namespaces(connection: ApiConnection) -> Said:
    problems: list[str] = []
    accounts, bad_accounts = _objects(connection, SECRET_ACCOUNTS, SecretAccount, problems)
    policies, bad_policies = _objects(connection, SECRET_POLICIES, SecretPolicy, problems)
    found = PolicySet(
        accounts=accounts,
        policies=policies,
        unreadable_accounts=bad_accounts,
        unreadable_policies=bad_policies,
    )
    return Said(policies=found, problems=problems)


def _objects(
    connection: ApiConnection, resource: Resource, model: type[M], problems: list[str]
) -> tuple[dict[str, M], frozenset[str]]:
    """Those that can be read, and the names of the others."""
    kind = model.__name__
    what = f"list {resource.plural}"
    listing = connection.ask(connection.api.list_all(resource.path()), what, POLICIES)
    good: dict[str, M] = {}
    bad = set()
    for item in listing.items:
        name, found = item["metadata"]["name"], parsed(model, item)
        if isinstance(found, str):
            problems.append(f"{kind} {name} cannot be read and is ignored: {found}")
            bad.add(name)
        else:
            good[name] = found
    return good, frozenset(bad)
