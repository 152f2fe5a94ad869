"""At the start: in which namespaces this identity may read Secrets. A Role in any one of them can
give that right, so each is asked for. See docs/design/010 for the bounds.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from controller.selfcheck import ELSEWHERE, READS, NotRefusedError
from controller.telemetry import say
from kube.access_review import may, rules
from kube.api_resources import NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube.access_review import ResourceRules
    from kube.api import Api

MOST_NAMESPACES = 2000
"""That are asked for at one start, with one request each, or six where an authorizer can't list
what it allows.
"""
WITHIN_S = 15.0
"""That one start waits for the answers."""
_AT_ONCE = 8
"""Requests."""
_SHARED = tuple(name for name in ELSEWHERE if name is not None)
"""No tenant's, so a right there always keeps the controller from starting."""
GRANT = "get"
"""What a namespace grants on Secrets by their names (docs/design/028)."""
_NAMED = 5
"""Namespaces in one message."""


class NamespaceRights:
    """What is known of the namespaces during one start, which may need several tries."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        served: Iterable[str],
        *,
        most: int = MOST_NAMESPACES,
        within_s: float = WITHIN_S,
    ) -> None:
        """`namespace` is our own, where the controller may read. `served` are asked for first."""
        self._api = api
        self._own = namespace
        self._first = (*_SHARED, *served)
        self._most = most
        self._within_s = within_s
        self._clean: set[str] = set()
        """Namespaces without such a right, which are not asked for again."""

    async def check(self, *, report: bool = False) -> None:
        """Asks, and logs how many namespaces were not asked for. `report`: a right is logged, and
        the start goes on. NotRefusedError, TemporaryError.
        """
        listed = await self._api.list_all(NAMESPACES.path())
        every = (*self._first, *sorted(item["metadata"]["name"] for item in listed.items))
        wanted = [name for name in dict.fromkeys(every) if name != self._own]
        found = await self._asked(wanted[: self._most])
        unasked = len(set(wanted) - self._clean - found.keys())
        if unasked:
            say(
                logging.WARNING,
                "controller.rights_not_asked",
                namespaces=len(wanted),
                not_asked=unasked,
                why=f"at most {self._most} namespaces and {self._within_s:g} s for each start",
                decision="it starts; rights to read Secrets in these namespaces are not known",
            )
        if not found:
            return
        if not report or not found.keys().isdisjoint(_SHARED):
            raise NotRefusedError(f"{_told(found)}. Remove this permission")
        decision = "it starts, as controller.readsElsewhere allows it. Remove this permission"
        say(logging.ERROR, "controller.reads_elsewhere", why=_told(found), decision=decision)

    async def _read(self, namespace: str) -> str | None:
        """A verb that reads Secrets there; None: none is granted, or `get` on some by their names,
        which is for the pods of the namespace. No tenant's pods are in the shared ones.
        """
        allowed = await rules(self._api, namespace)
        verb = _verb(allowed, named=namespace in _SHARED)
        if verb is not None:
            return verb
        if not allowed.whole:
            for verb in READS:
                if await may(self._api, verb, "secrets", namespace):
                    return verb
        return None

    async def _asked(self, namespaces: list[str]) -> dict[str, str]:
        """A verb by namespace where one is granted. Ends when the time is over."""
        found: dict[str, str] = {}
        waiting = iter([name for name in namespaces if name not in self._clean])

        async def ask() -> None:
            for name in waiting:
                verb = await self._read(name)
                if verb is None:
                    self._clean.add(name)
                else:
                    found[name] = verb

        tasks = [asyncio.create_task(ask()) for _ in range(_AT_ONCE)]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._within_s):
                    await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return found


def _verb(allowed: ResourceRules, *, named: bool) -> str | None:
    """A verb that reads Secrets; None: none is listed. `named`: `get` counts also where a rule
    gives it for Secrets by their names.
    """
    verbs = (it for it in READS if allowed.allow(it, "secrets", named=named or it != GRANT))
    return next(verbs, None)


def _told(found: dict[str, str]) -> str:
    names = sorted(found)
    rights = [f"{found[name]} Secrets in the namespace {name}" for name in names[:_NAMED]]
    more = len(names) - len(rights)
    return f"the controller's identity may {', '.join(rights)}" + (
        f" and in {more} more" if more else ""
    )
