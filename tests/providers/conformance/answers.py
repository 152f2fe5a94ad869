"""Rows: answers that do not come, are not whole, or are not what was asked for."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.protocol import Failed
from tests.make import CANARY
from tests.providers.conformance.behaviour import Section, with_value
from tests.providers.conformance.stage import VALUE
from tests.providers.conformance.store import HttpStore
from tests.providers.conformance.wire import DRIPS, Ends, Reply, Wire

if TYPE_CHECKING:
    from providers.protocol import FetchResult
    from tests.providers.conformance.stage import Stage

CONNECTIONS = Section("Connections")
ANSWERS = Section("Answers")


@CONNECTIONS.add(FetchFailure.UNAVAILABLE, by_http=True)
def nobody_listens(it: Stage) -> list[FetchResult]:
    """The server accepts no connection."""
    it.hold()
    it.wire.fault = lambda _: Reply(status=200, ends=Ends.REFUSED)
    return it.ways_and_recovers()


@CONNECTIONS.add(FetchFailure.UNAVAILABLE, by_http=True, impatient=True)
def slow_beyond_the_deadline(it: Stage) -> list[FetchResult]:
    """The answer does not come in time, stops in its middle, or drips in without end."""
    words = it.hold()
    it.wire.edits(lambda reply: replace(reply, ends=Ends.NEVER))
    results = [it.ask(**words)]
    for ends in (Ends.STALLS, *DRIPS):
        it.wire.edits(lambda reply, ends=ends: replace(reply, ends=ends))  # type: ignore[misc]  # a default binds it
        results.append(it.ask())
    it.wire.reset()
    with_value(it.ask_patiently(), CANARY, it)
    return results


@CONNECTIONS.add(VALUE, by_http=True, impatient=True)
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
    result = with_value(it.ask_patiently(it.other), b"another", it)
    it.store.source.close()
    closed = threading.Event()
    for _ in range(100):
        if not it.wire.connections:
            break
        closed.wait(0.05)
    assert not it.wire.connections
    return result


@CONNECTIONS.add(FetchFailure.UNAVAILABLE, by_http=True, name="reset mid-body")
def reset_mid_body(it: Stage) -> list[FetchResult]:
    """The connection is reset in the middle of an answer."""
    return _ending(it, Ends.RESET)


@CONNECTIONS.add(FetchFailure.UNAVAILABLE, by_http=True)
def truncated(it: Stage) -> list[FetchResult]:
    """The connection ends in the middle of an answer."""
    return _ending(it, Ends.CUT)


def _ending(it: Stage, ends: Ends) -> list[FetchResult]:
    """Of answers with a length, and of those in chunks."""
    results = []
    for chunked in (False, True):
        it.hold()
        it.wire.edits(lambda reply, chunked=chunked: replace(reply, ends=ends, chunked=chunked))  # type: ignore[misc]  # a default binds it
        results += it.ways_and_recovers()
    return results


@ANSWERS.add(FetchFailure.UNAVAILABLE, by_http=True)
def truncated_error(it: Stage) -> list[FetchResult]:
    """The connection ends in the middle of an error of status 400, 403 or 404."""
    it.hold()
    assert isinstance(it.store, HttpStore)
    reply = it.store.error("unavailable")
    results = []
    for status in (400, 403, 404):
        it.wire.says(replace(reply, status=status, reason="", ends=Ends.CUT))
        results += it.ways_and_recovers()
    return results


@ANSWERS.add(FetchFailure.UNAVAILABLE, by_http=True)
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
        results += it.ways_and_recovers()
    return results


PAGES = (
    b"",
    b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<hr><center>nginx</center>\r\n</html>",
    b"upstream connect error or disconnect/reset before headers. reset reason: connection failure",
    b'{"message":"Forbidden"}',
    b'{"timestamp":"2026-11-26T05:42:01.461+00:00","status":404,"error":"Not Found","path":"/"}',
    b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}',
    b'{"errors":[{"status":403,"message":"Forbidden"}]}',
)
"""What answers in the place of a secret store: nothing, nginx, Envoy, an API gateway, Spring, a
container registry, Artifactory."""


@ANSWERS.add(FetchFailure.UNAVAILABLE, by_http=True)
def error_page(it: Stage) -> list[FetchResult]:
    """A proxy, a firewall or another service answers with an error of its own."""
    words = it.hold()
    results = []
    for status in (400, 403, 404, 502):
        for body in PAGES:
            it.wire.says(Reply(status=status, body=body))
            results += [it.ask(), it.ask(**words)]
    return results


@ANSWERS.add(FetchFailure.UNAVAILABLE, by_http=True)
def redirected(it: Stage) -> list[FetchResult]:
    """The answer is a redirect. It is not followed."""
    it.hold()
    trap = Wire(lambda _: Reply(status=500))
    results = []
    try:
        for status in (301, 302, 303, 307, 308):
            location = {"Location": f"http://{trap.address}/stolen"}
            it.wire.says(Reply(status=status, headers=location))
            results += it.ways_and_recovers()
        assert trap.asked == []
    finally:
        trap.close()
    return results


@ANSWERS.add(FetchFailure.INVALID, by_http=True)
def answer_for_another_name(it: Stage) -> list[FetchResult]:
    """The answer is of another secret."""
    words = it.hold()
    it.store.put(it.other, b"another")
    it.wire.renames(it.store.on_wire(it.name), it.store.on_wire(it.other))
    return [it.ask(), it.ask(**words)]


@ANSWERS.add(FetchFailure.UNAVAILABLE, by_http=True)
def answers_that_quote_the_secret(it: Stage) -> list[FetchResult]:
    """The canary is in error texts, headers and broken answers. It reaches no sink: no result, log,
    metric or message.
    """
    it.hold()
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
        if not hasattr(it.store.rotate, "unsupported"):
            it.store.rotate()  # the next answer is to a login
    return results
