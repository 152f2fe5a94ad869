"""What policy says of each source, looked up once for each as long as policies stay the same.
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from policy.match import Matcher, PolicySet, Refused, policy_of

if TYPE_CHECKING:
    from collections.abc import Container

    from policy.match import Allowed
    from refresh.model import SnapshotKey


class PolicyCache:
    """All sources are decided on together, whenever anything of them changes. Pure but for what it
    remembers.
    """

    def __init__(
        self, policies: PolicySet | None = None, namespaces: frozenset[str] | None = None
    ) -> None:
        """`namespaces` are those that the controller may write in; None: all."""
        self.policies = PolicySet() if policies is None else policies
        self._namespaces = namespaces
        self._by_namespace: dict[str, Matcher | Refused] = {}
        self._by_key: dict[SnapshotKey, Allowed | Refused] = {}

    def of(self, key: SnapshotKey) -> Allowed | Refused:
        """Whether the namespace may have the source."""
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = self._decide(key)
        return found

    def reaches(self, namespace: str) -> bool:
        """Whether the controller may write there."""
        return self._namespaces is None or namespace in self._namespaces

    def keep(self, keys: Container[SnapshotKey]) -> None:
        """Forgets all others."""
        for key in [key for key in self._by_key if key not in keys]:
            del self._by_key[key]

    def _decide(self, key: SnapshotKey) -> Allowed | Refused:
        matcher = self._by_namespace.get(key.namespace)
        if matcher is None:
            matcher = self._by_namespace[key.namespace] = self._matcher(key.namespace)
        if isinstance(matcher, Refused):
            return matcher
        source = key.source
        return matcher.decide(source.scheme, source.account, source.reference)

    def _matcher(self, namespace: str) -> Matcher | Refused:
        """The policy's patterns are read once for all sources of a namespace."""
        policy = policy_of(self.policies, namespace)
        if isinstance(policy, Refused):
            return policy
        return Matcher(self.policies, policy, namespace)
