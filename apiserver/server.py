"""The stand-in over HTTPS: who asks, what goes wrong on request, and each request's answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from apiserver import discovery, patches, requests
from apiserver.admission import Webhooks
from apiserver.authorization import MASTERS, Act, User, allowed
from apiserver.faults import Fault, Faults
from apiserver.refusal import Refusal
from apiserver.registry import Registry, Target
from apiserver.selectors import selected
from apiserver.store import Store
from apiserver.watches import Signal, Watch

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from apiserver.faults import Rule
    from apiserver.requests import Request

Json = dict[str, Any]
ADMIN = User("kubernetes-admin", (MASTERS,))
MOST_BYTES = 3 << 20
"""Of a request's body."""
_FOR_EVER_S = 3600.0
_WATCH_S = 1800.0
"""Of a watch that names no time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that came."""

    user: str
    method: str
    path: str
    query: str
    agent: str
    """The header User-Agent."""


class Server:
    """One API server. Everything is called in the loop that serves it."""

    def __init__(
        self, *, rng: random.Random, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """`now` is seconds since the epoch."""
        self.store = Store()
        self.services: dict[tuple[str, str], str] = {}
        """`host:port` of each Service that webhook configurations name."""
        self.seen: list[Seen] = []
        """Every request, oldest first."""
        self._changed = Signal()
        self.faults = Faults(self._changed.send)
        self._users: dict[str, User] = {}
        self._rng = rng
        self._now = now
        self._monotonic = monotonic
        self.registry = Registry(
            self.store,
            now=lambda: _time(now()),
            rng=rng,
            admission=Webhooks(self.store, self.services),
        )

    def token(self, user: User) -> str:
        """A new bearer token."""
        token = f"{self._rng.getrandbits(128):032x}"
        self._users[token] = user
        return token

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The one route."""
        rule = self.faults.of(request.method, request.path)
        try:
            user = self._user(request)
            self._saw(request, user)
            early = await self._fault(rule, request)
            if early is not None:
                return early
            found = await self._answered(request, user)
        except Refusal as refusal:
            found = _json(refusal.status(), refusal.code)
        if rule is not None and rule.fault is Fault.LOST:
            return _reset(request)
        return found

    async def _fault(self, rule: Rule | None, request: web.Request) -> web.StreamResponse | None:
        """The answer that a fault gives before anything is done; None: it is done."""
        if rule is None or rule.fault is Fault.LOST:
            return None
        if rule.fault is Fault.SILENCE:
            await self._cleared(rule)
        if rule.fault is Fault.SLOW:
            await asyncio.sleep(rule.delay_s)  # noqa: TID251 - what the fault is
            return None
        if rule.fault is Fault.STATUS:
            refusal = Refusal(rule.code, "a fault that was asked for")
            after = rule.retry_after_s
            return _json(
                refusal.status(), rule.code, {} if after is None else {"Retry-After": str(after)}
            )
        return _reset(request)

    async def _cleared(self, rule: Rule) -> None:
        """Until the rule is in force no more."""
        while self.faults.has(rule):
            await self._changed.wait(_FOR_EVER_S)

    def _user(self, request: web.Request) -> User:
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        user = self._users.get(token) if word == "Bearer" else None
        if user is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        return user

    def _saw(self, request: web.Request, user: User) -> None:
        self.seen.append(
            Seen(
                user=user.name,
                method=request.method,
                path=request.path,
                query=request.query_string,
                agent=request.headers.get("User-Agent", ""),
            )
        )

    async def _answered(self, request: web.Request, user: User) -> web.StreamResponse:
        if request.method == "GET" and request.path in {"/readyz", "/livez", "/healthz"}:
            return web.Response(text="ok")
        if request.method == "GET":
            found = discovery.answer(request.path, self.registry.kinds())
            if found is not None:
                return _json(found)
        asked = requests.read(request.method, request.path, request.query)
        if asked.plural == "selfsubjectaccessreviews":
            return _json(self._review(user, await _body(request)), HTTPStatus.CREATED)
        self._allow(user, asked.act)
        target = self._target(asked)
        if asked.subresource == "token":
            return _json(self._token(target, await _body(request)), HTTPStatus.CREATED)
        if asked.verb == "watch":
            return await self._watch(request, target)
        before = self.store.version
        code = HTTPStatus.CREATED if asked.verb == "create" else HTTPStatus.OK
        try:
            return _json(await self._done(asked.verb, target, request, user), code)
        finally:
            if self.store.version != before:
                self._changed.send()

    def _allow(self, user: User, act: Act) -> None:
        if not allowed(self.store, user, act):
            where = f' in the namespace "{act.namespace}"' if act.namespace else " at cluster scope"
            message = (
                f'{act.resource} "{act.name}" is forbidden: User "{user.name}" cannot {act.verb}'
                f' resource "{act.resource}" in API group "{act.group}"{where}'
            )
            raise Refusal(HTTPStatus.FORBIDDEN, message)

    def _target(self, asked: Request) -> Target:
        kind = self.registry.kind(asked.group, asked.version, asked.plural)
        known = {"", "token", *(("status",) if kind is not None and kind.status else ())}
        if kind is None or asked.subresource not in known:
            raise Refusal(HTTPStatus.NOT_FOUND, "the server could not find the requested resource")
        name = asked.name or None
        return Target(
            kind=kind, namespace=asked.namespace, name=name, subresource=asked.subresource
        )

    async def _done(self, verb: str, target: Target, request: web.Request, user: User) -> Json:
        query, registry = request.query, self.registry
        if verb == "get":
            return registry.get(target)
        if verb == "list":
            return registry.list_(
                target,
                labels=query.get("labelSelector", ""),
                fields=query.get("fieldSelector", ""),
                limit=int(query.get("limit", "0")),
                token=query.get("continue", ""),
            )
        body = await _body(request)
        dry_run = query.get("dryRun") == "All"
        if verb == "create":
            return await registry.create(target, body, user, dry_run=dry_run)
        if verb == "update":
            return registry.replace(target, body, dry_run=dry_run)
        if verb == "patch":
            change = patches.change(request.content_type, body)
            return registry.patch(target, change, dry_run=dry_run)
        # The query of a deletion that has a body is passed over, as the real one does.
        options = body if isinstance(body, dict) else {}
        dry_run = options.get("dryRun") == ["All"] if options else dry_run
        return registry.delete(target, options, dry_run=dry_run)

    def _review(self, user: User, body: object) -> Json:
        """A SelfSubjectAccessReview."""
        review = body if isinstance(body, dict) else {}
        asked = review.get("spec", {}).get("resourceAttributes", {})
        act = Act(
            verb=asked.get("verb", ""),
            group=asked.get("group", ""),
            resource=asked.get("resource", ""),
            namespace=asked.get("namespace", ""),
            name=asked.get("name", ""),
        )
        return {**review, "status": {"allowed": allowed(self.store, user, act)}}

    def _token(self, target: Target, body: object) -> Json:
        """A TokenRequest."""
        self.registry.get(target)
        request = body if isinstance(body, dict) else {}
        seconds = (request.get("spec") or {}).get("expirationSeconds", 3600)
        status = {
            "token": self.token(User.service_account(target.namespace, target.name or "")),
            "expirationTimestamp": _time(self._now() + seconds),
        }
        return {**request, "status": status}

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = request.query
        given = query.get("resourceVersion", "")
        watch = Watch(
            store=self.store,
            target=target,
            meant=selected(
                target.kind, query.get("labelSelector", ""), query.get("fieldSelector", "")
            ),
            at=int(given or "0"),
            bookmarks=query.get("allowWatchBookmarks") == "true",
        )
        timeout_s = float(query.get("timeoutSeconds", _WATCH_S))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the client is gone
            async for event in watch.events(self._changed, timeout_s, self._monotonic):
                await response.write(json.dumps(event).encode() + b"\n")
        return response


async def _body(request: web.Request) -> object:
    """The JSON of a body; None: it is empty. Refusal 400, 413."""
    content = await request.read()
    if content and "json" not in request.content_type:
        message = f"the body of the request was in an unknown format: {request.content_type}"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)
    if len(content) > MOST_BYTES:
        message = f"Request entity too large: limit is {MOST_BYTES}"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    try:
        return json.loads(content) if content else None
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from None


def _json(content: Json, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(content, status=code, headers=headers)


def _reset(request: web.Request) -> web.Response:
    """The connection breaks off instead of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
