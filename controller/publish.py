"""One snapshot, written as its record and as the Secret that pods mount. Killed after any step, the
next leader reads the record and ends the work; nothing revoked is in any write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import Serving
from kube.errors import NotFoundError
from refresh.snapshot_data import history_data, secret_data

if TYPE_CHECKING:
    from collections.abc import Collection

    from contract.ages import Entry
    from contract.snapshot_format import Meta
    from controller.record_store import KnownRecord, Records
    from controller.tenant_secrets import Secrets
    from refresh.model import SnapshotKey
    from refresh.sink import Publication


async def publish(
    records: Records,
    secrets: Secrets,
    key: SnapshotKey,
    publication: Publication,
    *,
    emptied: Collection[str] = (),
    held_back: bool = False,
) -> bool:
    """Writes the snapshot's Secret, and records it with the versions that are kept. `emptied` are
    keys that the Secret has beside those, without a value. `held_back`: a backup brought the record
    back, and what pods have may be newer, so only the record is written. Whether the Secret was.

    ForeignSecretError: another Secret stands in its place. ApiError: not all was written.
    """
    snapshot = {**dict.fromkeys(emptied, b""), **secret_data(publication)}
    kept = history_data(publication.history)
    # 1. The record has all versions, and says that the Secret is not known to be so.
    record = await records.begin(key, publication.meta, snapshot, kept)
    if held_back:
        return False
    # 2. The Secret is as the record says.
    known = None if record.written is None else record.written.resource_version
    data = {**record.secret_extra, **snapshot}
    name = key.source.snapshot
    version, made = await secrets.write(key.namespace, name, data, known)
    if made and not await records.is_of_its_namespace(record):
        await secrets.delete(key.namespace, name)
        path = f"{key.namespace}/{name}"
        raise NotFoundError(status=404, reason="NamespaceGone", method="POST", path=path)
    # 3. The record says that it is.
    await records.written(record, version)
    return True


def is_held_back(recorded: KnownRecord | None, entry: Entry | None, meta: Meta) -> bool:
    """Whether a backup's record must not be written over what pods have, which may be newer: until
    the provider confirms it, unless pods have this version by the ages, or a revoked one, or an
    operator has pinned it.
    """
    if recorded is None or not recorded.restored:
        return False
    if meta.serving is not Serving.SERVED or meta.version == meta.pin:
        return False
    given = None if entry is None else entry.served
    return given is None or not (given.is_of(meta) or given.version in meta.revoked)
