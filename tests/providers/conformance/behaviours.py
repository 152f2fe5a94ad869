"""What every source must do: the rows of the table in docs/providers/README.md. Each runs over each
store. A row's name is its function's, and its docstring stands in the table.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from contract.reasons import FetchFailure
from providers.protocol import Failed, FetchRequest, Material, Unversioned
from tests.make import CANARY
from tests.providers.conformance.stage import UNCHANGED, VALUE
from tests.providers.conformance.store import HttpStore, Says
from tests.providers.conformance.wire import Ends, Reply, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.protocol import FetchResult
    from tests.providers.conformance.stage import Stage
    from tests.providers.conformance.store import Store

    Run = Callable[[Stage], FetchResult | list[FetchResult]]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One row."""

    name: str
    about: str
    expects: Says
    run: Run
    """Gives a result, or several that must mean the same."""
    needs: str | None = None
    """The method of Store without which it is not applicable."""
    by_http: bool = False
    """Whether it exists wherever there is a wire, and nowhere else."""
    impatient: bool = False

    def can_run(self, store: type[Store]) -> bool:
        """Whether the store supports it."""
        if self.by_http:
            return issubclass(store, HttpStore)
        return self.needs is None or not hasattr(getattr(store, self.needs), "unsupported")


BEHAVIOURS: dict[str, Behaviour] = {}


def _row(
    expects: str,
    *,
    needs: str | None = None,
    by_http: bool = False,
    impatient: bool = False,
) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        name = run.__name__.replace("mid_", "mid-").replace("y_A", "y-A").replace("_", " ")
        about = " ".join((run.__doc__ or "").split())
        BEHAVIOURS[name] = Behaviour(
            name=name,
            about=about,
            expects=Says(expects),
            run=run,
            needs=needs,
            by_http=by_http,
            impatient=impatient,
        )
        return run

    return add


def _values(result: FetchResult, value: bytes, it: Stage) -> FetchResult:
    """The result, which must have this value."""
    assert isinstance(result, Material | Unversioned), result
    assert result.value.reveal() == it.store.read(value)
    return result


# Values


@_row(VALUE)
def fresh(it: Stage) -> FetchResult:
    """A secret is fetched for the first time."""
    it.store.put(it.name, "pässword\n".encode())
    return _values(it.ask(), "pässword\n".encode(), it)


@_row(UNCHANGED)
def unchanged(it: Stage) -> FetchResult:
    """The held version is still current."""
    return it.ask(**it.hold())


@_row(VALUE)
def changed(it: Stage) -> FetchResult:
    """The secret has a new value."""
    words = it.hold()
    it.store.put(it.name, b"two")
    result = _values(it.ask(**words), b"two", it)
    assert getattr(result, "version", None) != words["known_version"]
    return result


@_row(FetchFailure.EMPTY, needs="put_empty")
def empty(it: Stage) -> FetchResult:
    """The new value is empty."""
    words = it.hold()
    it.store.put_empty(it.name)
    return it.ask(**words)


@_row(VALUE, needs="put_binary")
def binary(it: Stage) -> FetchResult:
    """The value is not UTF-8."""
    value = b"\x00\xff\xfe\r\n"
    it.store.put_binary(it.name, value)
    return _values(it.ask(), value, it)


@_row(FetchFailure.TOO_LARGE)
def too_large(it: Stage) -> FetchResult:
    """The new value has 1 MiB, which is more than any policy allows."""
    words = it.hold()
    it.store.put_large(it.name, b"x" * (1 << 20))
    return it.ask(**words)


# Versions


@_row(VALUE)
def pinned(it: Stage) -> FetchResult:
    """An older version is asked for by its name."""
    words = it.hold()
    it.store.put(it.name, b"two")
    result = it.ask(version=words["known_version"])
    return result if isinstance(result, Failed) else _values(result, b"one", it)


@_row(FetchFailure.INVALID)
def pinned_and_gone(it: Stage) -> FetchResult:
    """The provider no longer has the pinned version. That is no absence."""
    it.hold()
    return it.ask(version=it.store.gone)


@_row(FetchFailure.INVALID, needs="disable")
def disabled(it: Stage) -> list[FetchResult]:
    """The current value exists but cannot be read."""
    it.hold()
    it.store.disable(it.name)
    return it.ask_all([FetchRequest(reference=it.name)] * 2)


@_row(FetchFailure.INVALID, needs="delete")
def deleted(it: Stage) -> list[FetchResult]:
    """The secret was deleted, and the deletion can be undone."""
    words = it.hold()
    it.store.delete(it.name)
    return [it.ask(), it.ask(**words)]


