"""Requests that a thief of a token could make: a seed gives the same ones again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kube.api_resources import SECRETS
from tests.e2e.leak import bodies, foreign, wire
from tests.e2e.leak.rights import VERBS, Known, Right

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.e2e.leak.foreign import Foreign
    from tests.e2e.leak.rights import Identity

Json = dict[str, Any]
EACH = 4
"""Requests of each right, at the least."""
_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_PARTIAL_PROTOBUF = f"{wire.PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
_ACCEPTED: tuple[str, ...] = (
    *(wire.JSON, wire.JSON, wire.JSON, wire.JSON, wire.JSON, wire.YAML, wire.PROTOBUF, "*/*", ""),
    *(wire.CBOR, _TABLE, _PARTIAL, _PARTIAL_PROTOBUF, "text/html", f"{wire.JSON};stream=watch"),
)
_SENT = (wire.JSON, wire.JSON, wire.JSON, wire.JSON, wire.YAML, wire.PROTOBUF, wire.CBOR)
_QUERY: dict[str, tuple[str, ...]] = {
    "fieldValidation": ("Strict", "Strict", "Strict", "Warn", "Warn", "Ignore", "x"),
    "dryRun": ("All", "All", "All", "All", "all", ""),
    "fieldManager": ("x", "x", "", "é" * 200),
    "force": ("true", "x"),
    "pretty": ("true", "1"),
    "propagationPolicy": ("Orphan", "Foreground", "x"),
    "orphanDependents": ("true",),
    "gracePeriodSeconds": ("0", "-1", "x"),
    "preconditions.uid": ("0",),
    "resourceVersion": ("0", "1", "x"),
    "ignoreStoreReadErrorWithClusterBreakingPotential": ("true",),
    "includeObject": ("Object", "Metadata"),
    "export": ("true",),
    "unknown": ("1",),
}
_LIST: dict[str, tuple[str, ...]] = {
    "fieldSelector": ("metadata.name={name}", "metadata.name!=x", "type=Opaque", "data.k=x", ","),
    "labelSelector": (foreign.LABEL, f"!{foreign.LABEL}", "a in (", "app.kubernetes.io/name"),
    "limit": ("1", "0", "-1", "x"),
    "continue": ("x", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0"),
    "resourceVersion": ("0", "1", "99999999999"),
    "resourceVersionMatch": ("Exact", "NotOlderThan"),
}
_WATCH = {"watch": "true", "timeoutSeconds": "1", "allowWatchBookmarks": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One, as it goes on the wire."""

    who: Identity
    right: str
    """The right that it is about; or what else it tries."""
    method: str
    target: str
    """Path and query."""
    headers: dict[str, str]
    content: bytes = b""

    def __str__(self) -> str:
        kind = self.headers.get("Content-Type", "")
        return f"{self.who.name}: {self.method} {self.target[:300]} {kind} {self.content[:300]!r}"


