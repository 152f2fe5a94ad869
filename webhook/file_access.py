"""Who may read the files, and as which UID gate and agent run (docs/contract.md, "Who may
read the files", and docs/design/004). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.plan import MOUNT
from webhook import podspec

if TYPE_CHECKING:
    from collections.abc import Collection

    from api.policy import RunAs
    from contract.plan import Reload

SIGNAL_NEEDS = (
    "a signal requires spec.shareProcessNamespace: true, and one runAsUser other than 0 for all"
    " containers that get the files, because only a process with the same UID may send it. Set"
    " both, or use http://127.0.0.1:PORT/PATH"
)
WORLD = (
    "lastgood's files are readable by every UID in the containers that mount them. To restrict"
    " this, set spec.securityContext.fsGroup, or one runAsUser for these containers"
)
SHARED = (
    "lastgood's files are readable by every UID in the containers that mount them, because the pod"
    " shares its process namespace. To restrict this, set spec.securityContext.fsGroup"
)
SAME_UID = (
    "because of reload by signal, lastgood's agent shares the app's UID and process namespace, so"
    " every container with that UID can access the files"
)
AS_THE_APP = (
    "as configured by the admin, lastgood's agent runs as the app's user and shares its process"
    " namespace, so every container with that UID can access the files"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccess:
    """The decision."""

    access: str
    """As in Plan.access."""
    uid: int | None
    """Of gate and agent; never 0. None: none is written, so it is the pod's, else the platform's or
    the image's."""
    gid: int | None
    """Of gate and agent: the fsGroup, so that what they write belongs to it; None: the image's."""
    warnings: tuple[str, ...] = ()


def access_of(
    spec: dict[str, Any],
    chosen: Collection[str],
    *,
    mode: str,
    reload: Reload | None,
    uid: int,
    run_as: RunAs = "lastgood",
) -> FileAccess | str:
    """Access for a pod whose `chosen` containers get the files, or why its reload can't work.
    `uid`: ours by default.
    """
    shares = spec.get("shareProcessNamespace") is True
    everyone = podspec.user_containers(spec) + podspec.user_containers(spec, "initContainers")
    uids = [podspec.uid_of(spec, item) for item in everyone if item["name"] in chosen]
    app_uid = podspec.single(uids)
    group = podspec.fs_group(spec)
    signal = reload is not None and reload.signal is not None
    if signal and (not shares or app_uid is None):
        return SIGNAL_NEEDS
    whole = podspec.uid_of(spec, {})
    if signal:
        ours = app_uid
    elif run_as == "lastgood":
        joins = app_uid is not None and not shares and group is None and mode != MOUNT
        ours = app_uid if joins else _apart(spec, everyone, uid, shares=shares)
    elif run_as == "pod":
        ours = app_uid or next(filter(None, uids), uid if whole == 0 else None)
    else:
        ours = uid if whole == 0 else None
    same = app_uid is not None and app_uid == (whole if ours is None else ours)
    access = _access(mode=mode, group=group, owner=same)
    warnings = [SAME_UID] if signal else [AS_THE_APP] if same and shares else []
    if access == "world" and mode != MOUNT:
        warnings.append(SHARED if shares and app_uid is not None else WORLD)
    return FileAccess(access=access, uid=ours, gid=group, warnings=tuple(warnings))


def _access(*, mode: str, group: int | None, owner: bool) -> str:
    if group is not None:
        return "group"
    return "owner" if owner and mode != MOUNT else "world"


def _apart(spec: dict[str, Any], everyone: list[dict[str, Any]], uid: int, *, shares: bool) -> int:
    """Our own UID; in a shared process namespace one that no container there is known to have."""
    taken = {podspec.uid_of(spec, item) for item in everyone} if shares else set()
    while uid in taken:
        uid += 1
    return uid
