"""What was published in an embedded store before this process began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.objects import Name
from controller.ports import Remembered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from controller.store import Store
    from controller.volumes import Volumes


class StorePast:
    """The volumes and statuses of a store, which are all found by listing folders."""

    def __init__(self, store: Store, volumes: Volumes) -> None:
        self._store = store
        self._volumes = volumes

    async def everything(self) -> AsyncIterator[Remembered]:
        for published in self._volumes.published():
            status = self._store.written_status(Name(published.namespace, published.name))
            yield Remembered(
                published=published,
                last_attempt=None if status is None else status.last_attempt,
                undemanded_since=None if status is None else status.undemanded_since,
                refused_since=None if status is None else status.refused_since,
            )
