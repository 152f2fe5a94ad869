"""External Secrets Operator, as far as others see it: it writes Secrets, and the statuses that were
seen of 0.16.2 and 2.9.0.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kube.api_resources import EXTERNAL_SECRETS, SECRETS
from tests.make import kinds

if TYPE_CHECKING:
    from tests.make.standin import StandIn

Json = dict[str, Any]
DEFINITION: Json = yaml.safe_load(Path(__file__).with_name("externalsecrets.yaml").read_text())
MANAGED = "reconcile.external-secrets.io/managed"


def external_secret(name: str, secret: str | None = None, /, **spec: Any) -> Json:  # noqa: ANN401 - a spec
    """A manifest. `secret` None: the Secret has its name."""
    body: Json = {
        "refreshInterval": "15m",
        "secretStoreRef": {"name": "aws-secretsmanager", "kind": "SecretStore"},
        "data": [{"secretKey": "password", "remoteRef": {"key": "/prod/payments/db"}}],
        **spec,
    }
    if secret is not None:
        body["target"] = {"name": secret, **body.get("target", {})}
    return {
        "apiVersion": EXTERNAL_SECRETS.api_version,
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": body,
    }


def status(manifest: Json, generation: int, refreshed: str, **changes: object) -> Json:
    """As the operator writes it after a good refresh. A change of None removes a field."""
    target = (manifest["spec"].get("target") or {}).get("name", manifest["metadata"]["name"])
    found: Json = {
        "refreshTime": refreshed,
        "syncedResourceVersion": f"{generation}-5c3c29d1bc9c7ab4d8bd2d4eaa5f1d3c",
        "binding": {"name": target},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "SecretSynced",
                "message": "secret synced",
                "lastTransitionTime": refreshed,
            }
        ],
        **changes,
    }
    return {key: value for key, value in found.items() if value is not None}


def not_ready(since: str) -> list[Json]:
    """The conditions while the provider fails."""
    return [
        {
            "type": "Ready",
            "status": "False",
            "reason": "SecretSyncedError",
            "message": "could not get secret data from provider",
            "lastTransitionTime": since,
        }
    ]


def secret(name: str, data: dict[str, bytes], **more: object) -> Json:
    """A Secret."""
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque",
        "data": encoded,
        **more,
    }


@dataclass
class Operator:
    """Keeps Secrets of one namespace on the stand-in."""

    server: StandIn
    namespace: str = "payments"

    def define(self) -> None:
        """Installs the definition."""
        self.server.client.call("POST", kinds.CUSTOM_RESOURCES.path(), DEFINITION)

    def undefine(self) -> None:
        """Removes it."""
        name = DEFINITION["metadata"]["name"]
        self.server.client.call("DELETE", kinds.CUSTOM_RESOURCES.path(name=name))

    def put(self, name: str, data: dict[str, bytes], *, managed: bool = True) -> None:
        """Writes a Secret, as the operator or as somebody else."""
        body = secret(name, data)
        if managed:
            body["metadata"]["labels"] = {MANAGED: "true"}
        self.server.apply(body, self.namespace)

    def sync(self, manifest: Json, refreshed: str, **changes: object) -> None:
        """Writes the manifest, if it is new, and its status."""
        name = manifest["metadata"]["name"]
        found = self.server.get(EXTERNAL_SECRETS, name, self.namespace)
        if found is None:
            self.server.client.call("POST", EXTERNAL_SECRETS.path(self.namespace), manifest)
            found = self.server.get(EXTERNAL_SECRETS, name, self.namespace)
        assert found is not None
        written = status(manifest, found["metadata"]["generation"], refreshed, **changes)
        cleared = dict.fromkeys(found.get("status") or {}) | written
        self.server.patch(
            EXTERNAL_SECRETS,
            name,
            {"status": cleared},
            namespace=self.namespace,
            subresource="status",
        )

    def drop(self, name: str) -> None:
        """Deletes a Secret."""
        self.server.delete(SECRETS, name, self.namespace)
