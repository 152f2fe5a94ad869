"""Names of secrets in Vault's KV stores, `vault`: `<mount>/<path>`. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected

_NAME = re.compile(rf"[{CHARACTERS}]{{1,512}}")


def check_path(raw: str) -> None:
    """ReferenceRejected, unless it is a mount and a path below it, without a `/` before them: each
    secret has one spelling, so that a revocation covers all who read it.
    """
    if not _NAME.fullmatch(raw):
        raise ReferenceRejected(
            f'"{shown(raw)}" is not a valid path in Vault. '
            f"Allowed: 1 to 512 characters of {CHARACTERS_LISTED}"
        )
    if raw.startswith("/"):
        bare = raw.lstrip("/")
        hint = f'. Did you mean "{shown(bare)}"?' if "/" in bare else ""
        raise ReferenceRejected(
            f'"{shown(raw)}" starts with /. Write the mount, / and the path{hint}'
        )
    if "/" not in raw:
        raise ReferenceRejected(
            f'"{shown(raw)}" has no path. Write the mount, / and the path,'
            ' for example "secret/app/db"'
        )


def mount_of(reference: str, mounts: tuple[str, ...]) -> str | None:
    """The longest of `mounts` that the reference is below; None: it is below none."""
    above = (mount for mount in mounts if reference.startswith(mount + "/"))
    return max(above, key=len, default=None)
