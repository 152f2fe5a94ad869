"""Rows: what the provider refuses, and what a login comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from contract.reasons import FetchFailure
from providers.protocol import FetchRequest
from tests.providers.conformance.behaviour import Section, with_value
from tests.providers.conformance.stage import VALUE
from tests.providers.conformance.store import HttpStore

if TYPE_CHECKING:
    from providers.protocol import FetchResult
    from tests.providers.conformance.stage import Stage

REFUSALS = Section("Refusals")
LOGINS = Section("Logins")


@REFUSALS.add(FetchFailure.ABSENT)
def absent(it: Stage) -> FetchResult:
    """There is no such secret."""
    return it.ask()


@REFUSALS.add(FetchFailure.DENIED, needs="deny")
def denied(it: Stage) -> list[FetchResult]:
    """The identity may not read the secret."""
    words = it.hold()
    it.store.put(it.name, b"two")
    it.store.deny(it.name)
    return [it.ask(), it.ask(**words)]


@REFUSALS.add(FetchFailure.DENIED, needs="deny")
def batch_with_one_bad_item(it: Stage) -> FetchResult:
    """One secret among others is denied. The others are fetched."""
    names = [it.reference(str(at)) for at in range(4)]
    for name in names:
        it.hold(name.encode(), name)
    it.store.deny(names[1])
    results = it.ask_all([FetchRequest(reference=name) for name in names])
    for name, result in zip(names, results, strict=True):
        if name != names[1]:
            with_value(result, name.encode(), it)
    return results[1]


@REFUSALS.add(FetchFailure.THROTTLED, by_http=True)
def throttled(it: Stage) -> list[FetchResult]:
    """The provider limits the request rate, and does not say for how long."""
    return _refused(it, "throttled")


@REFUSALS.add(FetchFailure.THROTTLED, by_http=True, name="throttled with Retry-After")
def throttled_with_retry_after(it: Stage) -> list[FetchResult]:
    """The provider limits the request rate, and says for how long. The engine waits that long."""
    results = _refused(it, "throttled", {"Retry-After": "17"})
    assert {getattr(result, "delay_s", None) for result in results} == {17.0}
    return results


@REFUSALS.add(FetchFailure.UNAVAILABLE, by_http=True)
def unavailable(it: Stage) -> list[FetchResult]:
    """The provider answers with an error of its own."""
    return _refused(it, "unavailable")


def _refused(
    it: Stage, kind: Literal["throttled", "unavailable"], headers: dict[str, str] | None = None
) -> list[FetchResult]:
    it.hold()
    assert isinstance(it.store, HttpStore)
    reply = it.store.error(kind)
    it.wire.says(replace(reply, headers={**reply.headers, **(headers or {})}))
    return it.ways_and_recovers()


@LOGINS.add(VALUE, needs="expire", name="credentials expired mid-flight")
def credentials_expired_mid_flight(it: Stage) -> FetchResult:
    """The provider refuses the credentials as expired. The source logs in again."""
    words = it.hold()
    it.store.put(it.name, b"two")
    it.store.expire()
    return with_value(it.ask(**words), b"two", it)


@LOGINS.add(VALUE, needs="rotate")
def credentials_rotated(it: Stage) -> FetchResult:
    """The credentials are replaced. The source uses the new ones before the old ones end."""
    words = it.hold()
    it.store.put(it.name, b"two")
    it.store.rotate()
    return with_value(it.ask(**words), b"two", it)
