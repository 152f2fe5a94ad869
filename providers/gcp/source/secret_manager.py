"""Secrets of Google Secret Manager, `gcp-sm`.

IAM: `secretmanager.versions.access`, as in roles/secretmanager.secretAccessor. Blocks for at most
`providers.http.Patience` per call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from contract.snapshot_format import MOST_INCARNATION
from providers.bearer_source import LAGGING, NAME_MISMATCH, BearerSource
from providers.gcp.source import answers
from providers.protocol import Failed, Material

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.gcp.account import Gcp
    from providers.gcp.source.answers import Version
    from providers.http import Http
    from providers.library_login import BearerToken
    from providers.protocol import CallCounter, FetchRequest, FetchResult

SCHEME = "gcp-sm"
ACCESS = "access"
CURRENT = "latest"

NOT_A_NUMBER = Failed(reason=FetchFailure.INVALID, code="VersionIsNoNumber")
"""A pin by an alias, or by `latest`: those move."""
OTHER_PROJECT = Failed(reason=FetchFailure.INVALID, code="ProjectMismatch")
_NUMBER = re.compile("[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """Where an account's secrets are."""

    base: str
    """URL before `/v1/`."""
    project: str
    """As the account names it."""
    number: str | None
    """The number that answers must have; None: any."""
    location: str | None
    """None: global."""

    @property
    def parent(self) -> str:
        """Of secrets, in URLs."""
        project = f"projects/{self.project}"
        return project if self.location is None else f"{project}/locations/{self.location}"


def place_of(block: Gcp) -> StoreAddress:
    """The endpoints of global and of regional secrets have different hosts."""
    host = "secretmanager.googleapis.com"
    if block.location is not None:
        host = f"secretmanager.{block.location}.rep.googleapis.com"
    own = block.project if block.project.isdigit() else None
    return StoreAddress(
        base=block.endpoint or f"https://{host}",
        project=block.project,
        number=block.project_number or own,
        location=block.location,
    )


class GoogleSecretManager(BearerSource):
    """One project and location under one login.

    It never says NotModified: numbers start at 1 again when a secret is deleted and made again, and
    `access` tells no time. So the engine compares the bytes.

    `latest` is eventually consistent, and a number is not. So a lower number than the stored
    one is believed only where the stored one is gone.
    """

    def __init__(
        self,
        http: Http,
        place: StoreAddress,
        *,
        token: Callable[[], BearerToken],
        observer: CallCounter | None,
    ) -> None:
        super().__init__(http, SCHEME, token=token, observer=observer)
        self._place = place

    def one(self, request: FetchRequest) -> tuple[FetchResult, int]:
        if request.version is not None and not _NUMBER.fullmatch(request.version):
            return NOT_A_NUMBER, 0
        found = self._access(request.reference, request.version or CURRENT)
        if isinstance(found, Failed):
            gone = request.version is not None and found.reason is FetchFailure.ABSENT
            return (answers.NOT_FOUND if gone else found), 1
        if request.version is None and self._is_older(found, request):
            before = self._access(request.reference, str(request.known_version))
            if not isinstance(before, Failed) or before.reason is not FetchFailure.ABSENT:
                return LAGGING, 2
            return self._material(found), 2
        return self._material(found), 1

    def _is_older(self, found: Version, request: FetchRequest) -> bool:
        known = request.known_version
        if known is None or request.known_incarnation not in {None, self._incarnation(found)}:
            return False
        return bool(_NUMBER.fullmatch(known)) and int(found.number) < int(known)

    def _access(self, secret: str, version: str) -> Version | Failed:
        """One call; an answer of another secret, version or place is none."""
        url = f"{self._place.base}/v1/{self._place.parent}/secrets/{secret}/versions/{version}"
        found = self.get(ACCESS, url + ":access", answers.of_access)
        return found if isinstance(found, Failed) else self._checked(found, secret, version)

    def _checked(self, found: Version, secret: str, version: str) -> Version | Failed:
        if (found.secret, found.location) != (secret, self._place.location):
            return NAME_MISMATCH
        if version not in {CURRENT, found.number}:
            return Failed(reason=FetchFailure.INVALID, code="VersionMismatch")
        allowed = {self._place.number} if self._place.number else {self._place.project}
        if found.project in allowed or (self._place.number is None and found.project.isdigit()):
            return found
        return OTHER_PROJECT

    def _material(self, found: Version) -> Material:
        return Material(
            version=found.number, value=found.value, incarnation=self._incarnation(found)
        )

    def _incarnation(self, found: Version) -> str:
        """Projects and locations each count from 1. A project's number is never used again."""
        mark = found.project if found.location is None else f"{found.project}/{found.location}"
        return mark[:MOST_INCARNATION]