@dataclass(slots=True)
class Generator:
    """Of requests on foreign objects by an identity."""

    rng: random.Random
    objects: list[Foreign]
    places: tuple[str, ...]
    known: list[Known]
    _number: int = field(default=0, init=False)

    def requests(self, who: Identity, count: int) -> Iterator[Request]:
        """At least `count`, and at least EACH of every right and page; most are on Secrets."""
        rights = list(who.rights)
        made = 0
        for right in [right for right in rights for _ in range(EACH)]:
            yield self._request(who, right, right.label)
            made += 1
        for page in who.pages:
            yield Request(who=who, right="page", method="GET", target=page, headers=self._heads())
        on_secrets = [right for right in rights if right.on.resource == SECRETS]
        while made < count:
            chance = self.rng.random()
            if chance < 0.1:
                yield self._request(who, self._refused_right(), "what is not granted")
            elif chance < 0.85 and on_secrets:
                right = self.rng.choice(on_secrets)
                yield self._request(who, right, right.label)
            else:
                right = self.rng.choice([one for one in rights if one.verb != "watch"] or rights)
                yield self._request(who, right, right.label)
            made += 1

    def _refused_right(self) -> Right:
        """A verb on Secrets that may not be granted, deletions of many aside."""
        secrets_ = next(one for one in self.known if one.resource == SECRETS and not one.sub)
        verb = self.rng.choice([verb for verb in VERBS if verb != "deletecollection"])
        return Right(verb, secrets_, self.rng.choice(self.places))

    def _request(self, who: Identity, right: Right, label: str) -> Request:
        self._number += 1
        name = self._name(right)
        heads = self._heads()
        content = b""
        if right.verb in {"create", "update", "patch"}:
            kind, content = self._content(right, name)
            heads["Content-Type"] = kind
        elif right.verb in {"delete", "deletecollection"} and self.rng.random() < 0.7:
            kind = self.rng.choice(_SENT)
            content = wire.encoded(kind, self._spoilt(bodies.options(self.rng)))
            heads["Content-Type"] = kind
        if content and self.rng.random() < 0.08:
            content = bodies.damaged(self.rng, content)
        return Request(
            who=who,
            right=label,
            method=_METHODS[right.verb],
            target=self._target(right, name),
            headers=heads,
            content=content,
        )

    def _heads(self) -> dict[str, str]:
        heads = {"Accept": self.rng.choice(_ACCEPTED)}
        if self.rng.random() < 0.05:
            heads["X-HTTP-Method-Override"] = self.rng.choice(["GET", "PATCH"])
        return heads

    def _of(self, right: Right) -> list[Foreign]:
        """Foreign objects of the right's kind, and in its namespace."""
        return [
            item
            for item in self.objects
            if item.resource.plural == right.on.resource.plural
            and item.namespace == right.namespace
        ]

    def _name(self, right: Right) -> str:
        found = [item.name for item in self._of(right)]
        new = f"leak-made-{self._number}"
        if right.verb == "create":
            return self.rng.choice([new, new, new, *found[:1], *right.names])
        if right.names and self.rng.random() < 0.7:
            return self.rng.choice(right.names)
        return self.rng.choice(found) if found and self.rng.random() < 0.95 else new

    def _content(self, right: Right, name: str) -> tuple[str, bytes]:
        """Media type and bytes: of an object of this kind that looks like a foreign one."""
        body = self._object(right, name)
        if right.verb == "patch":
            return bodies.patch(self.rng, body)
        body = bodies.rich(self.rng, body) if self.rng.random() < 0.7 else body
        kind = self.rng.choice(_SENT)
        content = wire.encoded(kind, self._spoilt(body))
        return (kind if self.rng.random() < 0.95 else self.rng.choice(_ACCEPTED)), content

    def _object(self, right: Right, name: str) -> Json:
        same = [item for item in self.objects if item.resource.plural == right.on.resource.plural]
        if not same or right.on.sub:
            metadata: Json = {"name": name, "namespace": right.namespace or ""}
            resource = right.on.resource
            return {
                "apiVersion": resource.api_version,
                "kind": right.on.kind,
                "metadata": metadata,
                "spec": {},
                "status": {},
            }
        body = self.rng.choice(same).make(lambda _: secrets.token_hex(12))
        body["apiVersion"], body["kind"] = right.on.resource.api_version, right.on.kind
        body["metadata"] |= {"name": name}
        if right.namespace is not None:
            body["metadata"]["namespace"] = right.namespace
        return body

    def _spoilt(self, body: Json) -> Json:
        return bodies.broken(self.rng, body) if self.rng.random() < 0.4 else body

    def _target(self, right: Right, name: str) -> str:
        resource, rng = right.on.resource, self.rng
        namespace = right.namespace
        many = right.verb in {"list", "watch", "create", "deletecollection"}
        if right.verb in {"list", "watch"} and rng.random() < 0.3:
            namespace = None
        path = resource.path(namespace, None if many and not right.on.sub else name)
        if right.on.sub:
            path += f"/{right.on.sub}"
        elif rng.random() < 0.04:
            path += rng.choice(["/status", "/invented", "/log", "/", "/..", "%2Fstatus", "%00"])
        elif rng.random() < 0.03:
            path = path.replace("/namespaces/", rng.choice(["/watch/namespaces/", "//namespaces/"]))
        often = rng.choice([0, 0.05, 0.1, 0.2])
        query = [
            (key, rng.choice(values).format(name=name))
            for key, values in (_LIST if many and right.verb != "create" else _QUERY).items()
            if rng.random() < often
        ]
        if right.verb == "watch" or "/watch/" in path:
            query += _WATCH.items()
            if rng.random() < 0.5:
                query += {
                    "sendInitialEvents": "true",
                    "resourceVersionMatch": "NotOlderThan",
                }.items()
        if right.names and many:
            query.append(("fieldSelector", f"metadata.name={rng.choice(right.names)}"))
        if right.verb == "deletecollection":
            # Never more than what is the test's own, also where this is granted.
            query = [(key, value) for key, value in query if key != "labelSelector"]
            query.append(("labelSelector", foreign.LABEL))
        if query and rng.random() < 0.1:
            query.append(rng.choice(query))
        return f"{path}?{urlencode(query, quote_via=quote)}" if query else path
