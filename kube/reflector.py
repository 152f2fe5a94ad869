"""A local copy of one kind of objects: list, then watch, for as long as the process runs.

Nothing is asked of the API server by reading it. When the server is away the copy stays as it was
and `staleness_s` grows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from kube.errors import ApiError, GoneError, MalformedError, NotFoundError
from kube.run_until import unless
from workqueue import retry

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from kube.api import Api, Json, WatchEvent
    from kube.api_resources import Resource
    from workqueue.clock import Clock

T = TypeVar("T")
Key = tuple[str, str]
"""Namespace, "" for what is cluster-scoped, and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[T]):
    """One object came, changed or went."""

    key: Key
    before: T | None
    """None: it was not here."""
    after: T | None
    """None: it went, or `project` does not keep it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often, in seconds."""

    watch_least_s: float = 240.0
    watch_most_s: float = 300.0
    """A watch lasts between these, drawn again each time."""
    relist_s: float = 1800.0
    """A list at least this often, up to a tenth earlier, however well the watch is."""
    backoff_s: float = 0.5
    """The ceiling of the first delay after a failure; it doubles."""
    backoff_most_s: float = 30.0
    page: int = 500
    """Objects in one page of a list."""
    settled_s: float = 1.0
    """A watch that ends sooner and said nothing counts as failed, so that nothing spins."""


