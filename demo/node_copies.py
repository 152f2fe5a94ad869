"""The node's copies of Secrets, ConfigMaps and pods, which watches keep current."""

from __future__ import annotations

import base64
import threading
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from kube.api_resources import CONFIG_MAPS, PODS, SECRETS
from kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiserver.client import IdentityClient
    from kube.api_resources import Resource

    Manifest = dict[str, Any]

KINDS = {"secret": SECRETS, "configMap": CONFIG_MAPS}
"""By the name of the source in a projected volume."""
_AGAIN_S = 0.2


class Copy:
    """All objects of one kind, followed by a thread of its own until `close`."""

    def __init__(self, client: IdentityClient, resource: Resource) -> None:
        self._client = client
        self._path = resource.path()
        self._items: dict[tuple[str, str], Manifest] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def get(self, namespace: str, name: str) -> Manifest | None:
        """None: it is not there."""
        return self._items.get((namespace, name))

    def close(self) -> None:
        """The thread ends with its watch, which the API server's end ends."""
        self._closed.set()

    def _follow(self) -> None:
        while not self._closed.is_set():
            try:
                self._list_and_watch()
            except (ApiError, HTTPException, OSError, ValueError):
                self._closed.wait(_AGAIN_S)

    def _list_and_watch(self) -> None:
        listed = self._client.call("GET", self._path)
        self._items = {_key(item): item for item in listed["items"]}
        for event in self._client.watch(self._path, listed["metadata"]["resourceVersion"]):
            content = event["object"]
            if event["type"] == "DELETED":
                self._items.pop(_key(content), None)
            elif event["type"] != "ERROR":
                self._items[_key(content)] = content
            else:
                return


class Objects:
    """What the kubelet of one node knows."""

    def __init__(self, client: IdentityClient) -> None:
        self.pods = Copy(client, PODS)
        self._copies = {name: Copy(client, resource) for name, resource in KINDS.items()}

    def read(self, kind: str, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The keys of a Secret (`secret`) or ConfigMap (`configMap`); None: it is not there."""
        found = self._copies[kind].get(namespace, name)
        if found is None:
            return None
        data = found.get("data") or {}
        if kind == "secret":
            return {key: base64.b64decode(text) for key, text in data.items()}
        return {key: text.encode() for key, text in data.items()}

    def close(self) -> None:
        """Before the API server ends."""
        for copy in (self.pods, *self._copies.values()):
            copy.close()


def _key(content: Manifest) -> tuple[str, str]:
    metadata = content["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
