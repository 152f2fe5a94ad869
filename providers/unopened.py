"""What stands in for a source that cannot be opened. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Failed, Fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.protocol import FetchRequest


class UnopenedSource:
    """Calls no provider. Each fetch fails with `code`."""

    batch_limit = 1

    def __init__(self, code: str) -> None:
        self._code = code

    def most_calls(self, requests: Sequence[FetchRequest]) -> int:  # noqa: ARG002 - none is made
        return 0

    def fetch(self, requests: Sequence[FetchRequest]) -> Fetched:
        failed = Failed(reason=FetchFailure.UNAVAILABLE, code=self._code)
        return Fetched(results=(failed,) * len(requests), calls=0)

    def close(self) -> None:
        """Nothing is open."""
