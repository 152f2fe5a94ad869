"""Secrets of Azure Key Vault, `azure-kv`.

Role: Key Vault Secrets User. Blocks for at most `providers.http.Patience` per call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from providers.azure.source import answers
from providers.bearer_source import LAGGING, NAME_MISMATCH, BearerSource
from providers.protocol import Failed, Material, NotModified

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.azure.account import Azure
    from providers.azure.source.answers import SecretVersion
    from providers.http import Http
    from providers.library_login import BearerToken
    from providers.protocol import CallCounter, FetchRequest, FetchResult

SCHEME = "azure-kv"
GET = "get"
API_VERSION = "7.5"
"""Older than the newest, and known in every cloud."""

_VERSION = re.compile("[0-9a-f]{32}")
_GONE = (answers.ABSENT, answers.DISABLED)
"""What proves that the stored version is no longer the current one."""


class AzureKeyVault(BearerSource):
    """One vault under one login.

    A vault that failed over is served by a replica, which may lag behind. So a version other than
    the stored one is believed only where it was created later, or the stored one is gone.
    """

    def __init__(
        self,
        http: Http,
        block: Azure,
        *,
        token: Callable[[], BearerToken],
        observer: CallCounter | None,
    ) -> None:
        super().__init__(http, SCHEME, token=token, observer=observer)
        self._url = block.vault_url
        self._host = block.host
        self._tenant = block.tenant_id
        self._warned: dict[str, tuple[str, str]] = {}
        """The version and word that were said last, by secret."""

    def one(self, request: FetchRequest) -> tuple[FetchResult, int]:
        if request.version is not None:
            return self._pinned(request.reference, request.version)
        found = self._get(request.reference)
        if isinstance(found, Failed):
            return found, 1
        known = request.known_version
        if found.version == known:
            return NotModified(version=found.version, warning=self._warning(found)), 1
        if known is not None and _VERSION.fullmatch(known):
            return self._older(found, known) or self._material(found), 2
        return self._material(found), 1

    def _pinned(self, name: str, version: str) -> tuple[FetchResult, int]:
        if not _VERSION.fullmatch(version):
            return answers.NOT_FOUND, 0
        found = self._get(name, version)
        if isinstance(found, Failed):
            return (answers.NOT_FOUND if found == answers.ABSENT else found), 1
        return self._material(found), 1

    def _older(self, found: SecretVersion, known: str) -> Failed | None:
        """Why it is not believed that `found` is newer than the stored version; None: it is."""
        before = self._get(found.name, known)
        if isinstance(before, Failed):
            return None if before in _GONE else before
        return LAGGING if found.created < before.created else None

    def _get(self, name: str, version: str = "") -> SecretVersion | Failed:
        """One call; an answer of another vault, secret or version is none."""
        path = f"{name}/{version}" if version else name
        url = f"{self._url}/secrets/{path}?api-version={API_VERSION}"
        found = self.get(GET, url, lambda answer: answers.of_get(answer, self._tenant))
        if isinstance(found, Failed):
            return found
        if (found.host, found.name) != (self._host, name) or version not in {"", found.version}:
            return NAME_MISMATCH
        return found

    def _material(self, found: SecretVersion) -> Material:
        return Material(version=found.version, value=found.value, warning=self._warning(found))

    def _warning(self, found: SecretVersion) -> str | None:
        """Once per version."""
        word = found.warning
        if word is None or self._warned.get(found.name) == (found.version, word):
            return None
        self._warned[found.name] = found.version, word
        return word
