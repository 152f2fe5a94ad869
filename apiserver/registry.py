"""Reads and writes of objects, as the API server carries them out.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from apiserver import kinds, objects
from apiserver.refusal import Refusal, conflict, not_found
from apiserver.selectors import selected

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from apiserver.authorization import User
    from apiserver.kinds import Kind
    from apiserver.store import Store

Json = dict[str, Any]
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names, as the API server draws them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request's path names."""

    kind: Kind
    namespace: str = ""
    """"": cluster-scoped, or those of all namespaces."""
    name: str | None = None
    """None: the collection."""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Of the store."""
        return self.namespace, self.name or ""


class Admission(Protocol):
    """Mutating admission of a new object."""

    async def __call__(self, kind: Kind, content: Json, user: User, *, dry_run: bool) -> Json:
        """The object as it was changed. Refusal."""
        ...


class Registry:
    """All kinds with their objects. Every method raises Refusal."""

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], str],
        rng: random.Random,
        admission: Admission,
    ) -> None:
        """`now` is the time as RFC 3339 writes it, in seconds."""
        self.store = store
        self._now = now
        self._rng = rng
        self._admission = admission
        self._custom: dict[tuple[str, str], list[Kind]] = {}

    def kinds(self) -> list[Kind]:
        """Every kind that is served."""
        return [*kinds.OWN, *(kind for served in self._custom.values() for kind in served)]

    def kind(self, group: str, version: str, plural: str) -> Kind | None:
        """None: there is none."""
        wanted = (group, version, plural)
        found = (kind for kind in self.kinds() if (kind.group, kind.version, kind.plural) == wanted)
        return next(found, None)

    def get(self, target: Target) -> Json:
        """One object."""
        found = self.store.get(target.kind.store, target.key)
        if found is None:
            raise not_found(target.kind.resource, target.name or "")
        return objects.shown(target.kind, found)

    def list_(
        self, target: Target, *, labels: str = "", fields: str = "", limit: int = 0, token: str = ""
    ) -> Json:
        """A page; all pages are as of the version of the first."""
        version, after = _opened(token, self.store.version)
        meant = selected(target.kind, labels, fields)
        found = [
            (key, content)
            for key, item in self.store.list_at(target.kind.store, version)
            if target.namespace in {"", key[0]}
            and meant(content := objects.shown(target.kind, item))
        ]
        left = [(key, content) for key, content in found if after is None or key > after]
        page = left[:limit] if limit else left
        metadata: Json = {"resourceVersion": str(version)}
        if len(page) < len(left):
            metadata["continue"] = _token(version, page[-1][0])
            metadata["remainingItemCount"] = len(left) - len(page)
        return {
            "kind": f"{target.kind.kind}List",
            "apiVersion": target.kind.api_version,
            "metadata": metadata,
            "items": [content for _, content in page],
        }

    async def create(self, target: Target, body: object, user: User, *, dry_run: bool) -> Json:
        """A new object."""
        kind = target.kind
        content = objects.read(kind, body, target.namespace, target.name)
        metadata = content["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            drawn = "".join(self._rng.choices(_LETTERS, k=5))
            metadata["name"] = f"{metadata['generateName']}{drawn}"
        self._namespace_is_there(target)
        content = objects.created(kind, content, self._uid(), self._now())
        content = await self._admission(kind, content, user, dry_run=dry_run)
        objects.check(kind, content, None)
        key = (target.namespace, content["metadata"]["name"])
        if self.store.get(kind.store, key) is not None:
            message = f'{kind.resource} "{key[1]}" already exists'
            raise Refusal(HTTPStatus.CONFLICT, message, reason="AlreadyExists")
        if kind is kinds.DEFINITION:
            content = self._define(content, dry_run=dry_run)
        if dry_run:
            return objects.shown(kind, content)
        return objects.shown(kind, self.store.put(kind.store, key, content))

    def replace(self, target: Target, body: object, *, dry_run: bool) -> Json:
        """The whole object, or its status."""
        kind = target.kind
        content = objects.read(kind, body, target.namespace, target.name)
        before = self.store.get(kind.store, target.key)
        if before is None:
            raise not_found(kind.resource, target.name or "")
        after = objects.updated(kind, before, content, target.subresource)
        objects.check(kind, after, before)
        if after == before or dry_run:
            return objects.shown(kind, after)
        if kind is kinds.DEFINITION:
            after = self._define(after, dry_run=False)
        if _ended(after):
            self.store.put(kind.store, target.key, after)
            return objects.shown(kind, self.store.remove(kind.store, target.key))
        return objects.shown(kind, self.store.put(kind.store, target.key, after))

    def patch(self, target: Target, change: Callable[[Json], Json], *, dry_run: bool) -> Json:
        """`change` is given the object, which it leaves as it is. A resource version in what it
        answers is a precondition.
        """
        return self.replace(target, change(self.get(target)), dry_run=dry_run)

    def delete(self, target: Target, options: Json, *, dry_run: bool) -> Json:
        """One object. It stays while finalizers, or the kubelet of a pod, keep it."""
        kind = target.kind
        before = self.store.get(kind.store, target.key)
        if before is None:
            raise not_found(kind.resource, target.name or "")
        metadata = before["metadata"]
        for field, given in (options.get("preconditions") or {}).items():
            if given != metadata.get(field):
                why = f"Precondition failed: {field}: {given}, and it is {metadata.get(field)}"
                raise conflict(kind.resource, metadata["name"], why)
        if dry_run:
            return before
        grace_s = _grace_s(kind, before, options)
        if metadata.get("finalizers") or grace_s:
            ending = {
                **metadata,
                "deletionTimestamp": metadata.get("deletionTimestamp", self._now()),
                "deletionGracePeriodSeconds": grace_s,
            }
            after = {**before, "metadata": ending}
            return before if after == before else self.store.put(kind.store, target.key, after)
        if kind is kinds.NAMESPACE:
            self._empty(metadata["name"])
        if kind is kinds.DEFINITION:
            self._undefine(before)
        return self.store.remove(kind.store, target.key)

    def _namespace_is_there(self, target: Target) -> None:
        if target.kind.namespaced:
            found = self.store.get(kinds.NAMESPACE.store, ("", target.namespace))
            if found is None:
                raise not_found(kinds.NAMESPACE.resource, target.namespace)

    def _empty(self, namespace: str) -> None:
        """What the namespace controller does, at once and whatever finalizers say."""
        for kind, key in self.store.keys(namespace):
            self.store.remove(kind, key)

    def _define(self, content: Json, *, dry_run: bool) -> Json:
        spec = content["spec"]
        if not dry_run:
            self._custom[spec["group"], spec["names"]["plural"]] = kinds.defined(content)
        conditions = [
            {"type": kind, "status": "True", "reason": "Served", "message": ""}
            for kind in ("NamesAccepted", "Established")
        ]
        return {**content, "status": {"acceptedNames": spec["names"], "conditions": conditions}}

    def _undefine(self, content: Json) -> None:
        spec = content["spec"]
        for kind in self._custom.pop((spec["group"], spec["names"]["plural"])):
            for key, _ in self.store.list_at(kind.store, self.store.version):
                self.store.remove(kind.store, key)

    def _uid(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _ended(content: Json) -> bool:
    """Whether nothing keeps an object that is being deleted."""
    metadata = content["metadata"]
    grace_s = metadata.get("deletionGracePeriodSeconds", 0)
    return bool(
        metadata.get("deletionTimestamp") and not metadata.get("finalizers") and not grace_s
    )


def _grace_s(kind: Kind, content: Json, options: Json) -> int:
    """How long a pod's kubelet has; 0: nobody is waited for."""
    if kind is not kinds.POD or not content["spec"].get("nodeName"):
        return 0
    given = options.get("gracePeriodSeconds")
    found: int = content["spec"]["terminationGracePeriodSeconds"] if given is None else given
    return found


def _token(version: int, key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *key]).encode()).decode()


def _opened(token: str, version: int) -> tuple[int, tuple[str, str] | None]:
    """The version of a list, and the key after which its page begins."""
    if not token:
        return version, None
    try:
        at, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return int(at), (str(namespace), str(name))
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "continue key is not valid") from None
