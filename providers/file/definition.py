"""Files below one folder, for tests. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import CHARACTERS, CHARACTERS_LISTED, ReferenceRejected
from providers.definition import Provider, Scheme
from providers.file.account import File

_PATH = re.compile(rf"/[{CHARACTERS}]{{1,511}}")


def check_path(raw: str) -> None:
    """ReferenceRejected, unless it is a path below the account's folder."""
    if not _PATH.fullmatch(raw):
        raise ReferenceRejected(
            f'"{shown(raw)}" is not a valid path. Allowed: / and then 1 to 511 characters of'
            f" {CHARACTERS_LISTED}"
        )


FILE = Provider(
    name="file",
    block=File,
    about="Location of the files. Required with provider file, otherwise not allowed.",
    schemes=(
        Scheme(
            name="file",
            check=check_path,
            revoked={
                "with provider file, a revoked reference must be a path that starts with /": (
                    "it.reference.startsWith('/')"
                )
            },
        ),
    ),
    # The controller's own files are its token and its host's.
    only_for_tests=(
        "provider file is for tests: on a cluster it would serve the controller's own"
        " files; name another provider"
    ),
)
