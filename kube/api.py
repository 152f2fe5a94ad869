"""Requests to the API server: plain JSON objects in and out, so that fields which we don't know
survive. Each request has a time-out, and none is repeated here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from kube.connections import JSON, ApiSession, content, over_tcp
from kube.errors import (
    FencedError,
    GoneError,
    MalformedError,
    TooLargeError,
    UnavailableError,
    of_status,
)
from kube.ndjson import Lines, TooLongError
from kube.safe_json import parsed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from kubernetes.aio.client.configuration import Configuration

    from kube.errors import ApiError

Json = dict[str, Any]

_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_READS = frozenset({"GET"})
_PAGE = 500
"""Objects in one answer of a list, as kubectl asks for."""
_REDIRECTS = 300
"""A redirect is not followed: our token would go with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One line of a watch."""

    kind: str
    """ADDED, MODIFIED, DELETED or BOOKMARK; an ERROR is raised instead."""
    object: Json
    """Of a BOOKMARK only `metadata.resourceVersion` means something."""

    @property
    def resource_version(self) -> str:
        """Opaque; a watch may be continued from it."""
        return str(self.object.get("metadata", {}).get("resourceVersion", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All objects of a list, and where a watch continues."""

    items: list[Json]
    """As the server sent them, which is without `kind` and `apiVersion`."""
    resource_version: str


class Api(ApiSession):
    """One API server; to close it ends the connections of `fenced` copies too.

    Every method but `watch` answers with an object and raises `kube.errors.ApiError`. What is
    answered to a dry run was admitted but not written.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        user_agent: str = "lastgood",
        timeout_s: float = 10.0,
        watch_grace_s: float = 15.0,
        connector: Callable[[Configuration], aiohttp.BaseConnector] = over_tcp,
    ) -> None:
        """`timeout_s` is for each request, and until a watch begins. `watch_grace_s` is how much
        longer than the server was told a watch may take before it counts as dead.
        """
        super().__init__(
            configuration, user_agent=user_agent, timeout_s=timeout_s, connector=connector
        )
        self._watch_grace_s = watch_grace_s
        self._fence: Callable[[], float] | None = None
        self.date: str | None = None
        """The server's clock as of its last answer, as HTTP writes it; None: it did not say."""

    def fenced(self, remaining_s: Callable[[], float]) -> Api:
        """The same connections, but writes only while `remaining_s()` is above 0, and none takes
        longer than that. FencedError: nothing was sent. Dry runs count as writes.
        """
        copy = object.__new__(type(self))
        copy._http = self._http
        copy._timeout_s = self._timeout_s
        copy._watch_grace_s = self._watch_grace_s
        copy._fence = remaining_s
        copy.date = None
        return copy

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """One object, or any path that answers with a JSON object, such as `/version`."""
        return await self._call("GET", path, query)

    async def text(self, path: str) -> str:
        """What a path answers with that is no JSON, such as the page of a proxied pod. Bytes that
        are no UTF-8 are replaced.
        """
        reason = "TimedOut"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._http.send("GET", path)
                async with answer:
                    await _check(answer, "GET", path)
                    return (await content(answer, "GET", path)).decode(errors="replace")
        except TimeoutError:
            pass
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        raise _unavailable(reason, "GET", path)

    async def list_(
        self,
        path: str,
        *,
        limit: int = _PAGE,
        continue_: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Json:
        """One page. `metadata.continue` of the answer asks for the next one; GoneError: it is too
        old. TooLargeError: ask for fewer.
        """
        query = _selected(label_selector, field_selector)
        query["limit"] = str(limit)
        if continue_:
            query["continue"] = continue_
        return await self._call("GET", path, query)

    async def list_all(
        self,
        path: str,
        *,
        limit: int = _PAGE,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing:
        """Every page, as of one resource version. When that grows too old on the way, the list
        begins again without pages.
        """
        selected = {"label_selector": label_selector, "field_selector": field_selector}
        try:
            return await self._all(path, limit, selected)
        except GoneError:
            return await self._all(path, 0, selected)

    async def _all(self, path: str, limit: int, selected: Mapping[str, str | None]) -> Listing:
        items: list[Json] = []
        version = ""
        async for page in self.pages(path, limit=limit, **selected):
            items += page.get("items") or []
            version = page.get("metadata", {}).get("resourceVersion", "")
        return Listing(items=items, resource_version=version)

    async def pages(
        self,
        path: str,
        *,
        limit: int = _PAGE,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncGenerator[Json, None]:
        """The pages of a list, one in memory at a time; all have one resource version. `limit` 0:
        one page; else fewer objects are asked for where they are so large that a page would not
        fit. GoneError on the way: begin again.
        """
        continue_: str | None = None
        asked = limit
        while True:
            try:
                page = await self.list_(
                    path,
                    limit=asked,
                    continue_=continue_,
                    label_selector=label_selector,
                    field_selector=field_selector,
                )
            except TooLargeError:
                if asked <= 1:
                    raise
                asked = max(1, asked // 4)
                continue
            yield page
            asked = min(limit, 2 * asked)
            continue_ = (page.get("metadata") or {}).get("continue")
            if not continue_:
                return

    async def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """POST to a collection, or to a subresource such as `eviction`. AlreadyExistsError."""
        return await self._call("POST", path, _dry(dry_run), body, JSON)

    async def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """PUT of the whole object: over whatever is there, or with `metadata.resourceVersion` in
        it ConflictError when somebody wrote since. NotFoundError: it is not made.
        """
        return await self._call("PUT", path, _dry(dry_run), body, JSON)

    async def merge_patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """RFC 7396: null removes a field. ConflictError: not of this `metadata.resourceVersion`."""
        return await self._call("PATCH", path, None, body, _MERGE_PATCH)

    async def json_patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Json:
        """RFC 6902. InvalidError also when a `test` operation does not hold."""
        return await self._call("PATCH", path, None, operations, _JSON_PATCH)

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> Json:
        """With preconditions `uid` and `resource_version`; ConflictError when they don't hold.

        The answer may hold the object that was deleted.
        """
        given = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
            "preconditions": {key: value for key, value in given.items() if value is not None},
        }
        return await self._call("DELETE", path, None, body, JSON)

    async def watch(
        self,
        path: str,
        *,
        resource_version: str,
        timeout_s: float,
        label_selector: str | None = None,
        field_selector: str | None = None,
        opened: Callable[[], None] | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """The changes since `resource_version`, with bookmarks, until the server ends the watch
        after `timeout_s` seconds, which is no error. Silence beyond that is UnavailableError;
        GoneError, as status or in the stream: list again. `opened` is called once the server has
        accepted the watch.

        Close it (`contextlib.aclosing`) when you leave before its end.
        """
        query = _selected(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout_s))),
        }
        reason = "Silence"
        answer = None
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._http.send(
                    "GET", path, query=query, total_s=timeout_s + self._watch_grace_s
                )
            await _check(answer, "GET", path)
            if opened is not None:
                opened()
            async for event in _events(answer, path):
                yield event
            return
        except TooLongError:
            reason = "TooLong"
        except TimeoutError:
            pass
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        finally:
            if answer is not None:
                answer.close()
        raise _unavailable(reason, "GET", path)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str | None = None,
    ) -> Json:
        timeout_s = self._timeout_s
        if self._fence is not None and method not in _READS:
            timeout_s = min(timeout_s, self._fence())
            if timeout_s <= 0:
                raise FencedError(f"no more writes: {method} {path}")
        reason = "TimedOut"
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._http.send(
                    method, path, query=query, body=body, content_type=content_type
                )
                async with answer:
                    self.date = answer.headers.get("Date")
                    await _check(answer, method, path)
                    return _object(await content(answer, method, path), method, path)
        except TimeoutError:
            pass
        except (aiohttp.ClientError, OSError) as error:
            reason = type(error).__name__
        raise _unavailable(reason, method, path)


