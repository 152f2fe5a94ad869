"""The article's second model, as it stands, and who keeps its Secret: External Secrets Operator, or
a stand-in that writes what the operator writes.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from tests.e2e.install.kubectl import Place, run
from tests.make.external_secrets import DEFINITION, MANAGED, not_ready, status
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.install.world import Provider

Json = dict[str, Any]
OPERATOR = "LASTGOOD_E2E_EXTERNAL_SECRETS"
"""The operator's program, with src/deploy/crds/bundle.yaml beside it. Not set: a stand-in."""
PAYMENTS = Place("payments")
KEY = "/prod/payments/db"
SECRET = "payments-db-secret"
REGION = "ap-southeast-2"
SYNCED_S = 90.0
MANIFESTS = """\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata:
  name: aws-secretsmanager
  namespace: payments
spec:
  provider:
    aws:
      service: SecretsManager
      region: ap-southeast-2
      auth:
        jwt:
          serviceAccountRef:
            name: eso-sa
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: payments-db
  namespace: payments
spec:
  refreshPolicy: Periodic
  refreshInterval: 15m
  secretStoreRef:
    name: aws-secretsmanager
    kind: SecretStore
  target:
    name: payments-db-secret
    creationPolicy: Owner
    deletionPolicy: Retain
  data:
    - secretKey: username
      remoteRef:
        key: /prod/payments/db
        property: username
    - secretKey: password
      remoteRef:
        key: /prod/payments/db
        property: password
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: payments-api
  namespace: payments
spec:
  replicas: 3
  selector:
    matchLabels:
      app: payments-api
  template:
    metadata:
      labels:
        app: payments-api
    spec:
      containers:
        - name: app
          image: ghcr.io/example/payments-api:1.0.0
          env:
            - name: DB_USERNAME
              valueFrom:
                secretKeyRef:
                  name: payments-db-secret
                  key: username
            - name: DB_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: payments-db-secret
                  key: password
"""
"""https://github.com/external-secrets/external-secrets has the meaning of each field."""
STORE, EXTERNAL, DEPLOYMENT = yaml.safe_load_all(MANIFESTS)
ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/eso"}
PUT = """
import boto3
session = boto3.Session("e2e", "e2e", region_name={region!r})
client = session.client("secretsmanager", endpoint_url="http://127.0.0.1:5000")
value = {value!r}
if value is None:
    client.delete_secret(SecretId={name!r}, ForceDeleteWithoutRecovery=True)
else:
    try:
        client.put_secret_value(SecretId={name!r}, SecretString=value)
    except client.exceptions.ResourceNotFoundException:
        client.create_secret(Name={name!r}, SecretString=value)
"""


