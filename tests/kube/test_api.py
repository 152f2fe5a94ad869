"""Requests and errors over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from kube.api import Api
from kube.api_resources import LEASES, NAMESPACES, PODS, SECRET_SNAPSHOTS, SECRETS
from kube.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    FencedError,
    ForbiddenError,
    GoneError,
    InvalidError,
    MalformedError,
    NotFoundError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
)
from kube.ndjson import MOST_BYTES
from tests.kube.server import Server, hang_up, never, refuse, say, serving
from tests.make import CANARY, leaks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.api_resources import Resource
    from tests.kube.server import Fault

SECRET = SECRETS.path("a", "db")
HELD = base64.b64encode(CANARY).decode()
OBJECT = {"metadata": {"name": "db"}, "data": {"value": HELD}}


def asked(
    act: Callable[[Api, Server], Awaitable[Any]], *, timeout_s: float = 5.0
) -> tuple[Any, Server]:
    """What `act` answered, and the server that was asked."""

    async def scenario() -> tuple[Any, Server]:
        async with serving() as server, Api(server.configuration(), timeout_s=timeout_s) as api:
            return await act(api, server), server

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("resource", "where", "path"),
    [
        (PODS, (None, None, None), "/api/v1/pods"),
        (PODS, ("a", None, None), "/api/v1/namespaces/a/pods"),
        (PODS, ("a", "b", "eviction"), "/api/v1/namespaces/a/pods/b/eviction"),
        (NAMESPACES, (None, "a", None), "/api/v1/namespaces/a"),
        (LEASES, ("a", "b", None), "/apis/coordination.k8s.io/v1/namespaces/a/leases/b"),
        (
            SECRET_SNAPSHOTS,
            ("a", "b", "status"),
            "/apis/lastgood.dev/v1alpha1/namespaces/a/secretsnapshots/b/status",
        ),
        (PODS, ("a/../b", "?c", None), "/api/v1/namespaces/a%2F..%2Fb/pods/%3Fc"),
    ],
)
def test_paths(resource: Resource, where: tuple[str | None, ...], path: str) -> None:
    """As the API server spells them; a name can't leave its place."""
    assert resource.path(*where) == path


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", InvalidError),
        (401, "Unauthorized", ForbiddenError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (405, "MethodNotAllowed", InvalidError),
        (409, "Conflict", ConflictError),
        (409, "AlreadyExists", AlreadyExistsError),
        (410, "Expired", GoneError),
        (413, "RequestEntityTooLarge", InvalidError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", ThrottledError),
        (500, "InternalError", UnavailableError),
        (503, "ServiceUnavailable", UnavailableError),
        (504, "Timeout", UnavailableError),
        (302, "Found", UnavailableError),
    ],
)
def test_a_status_becomes_its_error(status: int, reason: str, kind: type[ApiError]) -> None:
    """By HTTP status, and by `reason` where 409 means two things."""

    async def act(api: Api, server: Server) -> None:
        server.faults.append(refuse(status, reason))
        with pytest.raises(ApiError) as caught:
            await api.get(SECRET)
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.reason) == (status, reason)
        assert str(caught.value) == f"{status} {reason}: GET {SECRET}"

    asked(act)


def test_the_retry_after_of_the_server_is_kept() -> None:
    """Retry-After in seconds; a date, or nothing, is one second for a 429 and none else."""

    async def act(api: Api, server: Server) -> None:
        answers = [
            (refuse(429, "TooManyRequests", Retry_After="7"), 7.0),
            (refuse(429, "TooManyRequests", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), 1.0),
            (refuse(503, "ServiceUnavailable", Retry_After="3"), 3.0),
            (refuse(500, "InternalError"), None),
        ]
        for fault, delay_s in answers:
            server.faults.append(fault)
            with pytest.raises(ApiError) as caught:
                await api.get(SECRET)
            assert caught.value.delay_s == delay_s

    asked(act)


