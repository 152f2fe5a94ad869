"""Requests that should be refused, of whose answer next to nothing is kept: an answer that should
not have come may hold a Secret.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from kube.connections import ApiSession, content
from kube.errors import UnavailableError, of_status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_THROTTLED, _SERVER_ERROR = 429, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request, as it is."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    """Sent as JSON. None: no body."""
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """All that is kept of an answer."""

    status: int
    found: bool
    """Whether one of the texts that were sought is in the answer: its reason, a header or its
    body.
    """
    texts: frozenset[bytes] = frozenset()
    """Which of them."""


class Attempts(ApiSession):
    """Makes them. None is repeated here."""

    async def make(self, attempt: Attempt, sought: Collection[bytes]) -> AttemptOutcome:
        """The status, and whether any of `sought` was in the answer. TemporaryError."""
        reason = "TimedOut"
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._made(attempt, sought)
        except TimeoutError:
            pass
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        raise UnavailableError(status=0, reason=reason, method=attempt.method, path=attempt.path)

    async def _made(self, attempt: Attempt, sought: Collection[bytes]) -> AttemptOutcome:
        answer = await self._http.send(
            attempt.method,
            attempt.path,
            query=attempt.query,
            body=attempt.body,
            content_type=attempt.content_type,
        )
        async with answer:
            head = [part for header in answer.raw_headers for part in header]
            body = await content(answer, attempt.method, attempt.path)
        whole = b"".join(((answer.reason or "").encode(), *head, body))
        texts = frozenset(text for text in sought if text in whole)
        if not texts and (answer.status == _THROTTLED or answer.status >= _SERVER_ERROR):
            raise of_status(answer.status, reason="", method=attempt.method, path=attempt.path)
        return AttemptOutcome(answer.status, bool(texts), texts)
