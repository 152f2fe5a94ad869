"""ExternalSecrets of External Secrets Operator, from a copy that a watch keeps. Where the cluster
has no such resource, there are none until it comes.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from controller.times import seconds
from kube.api_resources import EXTERNAL_SECRETS
from kube.reflector import Reflector
from providers.cluster import ExternalSecret

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable, Iterator, Mapping

    from kube.api import Api, Json
    from kube.reflector import Change
    from workqueue.clock import Clock

MOST_OF_A_NAMESPACE = 5000
"""ExternalSecrets of one namespace that are kept, so that no tenant fills our memory. With more of
them nothing is known of the whole namespace: what is not kept may doubt what is.
"""
_MOST_TEXT = 253
"""Characters of a text that is kept, as of a name. A longer one is no evidence."""
_ZERO = re.compile("[-+0.a-zµμ]*")
"""A duration of Go without a digit other than 0. One class: a tenant writes the text, and a group
that repeats what repeats takes exponential time, in which the whole process stands still.
"""
_MOST_DURATION = 64
"""Characters. No operator needs more."""


class ExternalSecrets:
    """The copy, by the Secrets that they keep."""

    def __init__(
        self, api: Api, clock: Clock, rng: random.Random, problem: Callable[[str, str], None]
    ) -> None:
        self._by_target: dict[tuple[str, str], dict[str, ExternalSecret]] = {}
        """By name those that keep a Secret, by its namespace and name."""
        self._lock = Lock()
        """Of `_by_target`, which other threads read."""
        self._told: list[Callable[[str, str], None]] = []
        self._reflector = Reflector(
            api,
            EXTERNAL_SECRETS,
            project,
            clock=clock,
            rng=rng,
            optional=True,
            most=MOST_OF_A_NAMESPACE,
            problem=lambda why: problem("watch", why),
        )
        self._reflector.subscribe(self._change)

    def of(self, namespace: str, secret: str) -> tuple[ExternalSecret, ...] | None:
        """Those that keep a Secret, from any thread; None: there was no list of them yet, or the
        namespace has too many.
        """
        if not self._reflector.synced or namespace in self._reflector.full:
            return None
        with self._lock:
            return tuple(self._by_target.get((namespace, secret), {}).values())

    @contextmanager
    def told(self, changed: Callable[[str, str], None]) -> Iterator[None]:
        """`changed(namespace, secret)` is told of changes in the block: in the loop, so it must not
        block or raise.
        """
        self._told.append(changed)
        try:
            yield
        finally:
            self._told.remove(changed)

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the API server until `stop`."""
        await self._reflector.run(stop)

    def _change(self, change: Change[ExternalSecret]) -> None:
        namespace = change.key[0]
        concerned = {item.target for item in (change.before, change.after) if item is not None}
        with self._lock:
            if change.before is not None:
                self._drop((namespace, change.before.target), change.before.name)
            if change.after is not None:
                place = namespace, change.after.target
                self._by_target.setdefault(place, {})[change.after.name] = change.after
        for target in concerned:
            for changed in self._told:
                changed(namespace, target)

    def _drop(self, place: tuple[str, str], name: str) -> None:
        items = self._by_target[place]
        del items[name]
        if not items:
            del self._by_target[place]


def project(content: Json) -> ExternalSecret | None:
    """What is kept of one; None: it writes no Secret. Whatever else has a wrong form says nothing,
    so that it proves nothing.
    """
    metadata, spec, status = (_object(content, name) for name in ("metadata", "spec", "status"))
    target = _object(spec, "target")
    if target.get("creationPolicy") == "None" or target.get("manifest") is not None:
        return None
    name = str(metadata.get("name"))
    keeps = target.get("name") or name
    if isinstance(keeps, str) and len(keeps) > _MOST_TEXT:  # no Secret has such a name
        return None
    ready = _ready(status)
    generation = metadata.get("generation")
    return ExternalSecret(
        name=name,
        target=keeps if isinstance(keeps, str) else name,
        generation=generation if isinstance(generation, int) else 0,
        deleting=metadata.get("deletionTimestamp") is not None,
        ready=ready.get("status") == "True",
        reason=_text(ready, "reason") or "",
        synced=_text(status, "syncedResourceVersion") or "",
        bound=_text(_object(status, "binding"), "name"),
        refreshed_at=_moment(status.get("refreshTime")),
        weak=_weak(spec, target),
    )


def _weak(spec: Mapping[str, Any], target: Mapping[str, Any]) -> str | None:
    """Why being in sync does not prove that the provider has the value."""
    parts = spec.get("dataFrom")
    found = parts if isinstance(parts, list) else []
    if any(isinstance(part, dict) and part.get("find") is not None for part in found):
        return "Find"
    if target.get("deletionPolicy") not in (None, "Retain"):  # a new one is not known to prove it
        return "DeletionPolicy"
    if _is_never(spec.get("refreshInterval")):
        return "NoRefresh"
    return None if spec.get("refreshPolicy") in (None, "Periodic") else "NoRefresh"


def _is_never(interval: object) -> bool:
    """Whether the operator does not refresh at that interval, or it is too long to say."""
    if not isinstance(interval, str):
        return False
    return len(interval) > _MOST_DURATION or _ZERO.fullmatch(interval) is not None


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = status.get("conditions")
    found = conditions if isinstance(conditions, list) else []
    ready = [it for it in found if isinstance(it, dict) and it.get("type") == "Ready"]
    return ready[0] if len(ready) == 1 else {}


def _moment(value: object) -> float | None:
    try:
        return seconds(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(parent: Mapping[str, Any], member: str) -> str | None:
    value = parent.get(member)
    return value if isinstance(value, str) and 0 < len(value) <= _MOST_TEXT else None


def _object(parent: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    value = parent.get(member)
    return value if isinstance(value, dict) else {}