async def _events(answer: aiohttp.ClientResponse, path: str) -> AsyncGenerator[WatchEvent, None]:
    lines = Lines()
    async for chunk in answer.content.iter_any():
        for line in lines.feed(chunk):
            event = _object(line, "GET", path)
            kind, content = event.get("type"), event.get("object")
            if not isinstance(kind, str) or not isinstance(content, dict):
                raise _malformed("GET", path)
            if kind == "ERROR":
                raise _of_status_object(content, 0, "GET", path, None)
            yield WatchEvent(kind=kind, object=content)


async def _check(answer: aiohttp.ClientResponse, method: str, path: str) -> None:
    """Raises what the server refused."""
    if answer.status < _REDIRECTS:
        return
    content = parsed(await answer.read())
    status = content if isinstance(content, dict) else {}
    raise _of_status_object(status, answer.status, method, path, answer.headers.get("Retry-After"))


def _of_status_object(
    status: Json, code: int, method: str, path: str, retry_after: str | None
) -> ApiError:
    """From a `Status`: its code when there was no HTTP status, and its reason, never its message.

    An HTTP-date in Retry-After is ignored: the API server sends seconds.
    """
    if not code:
        given = status.get("code")
        code = given if isinstance(given, int) else 500
    details = status.get("details")
    asked = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    delay_s = float(asked) if isinstance(asked, int) and asked > 0 else None
    if retry_after is not None and retry_after.isdecimal():
        delay_s = float(retry_after)
    reason = str(status.get("reason") or "")
    return of_status(code, reason=reason, method=method, path=path, delay_s=delay_s)


def _object(content: bytes, method: str, path: str) -> Json:
    found = parsed(content)
    if not isinstance(found, dict):
        raise _malformed(method, path)
    return found


def _unavailable(reason: str, method: str, path: str) -> UnavailableError:
    return UnavailableError(status=0, reason=reason, method=method, path=path)


def _malformed(method: str, path: str) -> MalformedError:
    return MalformedError(status=0, reason="Malformed", method=method, path=path)


def _selected(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    given = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in given.items() if value}


def _dry(dry_run: bool) -> dict[str, str]:  # noqa: FBT001 - the one argument
    return {"dryRun": "All"} if dry_run else {}
