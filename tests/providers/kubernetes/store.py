"""Secrets of a namespace for the conformance suite: the stand-in API server behind the wire, with
the rights of the controller's service account there. A Role for each Secret grants it.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import http.client
import json
import ssl
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kubernetes.aio.client.configuration import Configuration

from apiserver import install
from apiserver.running import running
from certs.dev_ca import CA_FILE, CERT_FILE, KEY_FILE, write_pair
from cli.secret_grants import Grant, documents
from controller.cluster_secrets import ClusterSecrets
from kube.api import Api
from kube.api_resources import ROLE_BINDINGS, SECRETS
from providers.kubernetes.source.secrets import BINARY, KubernetesSecrets
from tests.make.standin import StandIn
from tests.providers.conformance.store import (
    PATIENCE_S,
    HttpStore,
    NotApplicable,
    Says,
    json_reply,
)
from tests.providers.conformance.wire import HOP, Asked, Reply, Wire
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.providers.conformance.store import Given, Reports

NAMESPACE = "conformance"


class ApiServer:
    """The stand-in with what the chart installs."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        write_pair(folder, ["localhost"], now=dt.datetime.now(dt.UTC))
        server = self._stack.enter_context(
            running(ca=folder / CA_FILE, certificate=folder / CERT_FILE, key=folder / KEY_FILE)
        )
        server.run(lambda found: install.install(found, webhook=False))
        self.standin = StandIn(server, folder)
        self.standin.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        self.token = server.call(lambda found: found.token(install.CONTROLLER))
        self._place = server.url.removeprefix("https://")
        self._tls = ssl.create_default_context(cafile=server.ca)

    def forward(self, asked: Asked) -> Reply:
        """Hands a request on."""
        connection = http.client.HTTPSConnection(self._place, timeout=20, context=self._tls)
        try:
            headers = {name: text for name, text in asked.headers.items() if name not in HOP}
            connection.request(asked.method, asked.target, asked.body or None, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        kept = {name: text for name, text in response.getheaders() if name.lower() not in HOP}
        return Reply(status=response.status, body=body, headers=kept, reason=response.reason)

    def stop(self) -> None:
        self._stack.close()


class _Client:
    """A loop in a thread, as the controller has one, and its client of the API server."""

    def __init__(self, address: str, token: str, timeout_s: float) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.cluster = asyncio.run_coroutine_threadsafe(
            self._open(address, token, timeout_s), self.loop
        ).result(20)

    async def _open(self, address: str, token: str, timeout_s: float) -> ClusterSecrets:
        configuration = Configuration(host=f"http://{address}")
        configuration.api_key = {"authorization": f"Bearer {token}"}
        self.api = Api(configuration, timeout_s=timeout_s)
        return ClusterSecrets(
            self.api, lambda *_: (), namespace=install.SYSTEM, clock=SystemClock()
        )

    def close(self) -> None:
        """Ends the connections and the loop."""
        if not self.loop.is_closed():
            asyncio.run_coroutine_threadsafe(self.api.close(), self.loop).result(20)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


class _Source(KubernetesSecrets):
    """With a client of its own, which the controller's parts otherwise share."""

    def __init__(self, client: _Client, given: Given) -> None:
        super().__init__(client.cluster, observer=given.observer)
        self._client = client

    def close(self) -> None:
        super().close()
        self._client.close()


class Secrets(HttpStore):
    """`k8s`."""

    scheme = "k8s"
    title = "k8s"
    server = "a stand-in for the API server"
    reports: ClassVar[Mapping[str, Reports]] = {
        "credentials expired mid-flight": NotApplicable("no login of its own"),
        "credentials rotated": NotApplicable("no login of its own"),
        "deleted": NotApplicable("every deletion is final"),
        "disabled": NotApplicable("not distinct from denied"),
        "going backwards": Says("value", note="no versions"),
        "pinned": Says("invalid", note="no versions"),
    }
    codes: ClassVar[Mapping[str, str]] = {
        "absent": "NotFound",
        "answer for another name": "AnotherSecret",
        "batch with one bad item": "Forbidden",
        "deleted for good": "NotFound",
        "denied": "Forbidden",
        "empty": "EmptySecret",
        "malformed": "Malformed",
        "pinned": "NoVersions",
        "pinned and gone": "NoVersions",
        "throttled": "TooManyRequests",
        "throttled with Retry-After": "TooManyRequests",
        "unavailable": "ServiceUnavailable",
    }

    def __init__(self, given: Given) -> None:
        self._server = given.servers.of(ApiServer)
        self.wire = Wire(self._server.forward)
        timeout_s = PATIENCE_S if given.impatient else 10.0
        client = _Client(self.wire.address, self._server.token, timeout_s)
        self.source = _Source(client, given)

    def reference(self, name: str) -> str:
        """With its grant: without one nobody learns whether there is such a Secret."""
        made = name.replace("/", ".")
        for _, body in documents(Grant(NAMESPACE, made), install.SYSTEM):
            self._server.standin.apply(body)
        return f"{NAMESPACE}/{made}"

    def on_wire(self, reference: str) -> str:
        return reference.partition("/")[2]

    def put(self, reference: str, value: bytes) -> None:
        self._put(reference, {"value": value})

    put_binary = put

    def put_empty(self, reference: str) -> None:
        self._put(reference, {})

    def read(self, value: bytes) -> bytes:
        try:
            members = {"value": value.decode()}
        except UnicodeDecodeError:
            members = {f"value{BINARY}": base64.b64encode(value).decode()}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()

    def remove(self, reference: str) -> None:
        self._server.standin.delete(SECRETS, self.on_wire(reference), NAMESPACE)

    def recreate(self, reference: str, value: bytes) -> None:
        self.remove(reference)
        self.put(reference, value)

    def deny(self, reference: str) -> None:
        name = f"lastgood-get-{self.on_wire(reference)}"
        self._server.standin.delete(ROLE_BINDINGS, name, NAMESPACE)

    def error(
        self, kind: Literal["throttled", "unavailable"], message: str = "by the test"
    ) -> Reply:
        code, reason = {
            "throttled": (429, "TooManyRequests"),
            "unavailable": (503, "ServiceUnavailable"),
        }[kind]
        return json_reply(
            code,
            {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": message,
                "reason": reason,
                "code": code,
            },
        )

    def _put(self, reference: str, data: dict[str, bytes]) -> None:
        name = self.on_wire(reference)
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "Opaque",
            "data": encoded,
        }
        self._server.standin.apply(body, NAMESPACE)