BAD = json.dumps(OBJECT).encode()
FAULTS: dict[str, Fault] = {
    "the message quotes it": refuse(422, "Invalid", f'value "{HELD}" is bad: {CANARY!r}'),
    "the reason is it": refuse(409, HELD),
    "the body of an error is it": say(BAD, 500),
    "the answer is half of it": say(BAD[:-1]),
    "the answer is a list of it": say(b"[" + BAD + b"]"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_p8_no_error_carries_a_byte_of_an_object(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its text nor what hangs on it, nor what the libraries log."""
    caplog.set_level(logging.DEBUG)

    async def act(api: Api, server: Server) -> str:
        server.faults.append(fault)
        with pytest.raises(ApiError) as caught:
            await api.merge_patch(SECRET, OBJECT)
        error: BaseException | None = caught.value
        seen = "".join(traceback.format_exception(caught.value))
        while error is not None:
            seen += repr(error) + repr(vars(error))
            error = error.__context__
        return seen

    seen, _ = asked(act)
    assert leaks(seen) == []
    assert leaks(caplog.text) == []
    assert HELD not in seen + caplog.text


def test_p8_a_watch_that_breaks_off_carries_no_byte_of_an_object() -> None:
    """In the middle of a line."""

    async def act(api: Api, server: Server) -> str:
        async def cut() -> None:
            watch = await server.watched()
            await watch.raw(b'{"type": "ADDED", "object": ' + BAD[:-2])
            await asyncio.sleep(0.05)
            watch.reset()

        cutting = asyncio.create_task(cut())
        with pytest.raises(UnavailableError) as caught:
            async for _ in api.watch(SECRETS.path(), resource_version="1", timeout_s=30):
                pass
        await cutting
        assert caught.value.__context__ is None
        return "".join(traceback.format_exception(caught.value))

    assert leaks(asked(act)[0]) == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [(never, "TimedOut"), (hang_up, "DisconnectedError")],
    ids=["no answer", "a reset"],
)
def test_no_answer_is_unavailable(fault: Fault, reason: str, method: str) -> None:
    """Status 0; whether a write was done is not known, so it is not sent again."""

    async def act(api: Api, server: Server) -> None:
        server.faults.append(fault)
        with pytest.raises(UnavailableError) as caught:
            await api._call(method, SECRET)
        assert (caught.value.status, caught.value.reason) == (0, reason)
        assert len(server.requests) == 1

    asked(act, timeout_s=2.0)


def test_nobody_there_is_unavailable() -> None:
    """A port that nobody listens on."""

    async def act(_: Api, server: Server) -> None:
        configuration = server.configuration()
        configuration.host = "http://127.0.0.1:1"
        async with Api(configuration) as api:
            with pytest.raises(UnavailableError):
                await api.get("/version")

    asked(act)


def test_an_answer_that_is_no_object_is_malformed() -> None:
    """With status 200."""

    async def act(api: Api, server: Server) -> None:
        server.faults.append(say(b"<html>"))
        with pytest.raises(MalformedError):
            await api.get(SECRET)

    asked(act)


def test_a_redirect_is_not_followed() -> None:
    """Our token would go with it."""

    async def act(api: Api, server: Server) -> None:
        server.faults.append(refuse(307, "", Location="/elsewhere"))
        with pytest.raises(UnavailableError):
            await api.get(SECRET)
        assert len(server.requests) == 1

    asked(act)


def test_requests_say_what_they_mean() -> None:
    """Method, content type, query and body of each write."""

    async def act(api: Api, server: Server) -> None:
        await api.create(PODS.path("a"), {"x": 1}, dry_run=True)
        await api.merge_patch(SECRET, {})
        await api.json_patch(SECRET, [{"op": "test", "path": "/a", "value": 1}])
        await api.delete(SECRET, uid="u", resource_version="7")
        seen = [
            (r.method, r.content_type, dict(r.query), json.loads(body))
            for r, body in zip(server.requests, server.bodies, strict=True)
        ]
        assert seen[:3] == [
            ("POST", "application/json", {"dryRun": "All"}, {"x": 1}),
            ("PATCH", "application/merge-patch+json", {}, {}),
            (
                "PATCH",
                "application/json-patch+json",
                {},
                [{"op": "test", "path": "/a", "value": 1}],
            ),
        ]
        assert seen[3][0] == "DELETE"
        assert seen[3][3]["preconditions"] == {"uid": "u", "resourceVersion": "7"}

    asked(act)


def test_a_fenced_writer_sends_nothing_and_still_reads() -> None:
    """Neither create, patch nor delete; the one beside it is not bound."""

    async def act(api: Api, server: Server) -> None:
        fenced = api.fenced(lambda: 0.0)
        for write in (
            fenced.create(PODS.path("a"), {}),
            fenced.create(PODS.path("a"), {}, dry_run=True),
            fenced.merge_patch(SECRET, {}),
            fenced.json_patch(SECRET, []),
            fenced.delete(SECRET),
        ):
            with pytest.raises(FencedError):
                await write
        assert server.requests == []
        await fenced.get("/version")
        await api.merge_patch(SECRET, {})
        assert len(server.requests) == 2

    asked(act)


def test_a_fenced_write_ends_when_its_time_does() -> None:
    """However long the time-out of requests is."""

    async def act(api: Api, server: Server) -> None:
        server.faults.append(never)
        with pytest.raises(UnavailableError) as caught:
            await api.fenced(lambda: 1.0).merge_patch(SECRET, {})
        assert caught.value.reason == "TimedOut"

    asked(act, timeout_s=50)


def test_unknown_fields_survive() -> None:
    """An object comes as it was sent."""
    sent = {"metadata": {"name": "x"}, "spec": {"fieldOfNextYear": [1, {"a": None}]}}

    async def act(api: Api, server: Server) -> Any:  # noqa: ANN401 - JSON
        server.faults.append(say(json.dumps(sent).encode()))
        return await api.get(SECRET)

    assert asked(act)[0] == sent


def test_p13_a_page_of_objects_that_are_very_large_is_asked_for_in_smaller_ones() -> None:
    """What one tenant writes would else fill the memory of all: and every object comes, once."""
    large = "x" * (3 << 20)

    async def act(api: Api, server: Server) -> list[str]:
        for number in range(24):
            server.put(f"pod-{number:02}", note=large if number < 12 else "small")
        pages = [page async for page in api.pages("/api/v1/pods", limit=20)]
        return [item["metadata"]["name"] for page in pages for item in page["items"]]

    names, server = asked(act)
    assert names == [f"pod-{number:02}" for number in range(24)]
    limits = [int(request.query["limit"]) for request in server.lists()]
    assert limits[:2] == [20, 5]
    assert limits[-1] > min(limits), "small ones come by larger pages again"


def test_an_object_that_is_larger_than_any_can_be_is_an_error() -> None:
    """It is not asked for for ever."""

    async def act(api: Api, server: Server) -> None:
        server.put("pod", note="x" * MOST_BYTES)
        with pytest.raises(TooLargeError):
            async for _ in api.pages("/api/v1/pods", limit=20):
                pass

    _, server = asked(act)
    assert [request.query["limit"] for request in server.lists()] == ["20", "5", "1"]