@_row(FetchFailure.ABSENT)
def deleted_for_good(it: Stage) -> list[FetchResult]:
    """The secret was deleted, and the deletion is final."""
    words = it.hold()
    it.store.remove(it.name)
    return [it.ask(), it.ask(**words)]


@_row(VALUE, needs="recreate")
def recreated_with_the_same_version(it: Stage) -> list[FetchResult]:
    """The secret was deleted and created again. The provider gives the same version name to another
    value.
    """
    words = it.hold()
    it.store.recreate(it.name, b"two")
    requests = [FetchRequest(reference=it.name, **words)] * 2
    return [_values(result, b"two", it) for result in (*it.ask_all(requests), it.ask(**words))]


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def going_backwards(it: Stage) -> FetchResult:
    """A server that lags behind answers with what it had before the held version."""
    old = it.hold()
    replies = {}

    def record(asked: object) -> Reply:
        reply = replies[_key(asked)] = it.wire.forward(asked)  # type: ignore[arg-type]  # of the wire
        return reply

    it.wire.fault = record
    it.ask(), it.ask(**old | {"known_version": it.store.gone})
    it.wire.reset()
    new = it.hold(b"two")
    it.wire.fault = lambda asked: replies.get(_key(asked)) or it.wire.forward(asked)
    return it.ask(**new)


def _key(asked: object) -> tuple[object, ...]:
    return getattr(asked, "method", ""), getattr(asked, "target", ""), getattr(asked, "body", "")


# Refusals


@_row(FetchFailure.ABSENT)
def absent(it: Stage) -> FetchResult:
    """There is no such secret."""
    return it.ask()


@_row(FetchFailure.DENIED, needs="deny")
def denied(it: Stage) -> list[FetchResult]:
    """The identity may not read the secret."""
    words = it.hold()
    it.store.put(it.name, b"two")
    it.store.deny(it.name)
    return [it.ask(), it.ask(**words)]


@_row(FetchFailure.DENIED, needs="deny")
def batch_with_one_bad_item(it: Stage) -> FetchResult:
    """One secret among others is denied. The others are fetched."""
    names = [it.reference(str(at)) for at in range(4)]
    for name in names:
        it.hold(name.encode(), name)
    it.store.deny(names[1])
    results = it.ask_all([FetchRequest(reference=name) for name in names])
    for name, result in zip(names, results, strict=True):
        if name != names[1]:
            _values(result, name.encode(), it)
    return results[1]


@_row(FetchFailure.THROTTLED, by_http=True)
def throttled(it: Stage) -> list[FetchResult]:
    """The provider limits the request rate, and does not say for how long."""
    return _refused(it, "throttled")


@_row(FetchFailure.THROTTLED, by_http=True)
def throttled_with_Retry_After(it: Stage) -> list[FetchResult]:  # noqa: N802 - as it is written
    """The provider limits the request rate, and says for how long. The engine waits that long."""
    results = _refused(it, "throttled", {"Retry-After": "17"})
    assert {getattr(result, "delay_s", None) for result in results} == {17.0}
    return results


@_row(FetchFailure.UNAVAILABLE, by_http=True)
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
    return _and_recovers(it)


def _and_recovers(it: Stage) -> list[FetchResult]:
    """What each kind of request says; afterwards nothing of the fault is left."""
    results = it.ways()
    it.wire.reset()
    _values(it.ask(), b"one", it)
    return results


# Transport


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def nobody_listens(it: Stage) -> list[FetchResult]:
    """The server accepts no connection."""
    it.hold()
    it.wire.fault = lambda _: Reply(status=200, ends=Ends.REFUSED)
    return _and_recovers(it)


@_row(FetchFailure.UNAVAILABLE, by_http=True, impatient=True)
def slow_beyond_the_deadline(it: Stage) -> list[FetchResult]:
    """The answer does not come in time, or stops in its middle."""
    words = it.hold()
    it.wire.edits(lambda reply: replace(reply, ends=Ends.NEVER))
    results = [it.ask(**words)]
    it.wire.edits(lambda reply: replace(reply, ends=Ends.STALLS))
    results.append(it.ask())
    it.wire.reset()
    _values(it.ask(), b"one", it)
    return results


