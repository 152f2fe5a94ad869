"""Reads and writes of objects, as the API server carries them out.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from apiserver import kinds, objects, requests
from apiserver.refusal import STATUS, Json, Refusal, conflict, invalid, not_found
from apiserver.rules import check
from apiserver.selectors import selected

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from apiserver.admission import Webhooks
    from apiserver.authorization import User
    from apiserver.kinds import Kind
    from apiserver.store import Store

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Of generated names, as the API server draws them."""
_ANSWERED = {kinds.POD, kinds.SERVICE_ACCOUNT}
"""A deletion of these is answered with the object."""


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


class Registry:
    """All kinds with their objects. Every method raises Refusal."""

    def __init__(
        self, store: Store, *, now: Callable[[], str], rng: random.Random, admission: Webhooks
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
        named = {(kind.group, kind.version, kind.plural): kind for kind in self.kinds()}
        return named.get((group, version, plural))

    def get(self, target: Target) -> Json:
        """One object."""
        return objects.shown(target.kind, self._there(target))

    def _there(self, target: Target) -> Json:
        found = self.store.get(target.kind.store, target.key)
        if found is None:
            raise not_found(target.kind.resource, target.name or "")
        return found

    def list_(self, target: Target, query: Mapping[str, str]) -> Json:
        """A page; all pages are as of the version of the first."""
        kind, limit = target.kind, requests.number(query, "limit", 0)
        version, start = _opened(query, self.store.version)
        meant = selected(kind, query)
        left = [
            (place, content)
            for key, item in self.store.list_at(kind.store, version)
            if target.namespace in {"", key[0]}
            and (place := "/".join(key).removeprefix(f"{target.namespace}/")) >= start
            and meant(content := objects.shown(kind, item))
        ]
        page = left[:limit] if limit else left
        metadata: Json = {"resourceVersion": str(version)}
        if len(page) < len(left):
            metadata["continue"] = _token(version, page[-1][0])
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                metadata["remainingItemCount"] = len(left) - len(page)
        hidden = set() if kind.custom else {"kind", "apiVersion"}
        return {
            "kind": f"{kind.kind}List",
            "apiVersion": kind.api_version,
            "metadata": metadata,
            "items": [{k: v for k, v in item.items() if k not in hidden} for _, item in page],
        }

    async def create(self, target: Target, body: object, user: User, *, dry_run: bool) -> Json:
        """A new object."""
        kind = target.kind
        content = objects.decoded(kind, body)
        objects.place(content, target.namespace, target.name)
        if kind.namespaced:
            self._there(Target(kind=kinds.NAMESPACE, name=target.namespace))
        content = await self._admission(kind, content, user, dry_run=dry_run)
        metadata = content["metadata"]
        given = metadata.get("resourceVersion", "0")
        if not metadata.get("name") and metadata.get("generateName"):
            drawn = "".join(self._rng.choices(_LETTERS, k=5))
            metadata["name"] = f"{metadata['generateName']}{drawn}"
        uid = str(UUID(int=self._rng.getrandbits(128), version=4))
        content = objects.created(kind, content, uid, self._now())
        check(kind, content, None)
        if given != "0" and not dry_run:
            raise Refusal(500, "resourceVersion should not be set on new objects", reason="")
        key = (target.namespace, content["metadata"]["name"])
        if self.store.get(kind.store, key) is not None:
            raise Refusal(409, f"{key} already exists", reason="AlreadyExists")
        if kind is kinds.DEFINITION:
            content = self._define(content, dry_run=dry_run)
        if dry_run:
            return objects.shown(kind, content)
        return objects.shown(kind, self.store.put(kind.store, key, content))

    def replace(self, target: Target, body: object, *, dry_run: bool) -> Json:
        """The whole object, or its status."""
        return self._written(target, objects.decoded(target.kind, body), dry_run=dry_run)

    def _written(self, target: Target, content: Json, *, dry_run: bool) -> Json:
        kind = target.kind
        objects.place(content, target.namespace, target.name)
        before = self._there(target)
        after = objects.updated(kind, before, content, target.subresource)
        check(kind, after, before)
        if after == before or dry_run:
            return objects.shown(kind, after)
        if kind is kinds.DEFINITION:
            after = self._define(after, dry_run=False)
        if _ended(after):
            self.store.remove(kind.store, target.key)
            return objects.shown(kind, after)
        return objects.shown(kind, self.store.put(kind.store, target.key, after))

    def patch(self, target: Target, change: Callable[[Json], Json], *, dry_run: bool) -> Json:
        """`change` is given the object, which it leaves as it is. A resource version in what it
        answers is a precondition.
        """
        kind, changed = target.kind, change(self.get(target))
        try:
            content = objects.decoded(kind, changed)
        except Refusal as refusal:
            raise invalid(kind.kind, f"patch: {refusal.message}") from None
        uid = self._there(target)["metadata"]["uid"]
        if content["metadata"].get("name") and (content["metadata"].get("uid") or uid) != uid:
            raise invalid(kind.kind, "metadata.uid: field is immutable")
        return self._written(target, content, dry_run=dry_run)

    def delete(self, target: Target, options: Json, *, dry_run: bool) -> Json:
        """One object. It stays while finalizers, or the kubelet of a pod, keep it."""
        kind, before = target.kind, self._there(target)
        dry_run = requests.dry_run(options.get("dryRun") or []) if options else dry_run
        if options.get("propagationPolicy") not in {None, "Background"}:
            raise invalid("DeleteOptions", "propagationPolicy: Background alone is served here")
        metadata, wanted = before["metadata"], options.get("preconditions") or {}
        for field in ("uid", "resourceVersion"):
            if wanted.get(field, metadata[field]) not in {None, metadata[field]}:
                raise conflict(kind.resource, metadata["name"], f"precondition {field}")
        grace_s = _grace_s(kind, before, options)
        if metadata.get("finalizers") or grace_s:
            ending = {
                **metadata,
                "deletionTimestamp": metadata.get("deletionTimestamp", self._now()),
                "deletionGracePeriodSeconds": grace_s,
            }
            if kind.custom and "deletionTimestamp" not in metadata:
                ending["generation"] += 1
            after = {**before, "metadata": ending}
            same = dry_run or after == before
            return after if same else self.store.put(kind.store, target.key, after)
        removed = before if dry_run else self._removed(target, before)
        return removed if kind in _ANSWERED else {**STATUS, "status": "Success"}

    def _removed(self, target: Target, before: Json) -> Json:
        if target.kind is kinds.NAMESPACE:
            # What the namespace controller does, at once and whatever finalizers say.
            for kind, key in self.store.keys(before["metadata"]["name"]):
                self.store.remove(kind, key)
        if target.kind is kinds.DEFINITION:
            self._undefine(before)
        return self.store.remove(target.kind.store, target.key)

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


def _ended(content: Json) -> bool:
    """Whether nothing keeps an object that is being deleted."""
    metadata = content["metadata"]
    kept = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in metadata and not kept


def _grace_s(kind: Kind, content: Json, options: Json) -> int:
    """How long a pod's kubelet has; 0: nobody is waited for."""
    spec = content.get("spec") or {}
    if kind is not kinds.POD or not spec.get("nodeName"):
        return 0
    return int(options.get("gracePeriodSeconds", spec["terminationGracePeriodSeconds"]))


def _token(version: int, place: str) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": version, "start": f"{place}\0"}
    return base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")


def _opened(query: Mapping[str, str], newest: int) -> tuple[int, str]:
    """The version of a list, and from what place on its page begins."""
    given, match = requests.number(query, "resourceVersion", 0), query.get("resourceVersionMatch")
    known = {"Exact", "NotOlderThan"} if given else {"NotOlderThan"}
    unknown = query.get("continue") or not query.get("resourceVersion") or match not in known
    if match is not None and unknown:
        raise invalid("list", f"resourceVersionMatch: {match} of resourceVersion {given}")
    if given and query.get("continue"):
        raise Refusal(400, "no resource version is allowed with continue")
    if given > newest:
        raise Refusal(504, "Too large resource version")
    if not query.get("continue"):
        exact = match == "Exact" or (match is None and query.get("limit"))
        return given if given and exact else newest, ""
    try:
        token = json.loads(base64.urlsafe_b64decode(query["continue"] + "=="))
        return int(token["rv"]), str(token["start"])
    except (KeyError, TypeError, ValueError):
        raise Refusal(400, "continue key is not valid") from None
