"""Rows: what becomes of a value, and of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Failed, FetchRequest
from tests.make import CANARY
from tests.providers.conformance.behaviour import Section, with_value
from tests.providers.conformance.stage import UNCHANGED, VALUE

if TYPE_CHECKING:
    from providers.protocol import FetchResult
    from tests.providers.conformance.stage import Stage
    from tests.providers.conformance.wire import Asked, Reply

VALUES = Section("Values")
VERSIONS = Section("Versions")


@VALUES.add(VALUE)
def fresh(it: Stage) -> FetchResult:
    """A secret is fetched for the first time."""
    it.store.put(it.name, "pässword\n".encode())
    return with_value(it.ask(), "pässword\n".encode(), it)


@VALUES.add(UNCHANGED)
def unchanged(it: Stage) -> FetchResult:
    """The held version is still current."""
    return it.ask(**it.hold())


@VALUES.add(VALUE)
def changed(it: Stage) -> FetchResult:
    """The secret has a new value."""
    words = it.hold()
    it.store.put(it.name, b"two")
    result = with_value(it.ask(**words), b"two", it)
    assert getattr(result, "version", None) != words["known_version"]
    return result


@VALUES.add(FetchFailure.EMPTY, needs="put_empty")
def empty(it: Stage) -> FetchResult:
    """The new value is empty."""
    words = it.hold()
    it.store.put_empty(it.name)
    return it.ask(**words)


@VALUES.add(VALUE, needs="put_binary")
def binary(it: Stage) -> list[FetchResult]:
    """The value is not UTF-8."""
    value = b"\x00\xff\xfe\r\n"
    it.store.put_binary(it.name, value)
    results = it.ask_all([FetchRequest(reference=it.name)] * 3)
    return [with_value(result, value, it) for result in (it.ask(), *results)]


@VALUES.add(FetchFailure.TOO_LARGE)
def too_large(it: Stage) -> FetchResult:
    """The new value has 1 MiB, which is more than any policy allows."""
    words = it.hold()
    it.store.put_large(it.name, b"x" * (1 << 20))
    return it.ask(**words)


@VERSIONS.add(VALUE)
def pinned(it: Stage) -> FetchResult:
    """An older version is asked for by its name."""
    words = it.hold()
    it.store.put(it.name, b"two")
    result = it.ask(version=words["known_version"])
    return result if isinstance(result, Failed) else with_value(result, CANARY, it)


@VERSIONS.add(FetchFailure.INVALID)
def pinned_and_gone(it: Stage) -> list[FetchResult]:
    """The provider no longer has the pinned version, or the whole secret. That is no absence."""
    it.hold()
    return [it.ask(version=it.store.gone), it.ask(it.other, version=it.store.gone)]


@VERSIONS.add(FetchFailure.INVALID, needs="disable")
def disabled(it: Stage) -> list[FetchResult]:
    """The current value exists but cannot be read."""
    it.hold()
    it.store.disable(it.name)
    return it.ask_all([FetchRequest(reference=it.name)] * 2)


@VERSIONS.add(FetchFailure.INVALID, needs="delete")
def deleted(it: Stage) -> list[FetchResult]:
    """The secret was deleted, and the deletion can be undone."""
    it.hold()
    it.store.delete(it.name)
    return it.ways()


@VERSIONS.add(FetchFailure.ABSENT)
def deleted_for_good(it: Stage) -> list[FetchResult]:
    """The secret was deleted, and the deletion is final."""
    words = it.hold()
    it.store.remove(it.name)
    return [it.ask(), it.ask(**words)]


@VERSIONS.add(VALUE, needs="recreate")
def recreated_with_the_same_version(it: Stage) -> list[FetchResult]:
    """The secret was deleted and created again. The provider gives the same version name to another
    value.
    """
    words = it.hold()
    it.store.recreate(it.name, b"two")
    requests = [FetchRequest(reference=it.name, **words)] * 2
    return [with_value(result, b"two", it) for result in (*it.ask_all(requests), it.ask(**words))]


@VERSIONS.add(FetchFailure.UNAVAILABLE, by_http=True)
def going_backwards(it: Stage) -> FetchResult:
    """A server that lags behind answers with what it had before the held version."""
    old = it.hold()
    replies: dict[tuple[str, str, bytes], Reply] = {}

    def record(asked: Asked) -> Reply:
        replies[asked.words] = reply = it.wire.forward(asked)
        return reply

    it.wire.fault = record
    it.ask()
    it.ask(**old | {"known_version": it.store.gone})
    it.wire.reset()
    new = it.hold(b"two")
    it.wire.fault = lambda asked: replies.get(asked.words) or it.wire.forward(asked)
    return it.ask(**new)