@_row(VALUE, by_http=True, impatient=True)
def cancelled(it: Stage) -> FetchResult:
    """A fetch is given up, and the late answer is nobody's. Then the source is closed: no
    connection stays open.
    """
    it.hold()
    it.store.put(it.other, b"another")
    it.wire.edits(lambda reply: replace(reply, ends=Ends.NEVER))
    assert isinstance(it.ask(), Failed)
    it.wire.fault = None
    it.wire.release()
    result = _values(it.ask(it.other), b"another", it)
    it.store.source.close()
    closed = threading.Event()
    for _ in range(100):
        if not it.wire.connections:
            break
        closed.wait(0.05)
    assert not it.wire.connections
    return result


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def reset_mid_body(it: Stage) -> list[FetchResult]:
    """The connection is reset in the middle of an answer."""
    it.hold()
    it.wire.edits(lambda reply: replace(reply, ends=Ends.RESET))
    return _and_recovers(it)


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def truncated(it: Stage) -> list[FetchResult]:
    """The connection ends in the middle of an answer."""
    it.hold()
    it.wire.edits(lambda reply: replace(reply, ends=Ends.CUT))
    return _and_recovers(it)


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def truncated_error(it: Stage) -> list[FetchResult]:
    """The connection ends in the middle of an error of status 400, 403 or 404."""
    it.hold()
    assert isinstance(it.store, HttpStore)
    reply = it.store.error("unavailable")
    results = []
    for status in (400, 403, 404):
        it.wire.says(replace(reply, status=status, reason="", ends=Ends.CUT))
        results += _and_recovers(it)
    return results


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def malformed(it: Stage) -> list[FetchResult]:
    """The answer is not what the provider's API has."""
    it.hold()
    results = []
    for body in (
        b"",
        b"<html>welcome</html>",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b"\xff\xfe",
        b"[" * 9999,
    ):
        it.wire.says(Reply(status=200, body=body))
        results += _and_recovers(it)
    return results


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def error_page(it: Stage) -> list[FetchResult]:
    """A load balancer, a firewall or a proxy answers with an error page of its own: 400, 403, 404,
    502.
    """
    it.hold()
    results = []
    for status in (400, 403, 404, 502):
        it.wire.says(Reply(status=status, body=b"<html><h1>Blocked</h1></html>"))
        results += _and_recovers(it)
    return results


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def redirected(it: Stage) -> list[FetchResult]:
    """The answer is a redirect. It is not followed."""
    it.hold()
    trap = Wire(lambda _: Reply(status=500))
    results = []
    try:
        for status in (301, 302, 303, 307, 308):
            location = {"Location": f"http://{trap.address}/stolen"}
            it.wire.says(Reply(status=status, headers=location))
            results += _and_recovers(it)
        assert trap.asked == []
    finally:
        trap.close()
    return results


@_row(FetchFailure.INVALID, by_http=True)
def answer_for_another_name(it: Stage) -> list[FetchResult]:
    """The answer is of another secret."""
    words = it.hold()
    it.store.put(it.other, b"another")
    it.wire.renames(it.store.on_wire(it.name), it.store.on_wire(it.other))
    return [it.ask(), it.ask(**words)]


# Logins


@_row(VALUE, needs="expire")
def credentials_expired_mid_flight(it: Stage) -> FetchResult:
    """The provider refuses the credentials as expired. The source logs in again."""
    words = it.hold()
    it.store.put(it.name, b"two")
    it.store.expire()
    return _values(it.ask(**words), b"two", it)


@_row(VALUE, needs="rotate")
def credentials_rotated(it: Stage) -> FetchResult:
    """The credentials are replaced. The source uses the new ones before the old ones end."""
    words = it.hold()
    it.store.put(it.name, b"two")
    it.store.rotate()
    return _values(it.ask(**words), b"two", it)


# Leaks


@_row(FetchFailure.UNAVAILABLE, by_http=True)
def answers_that_quote_the_secret(it: Stage) -> list[FetchResult]:
    """The canary is in error texts, headers and broken answers. It reaches no sink: no result, log,
    metric or message.
    """
    it.hold(CANARY)
    text = "canary-7f3a"
    assert isinstance(it.store, HttpStore)
    quoted = it.store.error("unavailable", message=CANARY.decode())
    results = []
    for reply in (
        quoted,
        replace(quoted, reason=text, headers={**quoted.headers, "X-Detail": text}),
        replace(quoted, lines=(f"{text} no header".encode(),)),
        replace(quoted, headers={**quoted.headers, "Content-Type": f'"{text}'}),
        replace(quoted, headers={**quoted.headers, "Retry-After": text, "Date": text}),
        Reply(status=200, body=b'{"' + CANARY),
        Reply(status=200, body=CANARY, headers={"Content-Encoding": "gzip"}),
        Reply(status=307, headers={"Location": f"http://{text}@127.0.0.1:1/{text}"}),
    ):
        it.wire.says(reply)
        results += it.ways()
    return results
