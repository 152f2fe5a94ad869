"""One snapshot, written as its record and as the Secret that pods mount. Killed after any step, the
next leader reads the record and ends the work; nothing revoked is in any write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.cluster.records import Records
    from controller.cluster.secrets import Secrets
    from refresh.model import SnapshotKey


async def publish(
    records: Records,
    secrets: Secrets,
    key: SnapshotKey,
    snapshot: Mapping[str, bytes],
    kept: Mapping[str, bytes],
) -> None:
    """Makes these the keys of the snapshot's Secret, and records them with the versions that are
    kept. ForeignSecretError: another Secret stands in its place. ApiError: not all was written.
    """
    before = records.get(key)
    # 1. The record has all versions, and says that the Secret is not known to be so.
    record = await records.begin(key, snapshot, kept)
    if before is not None and before.restored and records.get(key) is before:
        return  # a backup's, and nothing else is known yet: what pods have may be newer
    # 2. The Secret is as the record says.
    known = None if record.written is None else record.written.resource_version
    data = {**record.secret_extra, **snapshot}
    version = await secrets.write(key.namespace, key.source.snapshot, data, known)
    # 3. The record says that it is.
    await records.written(record, version)