class Keeper(Protocol):
    """Who keeps the Secret."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def put(self, value: Json | None) -> None:
        """Changes the value at the provider, None deletes it, and waits until that is known."""
        ...

    def outage(self) -> None:
        """The provider fails from now on, until the next `put`."""
        ...

    def policy(self, deletion: str) -> None:
        """Changes the deletionPolicy."""
        ...


def keeper(provider: Provider) -> Keeper:
    """As the environment says."""
    program = os.environ.get(OPERATOR)
    return StandIn() if program is None else Operator(Path(program), provider)


class Operator:
    """External Secrets Operator as a process of this machine, and moto in the cluster."""

    def __init__(self, program: Path, provider: Provider) -> None:
        self._program = program
        self._provider = provider
        self._process: subprocess.Popen[bytes] | None = None
        self._crds = program.parent / "src/deploy/crds/bundle.yaml"

    def start(self) -> None:
        run("kubectl", "apply", "--server-side", "-f", str(self._crds))
        endpoint = f"http://{self._provider.address}"
        names = ("AWS_SECRETSMANAGER_ENDPOINT", "AWS_STS_ENDPOINT")
        words = ("leader-election=false", "push-secret-reconciler=false")
        self._process = subprocess.Popen(
            [
                str(self._program),
                *(f"--enable-{word}" for word in words),
                "--metrics-addr=127.0.0.1:18081",
            ],
            env={**os.environ, **dict.fromkeys(names, endpoint)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        account = {"apiVersion": "v1", "kind": "ServiceAccount"}
        PAYMENTS.apply({**account, "metadata": {"name": "eso-sa", "annotations": ROLE}})
        PAYMENTS.apply(STORE)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        run("kubectl", "delete", "--ignore-not-found", "--timeout=60s", "-f", str(self._crds))

    def put(self, value: Json | None) -> None:
        self._provider.fault("pass")
        self._provider.script(
            PUT.format(region=REGION, name=KEY, value=None if value is None else json.dumps(value))
        )
        self._reconciled()

    def outage(self) -> None:
        self._provider.fault("error-500")
        self._reconciled()

    def policy(self, deletion: str) -> None:
        PAYMENTS.patch(
            "externalsecret", "payments-db", {"spec": {"target": {"deletionPolicy": deletion}}}
        )

    def _reconciled(self) -> None:
        """By a new annotation, as its documentation has it."""
        if not _exists():
            return
        before = _external()
        mark = f"force-sync={time.time_ns()}"
        PAYMENTS.kubectl("annotate", "externalsecret", "payments-db", mark, "--overwrite")
        until("the operator", lambda: _outcome(_external()) != _outcome(before), SYNCED_S)


class StandIn:
    """Writes Secrets and statuses as they were seen of the operator."""

    def __init__(self) -> None:
        self._value: Json | None = None

    def start(self) -> None:
        run("kubectl", "apply", "--server-side", "-f", "-", given=json.dumps(DEFINITION))
        until(
            "the definition",
            lambda: "externalsecrets" in run("kubectl", "api-resources", "--cached=false"),
            SYNCED_S,
        )

    def stop(self) -> None:
        name = DEFINITION["metadata"]["name"]
        run("kubectl", "delete", "crd", name, "--ignore-not-found", "--timeout=60s")

    def put(self, value: Json | None) -> None:
        self._value = value
        if not _exists():
            return
        deletion = _external()["spec"]["target"]["deletionPolicy"]
        if value is None and deletion == "Retain":
            self.outage()
            return
        if value is None and deletion == "Delete":
            PAYMENTS.kubectl("delete", "secret", SECRET)
        else:
            self._write(value or {})
        self._say("SecretDeleted" if value is None and deletion == "Delete" else "SecretSynced")

    def outage(self) -> None:
        found = _external()
        failed = {**found["status"], "conditions": not_ready(_now())}
        self._patch(failed)

    def policy(self, deletion: str) -> None:
        PAYMENTS.patch(
            "externalsecret", "payments-db", {"spec": {"target": {"deletionPolicy": deletion}}}
        )
        self._say("SecretSynced")

    def applied(self) -> None:
        """The ExternalSecret is there."""
        self.put(self._value)

    def _write(self, value: Json) -> None:
        data = {key: base64.b64encode(str(it).encode()).decode() for key, it in value.items()}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "labels": {MANAGED: "true"}},
            "data": data,
        }
        kind = "replace" if has_secret() else "create"
        PAYMENTS.kubectl(kind, "-f", "-", given=json.dumps(body))

    def _say(self, reason: str) -> None:
        found = _external()
        made = status(EXTERNAL, found["metadata"]["generation"], _now())
        made["conditions"][0]["reason"] = reason
        self._patch(made)

    def _patch(self, found: Json) -> None:
        words = ("externalsecret", "payments-db", "--subresource=status", "--type=merge", "-p")
        PAYMENTS.kubectl("patch", *words, json.dumps({"status": found}))


def has_secret() -> bool:
    """Whether the Secret is there."""
    return f"secret/{SECRET}" in PAYMENTS.kubectl("get", "secrets", "-o", "name").split()


def apply_external() -> None:
    """As the article has it."""
    PAYMENTS.apply(EXTERNAL)


def _exists() -> bool:
    return bool(PAYMENTS.items("externalsecrets.external-secrets.io"))


def _external() -> Json:
    return PAYMENTS.get("externalsecret", "payments-db")


def _outcome(found: Json) -> tuple[object, ...]:
    told = found.get("status") or {}
    conditions = told.get("conditions") or [{}]
    return told.get("refreshTime"), told.get("syncedResourceVersion"), conditions[0].get("reason")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