class Reflector(Generic[T]):
    """Keeps `project(object)` of each object. `project` answers None for one that is not kept, and
    does not raise: if it does, the object stays as it was before and `problem` is told.

    `problem` gets one plain sentence, without any content of an object, for each failure.
    """

    def __init__(
        self,
        api: Api,
        resource: Resource,
        project: Callable[[Json], T | None],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        clock: Clock,
        rng: random.Random,
        pace: Pace | None = None,
        problem: Callable[[str], None] | None = None,
        optional: bool = False,
        most: int | None = None,
    ) -> None:
        """`optional`: the cluster may not know the resource. Then there are no objects of it, and
        it is looked again after `Pace.backoff_most_s`. `most` are kept of one namespace; None: all.
        """
        self._optional = optional
        self._most = most
        self._counts: Counter[str] = Counter()
        """Of `items`, by namespace."""
        self.full: frozenset[str] = frozenset()
        """Namespaces of which some are not kept, until a list says otherwise. Replaced, never
        changed."""
        self._api = api
        self._path = resource.path(namespace)
        self._project = project
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._clock = clock
        self._rng = rng
        self._pace = pace or Pace()
        self._problem = problem
        self._items: dict[Key, T] = {}
        self._callbacks: list[Callable[[Change[T]], None]] = []
        self._synced = asyncio.Event()
        self._contact: float | None = None
        self._version: str | None = None
        self._relist_at = 0.0
        self._failures = 0
        self.revision = 0
        """Grows with every change of `items`; equal numbers mean equal items."""
        self.items: Mapping[Key, T] = MappingProxyType(self._items)
        """The copy, live; don't await while you iterate over it."""

    @property
    def synced(self) -> bool:
        """Whether a whole list was seen once. Stays true."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Until `synced`."""
        await self._synced.wait()

    def staleness_s(self, now: float) -> float:
        """Seconds since the server was last heard of, infinite before the first list; `now` is
        monotonic. A watch is silent for up to a minute, the interval of bookmarks.
        """
        return float("inf") if self._contact is None else max(0.0, now - self._contact)

    def subscribe(self, callback: Callable[[Change[T]], None]) -> Callable[[], None]:
        """`callback` is called after each change, in the loop; it must not block or raise. What is
        here already is told at once. The answer ends the subscription.
        """
        for key, item in list(self._items.items()):
            callback(Change(key=key, before=None, after=item))
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, which it follows at once."""
        await unless(stop, self._list_and_watch())

    async def _list_and_watch(self) -> None:
        while True:
            delay_s = await self._attempt()
            if delay_s > 0:
                await asyncio.sleep(delay_s)  # noqa: TID251 - cancelled by run; the length is Pace's

    async def _attempt(self) -> float:
        """One list, if it is time, and one watch. Seconds to wait before the next one."""
        began = self._clock.monotonic()
        try:
            if self._version is None or began >= self._relist_at:
                await self._list()
            heard = await self._watch()
        except ApiError as error:
            if self._optional and isinstance(error, NotFoundError):
                return self._absent()
            if isinstance(error, (GoneError, MalformedError)):
                self._version = None
            return self._failed(error)
        if heard or self._clock.monotonic() - began >= self._pace.settled_s:
            self._failures = 0
            return 0.0
        return self._backoff(None)

    def _absent(self) -> float:
        """The cluster has no such resource. Seconds to wait."""
        self._version = None
        self.full = frozenset()
        for key in list(self._items):
            self._put(key, None)
        self._heard()
        self._synced.set()
        return self._pace.backoff_most_s

    async def _list(self) -> None:
        """Takes over a whole list, or, when a page fails, nothing of it."""
        try:
            found, full, version = await self._pages(self._pace.page)
        except GoneError:
            found, full, version = await self._pages(0)
        self._overflow(full)
        for key in [key for key in self._items if key not in found]:
            self._put(key, None)
        for key, item in found.items():
            self._put(key, item)
        self.full = full
        self._version = version
        self._relist_at = self._clock.monotonic() + self._pace.relist_s * self._draw(0.9, 1.0)
        self._failures = 0
        self._heard()
        self._synced.set()

    async def _pages(self, limit: int) -> tuple[dict[Key, T], frozenset[str], str]:
        """What is kept of the list, namespaces of which that is not all, and the list's version.
        `limit` 0: in one answer.
        """
        found: dict[Key, T] = {}
        counts: Counter[str] = Counter()
        full: set[str] = set()
        version = ""
        pages = self._api.pages(
            self._path,
            limit=limit,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        async with contextlib.aclosing(pages):
            async for page in pages:
                for content in page.get("items") or []:
                    key = _key(content)
                    item = self._projected(key, content)
                    if item is not None and self._is_too_many(counts[key[0]]):
                        full.add(key[0])
                    elif item is not None:
                        counts[key[0]] += key not in found
                        found[key] = item
                version = str((page.get("metadata") or {}).get("resourceVersion", ""))
        return found, frozenset(full), version

    async def _watch(self) -> bool:
        """Whether the server said anything."""
        heard = False
        length_s = self._draw(self._pace.watch_least_s, self._pace.watch_most_s)
        until_relist_s = self._relist_at - self._clock.monotonic()
        events = self._api.watch(
            self._path,
            resource_version=self._version or "",
            timeout_s=max(1.0, min(length_s, until_relist_s)),
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            opened=self._heard,
        )
        async with contextlib.aclosing(events):
            async for event in events:
                self._take(event)
                self._failures = 0
                heard = True
        return heard

    def _take(self, event: WatchEvent) -> None:
        if event.kind != "BOOKMARK":
            key = _key(event.object)
            gone = event.kind == "DELETED"
            item = None if gone else self._projected(key, event.object)
            if item is None or key in self._items or not self._is_too_many(self._counts[key[0]]):
                self._put(key, item)
            else:
                self._overflow(frozenset({key[0]}))
        self._version = event.resource_version or self._version
        self._heard()

    def _projected(self, key: Key, content: Json) -> T | None:
        try:
            return self._project(content)
        except Exception as error:  # noqa: BLE001 - one object must not end the watch of all
            namespace, name = key
            self._tell(f"{self._path}: {namespace}/{name}: {type(error).__name__}, kept as it was")
            return self._items.get(key)

    def _put(self, key: Key, item: T | None) -> None:
        before = self._items.get(key)
        if item == before:
            return
        if item is None:
            del self._items[key]
        else:
            self._items[key] = item
        self._count(key[0], (item is not None) - (before is not None))
        self.revision += 1
        for callback in list(self._callbacks):
            callback(Change(key=key, before=before, after=item))

    def _count(self, namespace: str, more: int) -> None:
        self._counts[namespace] += more
        if not self._counts[namespace]:
            del self._counts[namespace]

    def _is_too_many(self, count: int) -> bool:
        """Whether no more is kept of a namespace that has so many."""
        return self._most is not None and count >= self._most

    def _overflow(self, namespaces: frozenset[str]) -> None:
        """Not all of these is kept."""
        for namespace in sorted(namespaces - self.full):
            self._tell(f"{self._path}: namespace {namespace} has more than {self._most} of them")
        self.full |= namespaces

    def _heard(self) -> None:
        self._contact = self._clock.monotonic()

    def _failed(self, error: ApiError) -> float:
        self._tell(str(error))
        return self._backoff(error.delay_s)

    def _backoff(self, asked_s: float | None) -> float:
        """Seconds, by the retry policy."""
        self._failures += 1
        return retry.delay_s(
            self._failures,
            self._rng.random(),
            base_s=self._pace.backoff_s,
            cap_s=self._pace.backoff_most_s,
            asked_s=asked_s,
        )

    def _draw(self, least: float, most: float) -> float:
        return least + (most - least) * self._rng.random()

    def _tell(self, problem: str) -> None:
        if self._problem is not None:
            self._problem(problem)


def _key(content: Json) -> Key:
    metadata = content.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
