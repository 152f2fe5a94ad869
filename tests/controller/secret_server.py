"""Secrets as an API server keeps them: what the controller's writes of them meet, in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from contract.snapshot_format import SECRET_TYPE
from controller.snapshot_record import RECORD_TYPE
from kube.errors import GoneError, of_status

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from kube.errors import ApiError

Json = dict[str, Any]
_OURS = frozenset({SECRET_TYPE, RECORD_TYPE})


class Killed(Exception):  # noqa: N818 - it is what happens to us
    """Nothing more is sent."""


class SecretServer:
    """By path. `left` writes are answered; then we die. A write that changes nothing is none."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.namespaces = {"payments": "uid-of-payments"}
        """UIDs by name."""
        self.left = 1000
        self.writes: list[str] = []
        """Method and path of each that changed something."""
        self.requests: list[str] = []
        self.lost = 0
        """The answer of the write of this number, from here on, is lost; 0: of none."""
        self.page = 2
        self.gone = 0
        """So many lists end after a page, because they are too old."""
        self._version = 0

    async def get(self, path: str) -> Json:
        self.requests.append(f"GET {path}")
        await asyncio.sleep(0)  # others have their turn
        namespace = path.removeprefix("/api/v1/namespaces/")
        if "/" not in namespace:
            if namespace not in self.namespaces:
                raise refusal(404, "NotFound")
            return {"metadata": {"uid": self.namespaces[namespace]}}
        return self._there(path)

    async def pages(
        self, path: str, *, field_selector: str | None = None
    ) -> AsyncGenerator[Json, None]:
        wanted = (field_selector or "type=").removeprefix("type=")
        inside = [item for name, item in self.objects.items() if name.startswith(path + "/")]
        found = [item for item in inside if item["type"] == wanted]
        for begin in range(0, len(found), self.page):
            if begin and self.gone:
                self.gone -= 1
                raise GoneError(status=410, reason="Expired", method="GET", path=path)
            yield {"items": found[begin : begin + self.page]}

    async def create(self, path: str, body: Mapping[str, Any]) -> Json:
        path = f"{path}/{body['metadata']['name']}"
        self.requests.append(f"POST {path}")
        await asyncio.sleep(0)  # others have their turn
        if path in self.objects:
            raise refusal(409, "AlreadyExists")
        return self._put("POST", path, body, {"uid": f"uid-{self._version + 1}"})

    async def replace(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Json:
        self.requests.append(f"PUT {path}")
        await asyncio.sleep(0)  # others have their turn
        found = self._there(path)
        if found["type"] not in _OURS:
            raise refusal(422, "Invalid")
        known = body["metadata"].get("resourceVersion", found["metadata"]["resourceVersion"])
        if known != found["metadata"]["resourceVersion"]:
            raise refusal(409, "Conflict")
        if dry_run:
            return found
        before = found["metadata"]
        same = (found["data"], before["labels"]) == (body["data"], body["metadata"]["labels"])
        return found if same else self._put("PUT", path, body, {"uid": before["uid"]})

    async def delete(self, path: str, *, uid: str | None = None) -> Json:
        self.requests.append(f"DELETE {path}")
        await asyncio.sleep(0)  # others have their turn
        found = self._there(path)
        if found["type"] not in _OURS:
            raise refusal(422, "Invalid")
        if uid not in {None, found["metadata"]["uid"]}:
            raise refusal(409, "Conflict")
        self.writes.append(f"DELETE {path}")
        return self.objects.pop(path)

    def _there(self, path: str) -> Json:
        if path not in self.objects:
            raise refusal(404, "NotFound")
        return self.objects[path]

    def _put(self, method: str, path: str, body: Mapping[str, Any], more: Json) -> Json:
        if self.left == 0:
            raise Killed
        self.left -= 1
        self._version += 1
        metadata = {**body["metadata"], **more, "resourceVersion": str(self._version)}
        self.objects[path] = json.loads(json.dumps({**body, "metadata": metadata}))
        self.writes.append(f"{method} {path}")
        self.lost -= 1
        if self.lost == 0:
            raise refusal(503, "")
        return self.objects[path]


def refusal(status: int, reason: str) -> ApiError:
    """As the API server refuses."""
    return of_status(status, reason=reason, method="PUT", path="/secrets")
