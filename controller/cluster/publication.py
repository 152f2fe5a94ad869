"""A snapshot and its history as two Secrets, between which versions move as between volumes
(controller.volumes): no moment in which a version is in neither, and nothing revoked in any write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.snapshot import HISTORY_SUFFIX, META, from_wire
from contract.wire import WireError
from controller.volumes import revoked_in, union

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.cluster.secrets import Secrets
    from refresh.model import SnapshotKey


async def publish(
    secrets: Secrets, key: SnapshotKey, snapshot: Mapping[str, bytes], kept: Mapping[str, bytes]
) -> None:
    """Makes these the keys of snapshot and history. ForeignSecretError: one of them is not ours."""
    namespace, name = key.namespace, key.source.snapshot
    older = name + HISTORY_SUFFIX
    # 1. The history holds what it held, and what it shall hold.
    listed = secrets.meta(namespace, older)
    both = union({} if listed is None else {META: listed}, kept, revoked_in(snapshot))
    if both is not None:
        await secrets.write(namespace, older, both, any_history, prune=False)
    # 2. The snapshot is what is served now.
    await secrets.write(namespace, name, snapshot, lambda data: names(key, data))
    # 3. The history holds the rest alone.
    await secrets.write(namespace, older, kept, any_history)


def names(key: SnapshotKey, data: Mapping[str, bytes]) -> bool:
    """Whether a Secret's meta.json says that it is the snapshot of this source."""
    try:
        meta = from_wire(data.get(META, b""))
    except WireError:
        return False
    source = key.source
    return meta.names(source.account, source.identity, source.provider, source.reference)


def any_history(data: Mapping[str, bytes]) -> bool:
    """Whether a Secret of our type can be a history: its name says that it is."""
    return META in data or not data
