"""The ages of a namespace in its ConfigMap, without secret material."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract import ages
from contract.wire import WireError
from kube.errors import NotFoundError
from kube.resources import CONFIG_MAPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.api import Api


class FreshnessMaps:
    """One per namespace; written only where an entry is another. An entry of a snapshot that is not
    known here stays, until `drop`: it may be one that was not restored yet.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._held: dict[str, dict[str, str] | None] = {}
        self._dropped: dict[str, set[str]] = {}

    async def entry(self, namespace: str, name: str) -> ages.Entry | None:
        """A snapshot's; None: there is none, or one that can't be read, which errs towards older.
        The ConfigMap is asked for once.
        """
        raw = (await self._load(namespace) or {}).get(name)
        try:
            return None if raw is None else ages.from_wire(raw)
        except WireError:
            return None

    async def report(self, namespace: str, entries: Mapping[str, ages.Entry]) -> None:
        """Writes the entries that are others than before."""
        held = await self._load(namespace)
        data: dict[str, str | None] = {name: ages.to_wire(it) for name, it in entries.items()}
        known = held or {}
        dropped = self._dropped.get(namespace, set()) - entries.keys()
        changed = {name: raw for name, raw in data.items() if known.get(name) != raw}
        changed |= dict.fromkeys(dropped & known.keys())
        if held is not None and not changed:
            return
        path = CONFIG_MAPS.path(namespace, ages.CONFIG_MAP)
        try:
            if held is None:
                found = await self._api.create(
                    CONFIG_MAPS.path(namespace),
                    {
                        "apiVersion": CONFIG_MAPS.api_version,
                        "kind": "ConfigMap",
                        "metadata": {"name": ages.CONFIG_MAP},
                        "data": data,
                    },
                )
            else:
                found = await self._api.merge_patch(path, {"data": changed})
        except Exception:
            self._held.pop(namespace, None)
            raise
        self._held[namespace] = dict(found.get("data") or {})
        self._dropped.pop(namespace, None)

    def drop(self, namespace: str, name: str) -> None:
        """Removes a snapshot's entry with the next report."""
        self._dropped.setdefault(namespace, set()).add(name)

    def forget(self, namespace: str) -> None:
        """The namespace is gone."""
        self._held.pop(namespace, None)
        self._dropped.pop(namespace, None)

    async def _load(self, namespace: str) -> dict[str, str] | None:
        """None: there is no such ConfigMap."""
        if namespace not in self._held:
            try:
                path = CONFIG_MAPS.path(namespace, ages.CONFIG_MAP)
                found = await self._api.get(path)
            except NotFoundError:
                self._held[namespace] = None
            else:
                self._held[namespace] = dict(found.get("data") or {})
        return self._held[namespace]
