"""What External Secrets Operator's status proves about a Secret's value. Pure.

Its condition Ready alone proves little. In these cases it is True although the provider has nothing
any more: `dataFrom.find` without a match, deletionPolicy Merge or Delete, creationPolicy Merge
without a Secret. Seen in 0.16.2 and 2.9.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.freshness import CLOCK_SKEW_S
from contract.reasons import FetchFailure
from providers.protocol import Evidence, Failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.cluster import ExternalSecret, SecretObject

SYNCED = "SecretSynced"
"""The one reason that says that the provider's value is in the Secret."""


def evidence(
    found: SecretObject, name: str, keepers: Sequence[ExternalSecret] | None
) -> Evidence | None:
    """How old the provider's word on this Secret is; None: reading it is the confirmation.
    `keepers` are the ExternalSecrets that keep it, as they were before it was read; None: it is not
    known.

    With several, the oldest word counts. With a doubt a new value counts from when it was written,
    as far as that is known, and a value that is stored already gets no younger by it:

    * not in sync: from the last refresh, if it was before the last write to the Secret. That write
      may have changed an annotation only.
    * weak evidence: from when the Secret was made. The operator writes to it whether or not the
      provider has anything.
    """
    if keepers is None:
        return _doubted(found.written_at, FetchFailure.NOT_CONFIRMED, "NotKnown")
    if not keepers:
        if found.managed:
            return _doubted(found.written_at, FetchFailure.NOT_CONFIRMED, "NoExternalSecret")
        return None
    for keeper in keepers:
        code = _not_in_sync(keeper, name, found.read_at)
        if code is not None:
            at = min((found.written_at, *_refreshes(keepers)))
            return _doubted(at, FetchFailure.NOT_CONFIRMED, code)
    weak = next((keeper.weak for keeper in keepers if keeper.weak is not None), None)
    if weak is not None:
        return _doubted(found.created_at, FetchFailure.WEAK_EVIDENCE, weak)
    return Evidence(confirmed_at=min(_refreshes(keepers)))


def _refreshes(keepers: Sequence[ExternalSecret]) -> list[float]:
    return [keeper.refreshed_at for keeper in keepers if keeper.refreshed_at is not None]


def _not_in_sync(keeper: ExternalSecret, name: str, now: float) -> str | None:
    """A word for what is wrong; None: it is in sync with the provider."""
    at = keeper.refreshed_at
    wrong = {
        "Deleting": keeper.deleting,
        "NotReady": not keeper.ready,
        "NotSynced": keeper.reason != SYNCED,
        "OldGeneration": not keeper.synced.startswith(f"{keeper.generation}-"),
        "NotBound": keeper.bound != name,
        "NeverRefreshed": at is None,
        "InTheFuture": at is not None and at > now + CLOCK_SKEW_S,
    }
    return next((code for code, is_wrong in wrong.items() if is_wrong), None)


def _doubted(at: float, reason: FetchFailure, code: str) -> Evidence:
    return Evidence(confirmed_at=at, doubt=Failed(reason=reason, code=code))
