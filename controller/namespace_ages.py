"""The ages of a namespace in its ConfigMap, without secret material."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract import ages
from contract.object_names import SNAPSHOT_PREFIX
from contract.wire import WireError
from kube.api_resources import CONFIG_MAPS
from kube.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from kube.api import Api

MOST_BYTES = 900_000
"""Of one ConfigMap; the API server takes 1 MiB of data. What was never served has no age, so its
entries are the first that there is no room for."""


class FreshnessMaps:
    """One per namespace; written only where an entry is another. An entry ends when it is not
    reported any more: what has a record is always reported.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._last: dict[str, dict[str, str] | None] = {}
        self._doubtful: set[str] = set()
        """Where a write was not answered."""

    async def load(self, namespace: str) -> None:
        """Reads the ConfigMap, once. ApiError: it can't be told what is in it."""
        if namespace in self._last and namespace not in self._doubtful:
            return
        path = CONFIG_MAPS.path(namespace, ages.CONFIG_MAP)
        try:
            found = await self._api.get(path)
        except NotFoundError:
            self._last[namespace] = None
        else:
            self._last[namespace] = dict(found.get("data") or {})

    def entry(self, namespace: str, name: str) -> ages.Entry | None:
        """A snapshot's, as it was read or written last; None: there is none, or one that can't be
        read, which errs towards older.
        """
        raw = (self._last.get(namespace) or {}).get(name)
        try:
            return None if raw is None else ages.from_wire(raw)
        except WireError:
            return None

    async def report(
        self,
        namespace: str,
        entries: Mapping[str, ages.Entry],
        unrecorded: Container[str] = frozenset(),
    ) -> None:
        """Makes these the namespace's entries. Of `unrecorded` snapshots the age stays: their
        record was lost, or is a backup's, and the Secret that pods have may be another. ApiError:
        pods still see the entries before.
        """
        await self.load(namespace)
        last = self._last[namespace]
        known = last or {}
        data = _bounded(
            {
                name: self._kept(namespace, name, entry) if name in unrecorded else entry
                for name, entry in entries.items()
            }
        )
        changed: dict[str, str | None] = {
            name: raw for name, raw in data.items() if known.get(name) != raw
        }
        ended = (name for name in known.keys() - data.keys() if name.startswith(SNAPSHOT_PREFIX))
        changed |= dict.fromkeys(ended)
        if last is None or changed:
            await self._write(namespace, data, None if last is None else changed)

    def forget(self, namespace: str) -> None:
        """The namespace is gone."""
        self._last.pop(namespace, None)
        self._doubtful.discard(namespace)

    def _kept(self, namespace: str, name: str, entry: ages.Entry) -> ages.Entry:
        """With the version and the age that pods have of it."""
        before = self.entry(namespace, name)
        if before is None or before.served is None:
            return entry
        return entry.replace(served=before.served, prior=before.prior)

    async def _write(
        self, namespace: str, data: Mapping[str, str], changed: Mapping[str, str | None] | None
    ) -> None:
        """`changed` None: there is no ConfigMap yet."""
        self._doubtful.add(namespace)
        if changed is None:
            body = {
                "apiVersion": CONFIG_MAPS.api_version,
                "kind": "ConfigMap",
                "metadata": {"name": ages.CONFIG_MAP},
                "data": data,
            }
            found = await self._api.create(CONFIG_MAPS.path(namespace), body)
        else:
            path = CONFIG_MAPS.path(namespace, ages.CONFIG_MAP)
            found = await self._api.merge_patch(path, {"data": changed})
        self._doubtful.discard(namespace)
        self._last[namespace] = dict(found.get("data") or {})


def _bounded(entries: Mapping[str, ages.Entry]) -> dict[str, str]:
    """As text; without those that were never served where all do not fit."""
    data = {name: ages.to_wire(entry) for name, entry in entries.items()}
    if sum(len(name) + len(raw) for name, raw in data.items()) <= MOST_BYTES:
        return data
    return {name: raw for name, raw in data.items() if entries[name].served is not None}
