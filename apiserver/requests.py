"""What a request is: read from its method, path and query. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from apiserver.authorization import Act
from apiserver.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_IN_NAMESPACES = 2
"""Parts of the path before the resource, where a namespace is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for objects."""

    verb: str
    group: str
    version: str
    plural: str
    namespace: str
    name: str
    subresource: str

    @property
    def act(self) -> Act:
        """What has to be allowed for it."""
        resource = f"{self.plural}/{self.subresource}" if self.subresource else self.plural
        return Act(
            verb=self.verb,
            group=self.group,
            resource=resource,
            namespace=self.namespace,
            name=self.name,
        )


def read(method: str, path: str, query: Mapping[str, str]) -> Request:
    """Refusal 404: it names no resource; 405: nothing is done by this method."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    core = parts[0] == "api"
    head, rest = (parts[1:2], parts[2:]) if core else (parts[1:3], parts[3:])
    if parts[0] not in {"api", "apis"} or len(head) != (1 if core else 2) or not rest:
        raise Refusal(HTTPStatus.NOT_FOUND, "the server could not find the requested resource")
    group, version = ("", head[0]) if core else (head[0], head[1])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > _IN_NAMESPACES:
        namespace, rest = rest[1], rest[2:]
        if rest[0] == "status" or rest[0] == "finalize":
            namespace, rest = "", ["namespaces", namespace, rest[0]]
    plural, name, subresource, *more = [*rest, "", ""][: max(3, len(rest))]
    if more:
        raise Refusal(HTTPStatus.NOT_FOUND, "the server could not find the requested resource")
    return Request(
        verb=_verb(method, name, query),
        group=group,
        version=version,
        plural=plural,
        namespace=namespace,
        name=name,
        subresource=subresource,
    )


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method == "GET":
        if query.get("watch") in {"true", "1"}:
            return "watch"
        return "get" if name else "list"
    verb = "delete" if method == "DELETE" and name else _VERBS.get(method)
    if verb is None:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} is not served here")
    return verb
