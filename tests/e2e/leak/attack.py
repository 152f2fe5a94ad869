"""Sends requests as a thief would: many connections, a token, and every byte of the answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.leak.canary import Canary, Search
    from tests.e2e.leak.requests import Request
    from tests.e2e.leak.rights import Address

AT_ONCE = 16
MOST_BYTES = 16 * 1024 * 1024
LONGEST_S = 15.0
_TRIES = 5
_THROTTLED = 429


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary in an answer."""

    request: Request
    status: int
    canary: Canary
    spelling: str

    def __str__(self) -> str:
        where = f"{self.canary.place} of {self.canary.owner} ({self.spelling})"
        return f"{self.status} has {where}\n    {self.request}"


@dataclass(slots=True)
class Outcome:
    """What came of all requests."""

    leaks: list[Leak] = field(default_factory=list)
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """By identity, right and status; status 0: the connection was ended without an answer."""

    @property
    def total(self) -> int:
        """Requests that were answered."""
        return sum(count for (_, _, status), count in self.answers.items() if status)

    def statuses(self) -> Counter[int]:
        """Of all identities."""
        found: Counter[int] = Counter()
        for (_, _, status), count in self.answers.items():
            found[status] += count
        return found


def attack(address: Address, requests: Iterable[Request], search: Search) -> Outcome:
    """Every request once, AT_ONCE at a time; one that was throttled is sent again."""
    return asyncio.run(_attack(address, requests, search))


async def _attack(address: Address, requests: Iterable[Request], search: Search) -> Outcome:
    waiting = iter(requests)
    outcome = Outcome()
    connector = aiohttp.TCPConnector(ssl=address.tls, limit=AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=LONGEST_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def work() -> None:
            for request in waiting:
                status, answer = await _answered(session, address.url, request)
                outcome.answers[request.who.name, request.right, status] += 1
                outcome.leaks += [
                    Leak(request, status, canary, how) for canary, how in search.found(answer)
                ]

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    return outcome


async def _answered(
    session: aiohttp.ClientSession, url: str, request: Request
) -> tuple[int, bytes]:
    """Its status, and head and body as one."""
    for tried in range(_TRIES):
        head = b""
        status = 0
        parts: list[bytes] = []
        # A path that HTTP does not allow, or a stream that is cut: what came so far counts.
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with session.request(
                request.method,
                URL(url + request.target, encoded=True),
                data=request.content or None,
                headers=request.headers | {"Authorization": f"Bearer {request.who.token}"},
                allow_redirects=False,
            ) as answer:
                status = answer.status
                head = b"\n".join(name + b": " + value for name, value in answer.raw_headers)
                async for part in answer.content.iter_any():
                    parts.append(part)
                    assert sum(map(len, parts)) < MOST_BYTES
        if status != _THROTTLED or tried == _TRIES - 1:
            break
        await asyncio.sleep(0.5)
    return status, head + b"\n\n" + b"".join(parts)
