"""Policies that are put together from copies of the API server's objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from api.account import SecretAccount
from policy.watched import LastGoodObject, NotYetError, ObjectReader, WatchedPolicies, labelled

GOOD = {"provider": "file", "file": {"root": "/x"}, "budget": {"callsPerSecond": 1, "burst": 1}}


@dataclass
class Copied:
    """A copy, as a reflector keeps it."""

    items: dict[tuple[str, str], Any] = field(default_factory=dict)
    revision: int = 0
    synced: bool = False

    def put(self, name: str, item: object) -> None:
        """One change."""
        self.items["", name] = item
        self.revision += 1


def test_nothing_is_known_before_the_first_lists_and_then_only_changes_cost() -> None:
    """The very same set is given until a copy has changed."""
    copies = [Copied() for _ in range(3)]
    watched = WatchedPolicies(*copies)
    with pytest.raises(NotYetError):
        watched.current()
    for copy in copies:
        copy.synced = True
    copies[2].put("team", labelled({"metadata": {"labels": {"lastgood.dev/policy": "p"}}}))
    first = watched.current()
    assert first.namespaces == {"team": "p"}
    assert watched.current() is first
    copies[2].put("other", labelled({"metadata": {}}))
    assert watched.current().namespaces == {"team": "p", "other": None}


def test_an_object_that_can_not_be_read_keeps_its_last_good_form() -> None:
    """And is counted; of one that never was good the name is known, for it is there."""
    accounts = Copied(synced=True)
    read = ObjectReader(SecretAccount, accounts.items.get)
    watched = WatchedPolicies(accounts, Copied(synced=True), Copied(synced=True))
    for name, spec in (("a", GOOD), ("a", {**GOOD, "bugdet": {}}), ("b", {})):
        found: LastGoodObject[SecretAccount] = read({"metadata": {"name": name}, "spec": spec})
        accounts.put(name, found)
    assert list(watched.current().accounts) == ["a"]
    assert watched.current().unreadable_accounts == {"b"}
    assert watched.current().unreadable_policies == frozenset()
    assert sum(watched.invalid.values()) == 2
    assert "bugdet" in (accounts.items["", "a"].problem or "")
