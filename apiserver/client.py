"""A plain client of the stand-in, for who plays the admin, a workload controller or a kubelet."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from kube.errors import of_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Json = dict[str, Any]
_REFUSED = 300
_PATCH = "application/merge-patch+json"


class IdentityClient:
    """One identity. Each request has a connection of its own."""

    def __init__(self, url: str, ca: Path, token: str) -> None:
        self._host = urlsplit(url).netloc
        self._tls = ssl.create_default_context(cafile=str(ca))
        self._token = token

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """An answer. kube.errors.ApiError, with the server's sentence as a note."""
        connection = HTTPSConnection(self._host, timeout=30, context=self._tls)
        target = path if query is None else f"{path}?{urlencode(query)}"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        sent = None if body is None else json.dumps(body)
        try:
            connection.request(method, target, sent, headers)
            answer = connection.getresponse()
            found: Json = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status >= _REFUSED:
            reason = str(found.get("reason") or "")
            error = of_status(answer.status, reason=reason, method=method, path=path)
            error.add_note(str(found.get("message")))
            raise error
        return found

    def patch(self, path: str, body: Json) -> Json:
        """A JSON merge patch."""
        return self.call("PATCH", path, body, content_type=_PATCH)

    def watch(self, path: str, version: str) -> Iterator[Json]:
        """The events since a version, until the connection ends."""
        connection = HTTPSConnection(self._host, timeout=3600, context=self._tls)
        query = urlencode({"watch": "true", "resourceVersion": version})
        try:
            connection.request(
                "GET", f"{path}?{query}", headers={"Authorization": f"Bearer {self._token}"}
            )
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()


def kubeconfig(url: str, ca: Path, token: str, *, user: str, namespace: str) -> Json:
    """A kubeconfig of a user, for our processes and for kubectl."""
    name = "standin"
    context = {"cluster": name, "user": user, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": context}],
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": user, "user": {"token": token}}],
    }
