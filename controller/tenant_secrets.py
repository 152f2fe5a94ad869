"""The snapshots' Secrets in tenants' namespaces, which the controller may write and not read.

A PUT carries everything. One that changes nothing is no write for the API server, so it is also the
way to check what is there (docs/design/017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from contract.snapshot_format import SECRET_TYPE
from controller.snapshot_record import MARK, encoded
from kube.api_resources import SECRETS
from kube.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.api import Json

_NOT_FOUND = "NotFound"
"""The API server's own word; a 404 of something on the way to it says nothing of the Secret."""
_KEPT_FROM_US = 422
"""The chart's policy answers so where the Secret is of another type, and the API server itself
where we would change its type, or where it is immutable."""
_TRIES = 4
"""Of one write, each after another answer."""


class SecretWrites(Protocol):
    """What is asked of the API server: `kube.api.Api`, fenced."""

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        """AlreadyExistsError."""
        ...

    async def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        """NotFoundError, ConflictError."""
        ...

    async def delete(self, path: str) -> Json:
        """NotFoundError."""
        ...


class ForeignSecretError(Exception):
    """A Secret of the name is there that is not ours. Caught by `snapshot_writer`."""


class Secrets:
    """Calls for one Secret must not overlap."""

    def __init__(self, api: SecretWrites) -> None:
        self._api = api

    async def write(
        self, namespace: str, name: str, data: Mapping[str, bytes], version: str | None
    ) -> tuple[str, bool]:
        """Makes these the keys, whatever is there. Its resource version, and whether it was made
        now. `version` is the one that we left; None: we left none.

        ForeignSecretError: a Secret of another type, or one that can't be changed, is there.
        ApiError: the write may not have happened.
        """
        known, make = version, version is None
        for _ in range(_TRIES - 1):
            try:
                return await self._once(namespace, name, data, known, make=make)
            except InvalidError as error:
                if error.status == _KEPT_FROM_US and await self.is_foreign(namespace, name):
                    raise ForeignSecretError(f"{namespace}/{name} is kept from us") from None
                raise
            except AlreadyExistsError:
                known, make = None, False
            except ConflictError:  # somebody changed it: what we have is the truth
                known = None
            except NotFoundError as error:
                if make or error.reason != _NOT_FOUND:
                    raise
                make = True
        return await self._once(namespace, name, data, known, make=make)

    async def is_foreign(self, namespace: str, name: str) -> bool:
        """Whether a Secret of this name is there that we could not write over. Writes nothing.
        ApiError: that can't be told.
        """
        try:
            await self._put(namespace, name, {}, None, dry_run=True)
        except NotFoundError:
            return False
        except InvalidError as error:
            if error.status != _KEPT_FROM_US:
                raise
            return True
        return False

    async def delete(self, namespace: str, name: str) -> None:
        """Removes it. ForeignSecretError, ApiError: it is there still."""
        try:
            await self._api.delete(SECRETS.path(namespace, name))
        except NotFoundError:
            return
        except InvalidError as error:
            if error.status != _KEPT_FROM_US:
                raise
            raise ForeignSecretError(f"{namespace}/{name} is kept from us") from None

    async def _once(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, bytes],
        version: str | None,
        *,
        make: bool,
    ) -> tuple[str, bool]:
        if make:
            found = await self._api.create(SECRETS.path(namespace), _body(name, data))
        else:
            found = await self._put(namespace, name, data, version)
        return str(found["metadata"]["resourceVersion"]), make

    async def _put(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, bytes],
        version: str | None,
        *,
        dry_run: bool = False,
    ) -> Json:
        body = _body(name, data)
        if version is not None:
            body["metadata"]["resourceVersion"] = version
        return await self._api.replace(SECRETS.path(namespace, name), body, dry_run=dry_run)


def _body(name: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "apiVersion": SECRETS.api_version,
        "kind": "Secret",
        "type": SECRET_TYPE,
        "metadata": {"name": name, "labels": dict(MARK)},
        "data": encoded(data),
    }
