"""Names of secrets in Google Secret Manager, `gcp-sm`. Pure."""

from __future__ import annotations

import re

from contract.quoted import shown
from contract.reference import ReferenceRejected, is_property

CEL = "^[A-Za-z0-9_-]{1,255}$"
"""What `check_secret_id` accepts, in the syntax of RE2."""
_NAME = re.compile("[A-Za-z0-9_-]{1,255}")
_PINNED = "A version is pinned with lastgood pin"
_ID = "(?P<id>[A-Za-z0-9_-]{1,255})"
_RESOURCE = re.compile(
    "/*(?:(?:https://|//)?secretmanager[^/]*/(?:v1/)?)?"
    "(?P<project>projects/[^/]+/(?:locations/[^/]+/)?)?secrets/"
    + _ID
    + "(?:/versions/(?P<version>[^/:]+).*|/.*)?"
)
"""In full, as Google prints it, or from secrets/ on."""
_VERSIONED = re.compile("(?P<project>)" + _ID + "(?:/versions/|:)(?P<version>latest|[0-9]+)")
"""Of `gcloud` and of other tools."""


def check_secret_id(raw: str) -> None:
    """ReferenceRejected, unless it is a secret's ID. Project and location are the account's."""
    if _NAME.fullmatch(raw):
        return
    raise ReferenceRejected(
        f'"{shown(raw)}" is not a valid secret ID in Google Secret Manager.'
        f" Allowed: 1 to 255 characters of A-Z a-z 0-9 _ -{_hint(raw)}"
    )


def _hint(raw: str) -> str:
    """The nearest right spelling: of a resource's name, and of ID:VERSION and ID:PROPERTY."""
    found = _RESOURCE.fullmatch(raw) or _VERSIONED.fullmatch(raw)
    if found is not None:
        where = " The project is set in the SecretAccount" if found["project"] else ""
        version = found["version"]
        pinned = "" if version in {None, "latest"} else f"{'.' if where else ''} {_PINNED}"
        return f'. Did you mean "{found["id"]}"?{where}{pinned}'
    name, colon, key = raw.partition(":")
    if not colon or not _NAME.fullmatch(name) or not is_property(key):
        return ""
    return f'. Did you mean "{name}#{key}"?'
