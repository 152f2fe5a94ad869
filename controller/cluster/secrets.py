"""Snapshot Secrets, read and written without the right to read Secrets: an empty merge patch
answers with the object. Created by POST, changed by a merge patch that names only what changes
(DESIGN.md section 6).
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from contract.snapshot import META, SECRET_TYPE
from kube.errors import ConflictError, InvalidError, NotFoundError
from kube.resources import SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kube.api import Json

    Ours = Callable[[Mapping[str, bytes]], bool]


MARK = {"app.kubernetes.io/managed-by": "lastgood"}
"""By which the chart's policy knows what nobody else may delete."""
_NOT_FOUND = "NotFound"
"""The API server's own word; a 404 of something on the way to it says nothing of the Secret."""
_KEPT_FROM_US = 422
"""The chart's policy answers so where the Secret is of another type."""


class Writes(Protocol):
    """What is asked of the API server: `kube.api.Api`, fenced."""

    async def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """AlreadyExistsError."""
        ...

    async def merge_patch(
        self, path: str, body: Mapping[str, Any], *, dry_run: bool = False
    ) -> Json:
        """NotFoundError, ConflictError."""
        ...

    async def delete(self, path: str, *, resource_version: str | None = None) -> Json:
        """NotFoundError, ConflictError."""
        ...


class ForeignSecretError(Exception):
    """A Secret of the name is there that is not ours, or that its policy keeps from us. Caught by
    the ledger.
    """


@dataclass(slots=True)
class _Held:
    """What is known of one Secret as it stands there, without its bytes."""

    resource_version: str
    digests: dict[str, bytes] = field(default_factory=dict)
    meta: bytes | None = None
    """Its meta.json, which is no secret; None: it has none."""


class Secrets:
    """The Secrets of one controller. `salt` is random, and stays in this process: digests are only
    compared with each other. Calls for one Secret must not overlap.
    """

    def __init__(self, api: Writes, salt: bytes) -> None:
        self._api = api
        self._salt = salt
        self._held: dict[tuple[str, str], _Held] = {}

    async def read(self, namespace: str, name: str, ours: Ours) -> dict[str, bytes] | None:
        """The keys; None: there is no such Secret. One of ours without our mark, as a restore may
        leave it, gets it again.

        ForeignSecretError: it is none of ours, by its type or by `ours`. ApiError: neither is
        certain, as after a 401 or 403: a right of ours that is missing for a moment must not make
        what is published count as lost.
        """
        self._held.pop((namespace, name), None)
        try:
            found = await self._api.merge_patch(SECRETS.path(namespace, name), {})
        except NotFoundError as error:
            if error.reason != _NOT_FOUND:
                raise
            return None
        except InvalidError as error:
            if error.status != _KEPT_FROM_US:
                raise
            raise ForeignSecretError(f"{namespace}/{name} is kept from us") from None
        data = _decoded(found)
        if found.get("type") != SECRET_TYPE or not ours(data):
            raise ForeignSecretError(f"{namespace}/{name} is not ours")
        if MARK.items() - (found["metadata"].get("labels") or {}).items():
            version = found["metadata"]["resourceVersion"]
            mark = {"metadata": {"resourceVersion": version, "labels": MARK}}
            found = await self._api.merge_patch(SECRETS.path(namespace, name), mark)
        self._hold(namespace, name, found, data)
        return data

    async def write(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, bytes],
        ours: Ours,
        *,
        prune: bool = True,
    ) -> None:
        """Makes these the keys; with `prune` no others. Nothing is sent when that is so already."""
        for _ in range(2):
            held = self._held.get((namespace, name))
            try:
                if held is None:
                    await self._create(namespace, name, data)
                else:
                    await self._patch(namespace, name, data, held, prune=prune)
            except NotFoundError:
                if held is None:
                    raise
                del self._held[namespace, name]
            except ConflictError:
                await self.read(namespace, name, ours)
            else:
                return
        await self._patch(namespace, name, data, self._held[namespace, name], prune=prune)

    def meta(self, namespace: str, name: str) -> bytes | None:
        """The meta.json of a Secret that was read or written; None: it has none, or was not."""
        held = self._held.get((namespace, name))
        return None if held is None else held.meta

    def keys(self, namespace: str, name: str) -> frozenset[str]:
        """The keys of a Secret that was read or written; none when it was not."""
        held = self._held.get((namespace, name))
        return frozenset() if held is None else frozenset(held.digests)

    async def delete(self, namespace: str, name: str) -> None:
        """Removes it, if it is as we left it. ConflictError: it is not."""
        held = self._held.get((namespace, name))
        if held is None:
            return
        with suppress(NotFoundError):
            await self._api.delete(
                SECRETS.path(namespace, name), resource_version=held.resource_version
            )
        del self._held[namespace, name]

    async def _create(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        body = {
            "apiVersion": SECRETS.api_version,
            "kind": "Secret",
            "type": SECRET_TYPE,
            "metadata": {"name": name, "labels": MARK},
            "data": _encoded(data),
        }
        self._hold(namespace, name, await self._api.create(SECRETS.path(namespace), body), data)

    async def _patch(
        self, namespace: str, name: str, data: Mapping[str, bytes], held: _Held, *, prune: bool
    ) -> None:
        digests = {key: self._digest(value) for key, value in data.items()}
        changed = {key: data[key] for key in data if held.digests.get(key) != digests[key]}
        removed = held.digests.keys() - data.keys() if prune else ()
        if not changed and not removed:
            return
        patch: dict[str, Any] = {
            "metadata": {"resourceVersion": held.resource_version},
            "data": {**_encoded(changed), **dict.fromkeys(removed)},
        }
        found = await self._api.merge_patch(SECRETS.path(namespace, name), patch)
        self._hold(namespace, name, found, _decoded(found))

    def _hold(self, namespace: str, name: str, found: Json, data: Mapping[str, bytes]) -> None:
        self._held[namespace, name] = _Held(
            str(found["metadata"]["resourceVersion"]),
            {key: self._digest(value) for key, value in data.items()},
            data.get(META),
        )

    def _digest(self, value: bytes) -> bytes:
        return blake2b(value, key=self._salt, digest_size=16).digest()


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}


def _decoded(found: Json) -> dict[str, bytes]:
    return {key: base64.b64decode(value or "") for key, value in (found.get("data") or {}).items()}
