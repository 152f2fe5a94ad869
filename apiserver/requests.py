"""What a request is: read from its method, path and query. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from apiserver.authorization import Act
from apiserver.refusal import Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
_OF_COLLECTIONS = {"get": "list", "delete": "deletecollection"}
_IN_NAMESPACES = 2
"""Parts of the path before the resource, where a namespace is named."""
_BY_NAME = "metadata.name="


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for objects."""

    act: Act
    """What has to be allowed for it."""
    version: str
    plural: str
    name: str | None
    """None: the collection."""
    subresource: str


def read(method: str, path: str, query: Mapping[str, str]) -> Request | None:
    """None: the path names no resource. Refusal 405: no resource knows the method."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    core = parts[0] == "api"
    head, rest = (parts[1:2], parts[2:]) if core else (parts[1:3], parts[3:])
    if parts[0] not in {"api", "apis"} or len(head) != (1 if core else 2) or not rest:
        return None
    group, version = ("", head[0]) if core else (head[0], head[1])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > _IN_NAMESPACES:
        namespace, rest = rest[1], rest[2:]
        if rest[0] in {"status", "finalize"}:
            namespace, rest = "", ["namespaces", namespace, rest[0]]
    plural, name, subresource = [*rest, "", ""][:3]
    subresource = "/".join([subresource, *rest[3:]])
    act = Act(
        verb=_verb(method, name, query),
        group=group,
        resource=f"{plural}/{subresource}" if subresource else plural,
        namespace=namespace,
        name=name or _selected(query.get("fieldSelector", "")),
    )
    return Request(
        act=act, version=version, plural=plural, name=name or None, subresource=subresource
    )


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    verb = _VERBS.get(method)
    if verb is None:
        raise Refusal(405, f"{method} is not served here")
    if name:
        return verb
    watched = verb == "get" and query.get("watch") in {"true", "1"}
    return "watch" if watched else _OF_COLLECTIONS.get(verb, verb)


def _selected(fields: str) -> str:
    """The one name that is asked for; "": all."""
    found = (part.removeprefix(_BY_NAME) for part in fields.split(",") if part.startswith(_BY_NAME))
    return next(found, "")


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """Refusal 400."""
    text = query.get(name, "") or str(default)
    if not text.isascii() or not text.isdecimal():
        raise Refusal(400, f"{name}: {text} is no number")
    return int(text)


def dry_run(given: list[str]) -> bool:
    """Refusal 422: it is not All."""
    if set(given) - {"All"}:
        raise invalid("the request", "dryRun: Unsupported value: supported values: All")
    return bool(given)
