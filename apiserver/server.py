"""The stand-in over HTTPS: who asks, what goes wrong on request, and each request's answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from apiserver import discovery, kinds, patches, requests
from apiserver.admission import Webhooks
from apiserver.authorization import ANONYMOUS, MASTERS, Act, User, allowed, rules
from apiserver.faults import Fault, Faults
from apiserver.operations import Registry, Target
from apiserver.refusal import Json, Refusal, invalid
from apiserver.selectors import selected
from apiserver.store import Store
from apiserver.watches import Signal, Watch

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from apiserver.faults import FaultRule
    from apiserver.kinds import Kind
    from apiserver.requests import Request

ADMIN = User("kubernetes-admin", (MASTERS,))
MOST_BYTES = 3 << 20
"""Of a request's body."""
_FOR_EVER_S = 3600.0
_WATCH_S = 1800
"""Of a watch that names no time-out."""
_PUBLIC = {"/readyz", "/livez", "/healthz", "/version"}
_LEAST_TOKEN_S = 600
_REVIEWS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews"}
_ABOUT_OTHERS = "subjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came."""

    user: str
    method: str
    path: str
    query: str
    agent: str
    """The header User-Agent."""


class ApiServer:
    """One API server. Everything is called in the loop that serves it."""

    def __init__(
        self, *, rng: random.Random, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        """`now` is seconds since the epoch."""
        self.store = Store()
        self.services: dict[tuple[str, str], str] = {}
        """`host:port` of each Service that webhook configurations name."""
        self.version = discovery.VERSION
        """As it says at `/version`."""
        self.seen: list[Seen] = []
        """Every request, oldest first."""
        self._changed = Signal()
        self.faults = Faults(self._changed.send)
        self._users: dict[str, User] = {}
        self._rng = rng
        self._now = now
        self._monotonic = monotonic
        webhooks = Webhooks(self.store, self.services)
        self.registry = Registry(self.store, now=lambda: _time(now()), rng=rng, admission=webhooks)

    def token(self, user: User) -> str:
        """A new bearer token."""
        token = f"{self._rng.getrandbits(128):032x}"
        self._users[token] = user
        return token

    def changed(self) -> None:
        """Tells watches of what was written otherwise than by a request."""
        self._changed.send()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The one route."""
        rule = self.faults.of(request.method, request.path)
        try:
            user = self._user(request)
            agent = request.headers.get("User-Agent", "")
            seen = Seen(user.name, request.method, request.path, request.query_string, agent)
            self.seen.append(seen)
            early = await self._fault(rule, request)
            if early is not None:
                return early
            found = await self._answered(request, user)
        except Refusal as refusal:
            found = _json(refusal.status(), refusal.code)
        if rule is not None and rule.fault is Fault.LOST:
            return _reset(request)
        return found

    async def _fault(
        self, rule: FaultRule | None, request: web.Request
    ) -> web.StreamResponse | None:
        """The answer that a fault gives before anything is done; None: it is done."""
        if rule is None or rule.fault is Fault.LOST:
            return None
        if rule.fault is Fault.SILENCE:
            await self._cleared(rule)
        if rule.fault is Fault.SLOW:
            await request.read()  # while its client is there
            await asyncio.sleep(rule.delay_s)  # noqa: TID251 - what the fault is
            return None
        if rule.fault is Fault.STATUS:
            after, refusal = rule.retry_after_s, Refusal(rule.code, "a fault that was asked for")
            headers = {} if after is None else {"Retry-After": str(after)}
            return _json(refusal.status(), rule.code, headers)
        return _reset(request)

    async def _cleared(self, rule: FaultRule) -> None:
        """Until the rule is in force no more."""
        while self.faults.has(rule):
            await self._changed.wait(_FOR_EVER_S)

    def _user(self, request: web.Request) -> User:
        word, _, token = request.headers.get("Authorization", "").partition(" ")
        if not word:
            return ANONYMOUS
        user = self._users.get(token) if word.lower() == "bearer" else None
        if user is None:
            raise Refusal(401, "Unauthorized")
        return user

    async def _answered(self, request: web.Request, user: User) -> web.StreamResponse:
        asked = requests.read(request.method, request.path, request.query)
        if asked is None:
            return self._about(request, user)
        if asked.plural in _REVIEWS and user is not ANONYMOUS:
            return _json(self._review(user, asked, await _body(request)), 201)
        self._allow(user, asked.act)
        if asked.plural == _ABOUT_OTHERS:
            body = await _body(request)
            return _json(self._review(_subject(body), asked, body), 201)
        target = self._target(asked)
        if asked.act.verb == "watch":
            return await self._watch(request, target)
        before = self.store.version
        code = 201 if asked.act.verb == "create" else 200
        try:
            return _json(await self._done(asked.act.verb, target, request, user), code)
        except (AttributeError, KeyError, TypeError) as error:
            raise Refusal(400, f"an object of this shape can't be read: {error!r}") from error
        finally:
            if self.store.version != before:
                self._changed.send()

    def _about(self, request: web.Request, user: User) -> web.Response:
        """What is no resource: health and discovery."""
        path = request.path
        if user is ANONYMOUS and path not in _PUBLIC:
            raise Refusal(403, f'User "{user.name}" cannot get path "{path}"')
        if path in _PUBLIC - {"/version"}:
            return web.Response(text="ok")
        found = discovery.answer(path, self.registry.kinds(), self.version)
        if found is None:
            raise Refusal(404, "the server could not find the requested resource")
        return _json(found)

    def _allow(self, user: User, act: Act) -> None:
        if not allowed(self.store, user, act):
            what = f'{act.verb} {act.resource} "{act.name}" of API group "{act.group}"'
            message = f'User "{user.name}" cannot {what} in the namespace "{act.namespace}"'
            raise Refusal(403, message)

    def _target(self, asked: Request) -> Target:
        """Refusal 404; 405: it is there, and does not do this."""
        kind = self.registry.kind(asked.act.group, asked.version, asked.plural)
        verbs = _verbs(asked, kind) if kind is not None else set()
        if kind is None or not verbs:
            raise Refusal(404, "the server could not find the requested resource")
        if asked.act.verb not in verbs:
            raise Refusal(405, f"{asked.act.verb} is not served here")
        at = asked.act.namespace
        return Target(kind=kind, namespace=at, name=asked.name, subresource=asked.subresource)

    async def _done(self, verb: str, target: Target, request: web.Request, user: User) -> Json:
        registry = self.registry
        if verb == "get":
            return registry.get(target)
        if verb == "list":
            return registry.list_(target, request.query)
        dry_run = requests.dry_run(request.query.getall("dryRun", []))
        body = await _body(request)
        if target.subresource == "token":
            return self._token(target, body)
        if verb == "create":
            return await registry.create(target, body, user, dry_run=dry_run)
        if verb == "update":
            return registry.replace(target, body, dry_run=dry_run)
        if verb == "patch":
            change = patches.change(request.content_type, body)
            return registry.patch(target, change, dry_run=dry_run)
        # The query of a deletion that has a body is passed over, as the real one does.
        options = {} if body is None else body
        if not isinstance(options, dict):
            raise Refusal(500, "no DeleteOptions", reason="")
        return registry.delete(target, options, dry_run=dry_run)

    def _review(self, user: User, request: Request, body: object) -> Json:
        """A SelfSubjectAccessReview, or a SelfSubjectRulesReview."""
        if request.act.verb != "create" or request.name:
            raise Refusal(405, "reviews are created alone")
        review = body if isinstance(body, dict) else {}
        spec = review.get("spec") or {}
        if request.plural == "selfsubjectrulesreviews":
            if not spec.get("namespace"):
                raise Refusal(400, "no namespace on request")
            found = list(rules(self.store, user, spec["namespace"]))
            return {**review, "status": {"resourceRules": found, "incomplete": False}}
        asked = spec.get("resourceAttributes")
        if not asked:
            raise invalid("the review", "spec.resourceAttributes: nothing else is served")
        fields = ("verb", "group", "resource", "namespace", "name")
        act = Act(**{field: asked.get(field, "") for field in fields})
        if asked.get("subresource"):
            act = replace(act, resource=f"{act.resource}/{asked['subresource']}")
        return {**review, "status": {"allowed": allowed(self.store, user, act)}}

    def _token(self, target: Target, body: object) -> Json:
        """A TokenRequest."""
        self.registry.get(target)
        request = body if isinstance(body, dict) else {}
        seconds = (request.get("spec") or {}).get("expirationSeconds", 3600)
        if not _LEAST_TOKEN_S <= seconds <= 1 << 32:
            raise invalid("the request", f"spec.expirationSeconds: at least {_LEAST_TOKEN_S}")
        token = self.token(User.service_account(target.namespace, target.name or ""))
        status = {"token": token, "expirationTimestamp": _time(self._now() + seconds)}
        return {**request, "status": status}

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = request.query
        if {"sendInitialEvents", "resourceVersionMatch"} & query.keys():
            raise invalid("watch", "sendInitialEvents and resourceVersionMatch are not served")
        at, meant = requests.number(query, "resourceVersion", 0), selected(target.kind, query)
        bookmarks = query.get("allowWatchBookmarks") == "true"
        watch = Watch(store=self.store, target=target, meant=meant, at=at, bookmarks=bookmarks)
        timeout_s = requests.number(query, "timeoutSeconds", _WATCH_S)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the client is gone
            async for event in watch.events(self._changed, timeout_s, self._monotonic):
                await response.write(json.dumps(event).encode() + b"\n")
        return response


def _subject(body: object) -> User:
    """Of a SubjectAccessReview."""
    spec = (body.get("spec") if isinstance(body, dict) else None) or {}
    return User(str(spec.get("user", "")), tuple(spec.get("groups") or ()))


def _verbs(asked: Request, kind: Kind) -> set[str]:
    """What is done at a path; empty: it is not there."""
    if asked.subresource:
        tokens = kind is kinds.SERVICE_ACCOUNT and asked.subresource == "token"
        status = kind.status and asked.subresource == "status"
        known = {"create"} if tokens else {"get", "update", "patch"} if status else set()
    else:
        known = {"get", "update", "patch", "delete"} if asked.name else {"list", "watch", "create"}
    if not kind.namespaced:
        return set() if asked.act.namespace else known
    if not asked.act.namespace:
        known = set() if asked.name else {"list", "watch"}
    return known


async def _body(request: web.Request) -> object:
    """The JSON of a body; None: it is empty. Refusal 400, 413."""
    content = await request.read()
    if content and "json" not in request.content_type:
        raise Refusal(415, f"{request.content_type} is not read")
    if len(content) > MOST_BYTES:
        raise Refusal(413, f"Request entity too large: limit is {MOST_BYTES}")
    try:
        return json.loads(content) if content else None
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}") from None


def _json(content: Json, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(content, status=code, headers=headers)


def _reset(request: web.Request) -> web.Response:
    """The connection breaks off instead of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
