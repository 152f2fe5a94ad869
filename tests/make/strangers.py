"""Pods as other tools leave them: what injectors, operators and charts write, each in its own way.

Each opts in to a secret, and is one that the API server takes.
"""

from __future__ import annotations

import copy
from typing import Any

Pod = dict[str, Any]

_ASK = {"lastgood.dev/secret.db": "aws-sm:/prod/payments/db#password"}
_ASK_MOUNT = {**_ASK, "lastgood.dev/mode": "mount", "lastgood.dev/env.DB_FILE": "db"}
_TOKEN = {
    "name": "kube-api-access-x7k2p",
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "readOnly": True,
}
_TOKEN_VOLUME = {
    "name": "kube-api-access-x7k2p",
    "projected": {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca"}]}},
        ],
    },
}


def _pod(spec: dict[str, Any], ask: dict[str, str], **metadata: object) -> Pod:
    notes = {"prometheus.io/scrape": "true", **ask}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "app-6f9d-",
            "namespace": "payments",
            "labels": {"app": "app"},
            "annotations": notes,
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-6f9d", "uid": "1"}
            ],
            **metadata,
        },
        "spec": {"serviceAccountName": "app", "volumes": [_TOKEN_VOLUME], **spec},
    }


def _app(name: str = "app", **fields: object) -> dict[str, Any]:
    return {"name": name, "image": f"registry.example/{name}:1", "volumeMounts": [_TOKEN], **fields}


MESH = _pod(
    {
        "initContainers": [
            _app("istio-init", securityContext={"runAsUser": 0, "capabilities": {"add": ["NET"]}}),
            _app("istio-proxy", restartPolicy="Always", ports=[{"containerPort": 15090}]),
            _app("migrate", command=["./migrate"], env=[{"name": "A", "value": "$(B)"}]),
        ],
        "containers": [_app(ports=[{"name": "http", "containerPort": 8080}])],
        "securityContext": {"fsGroup": 1337},
        "volumes": [{"name": "istio-token", "emptyDir": {"medium": "Memory"}}, _TOKEN_VOLUME],
    },
    _ASK,
    labels={"sidecar.istio.io/inject": "true"},
)
OPENSHIFT = _pod(
    {
        "containers": [
            _app(securityContext={"runAsUser": 1000650000, "runAsNonRoot": True}),
            _app("oauth-proxy", securityContext={"runAsUser": 1000650000}),
        ],
        "securityContext": {"fsGroup": 1000650000, "seLinuxOptions": {"level": "s0:c26,c5"}},
        "imagePullSecrets": [{"name": "default-dockercfg-x"}],
    },
    {**_ASK, "openshift.io/scc": "restricted-v2"},
)
JOB = _pod(
    {
        "restartPolicy": "Never",
        "containers": [_app(resources={"limits": {"nvidia.com/gpu": 1, "cpu": "1500u"}})],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "automountServiceAccountToken": False,
        "volumes": [],
    },
    _ASK,
)
DATABASE = _pod(
    {
        "containers": [
            _app(
                "postgres",
                env=[
                    {"name": "PASSFILE", "value": "$(DB_FILE)"},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                volumeMounts=[
                    {"name": "data", "mountPath": "/var/lib/postgresql/data", "subPath": "pg"},
                    {"name": "run", "mountPath": "/var/run/postgresql/"},
                    _TOKEN,
                ],
                livenessProbe={"exec": {"command": ["pg_isready"]}},
                resources={"requests": {"cpu": "1", "memory": "1.3Gi"}},
            ),
            _app("exporter", resources={}),
        ],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}},
            {"name": "run", "emptyDir": {}},
            _TOKEN_VOLUME,
        ],
        "hostname": "db-0",
        "subdomain": "db",
        "shareProcessNamespace": True,
        "securityContext": {"runAsUser": 999, "runAsGroup": 999},
    },
    _ASK_MOUNT,
)
BUDGET = _pod(
    {
        "containers": [_app(), _app("worker", securityContext={"runAsUser": 1000})],
        "resources": {
            "requests": {"cpu": "500m", "memory": "1.3Gi"},
            "limits": {"cpu": "1e0", "memory": "2.5G", "hugepages-2Mi": "4Mi"},
        },
    },
    {**_ASK, "lastgood.dev/containers": "app,worker", "lastgood.dev/mount-path": "/secrets"},
)
NODE_AGENT = _pod(
    {
        "hostNetwork": True,
        "hostPID": True,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [
            _app(
                securityContext={"privileged": True},
                env=None,
                volumeMounts=[{"name": "proc", "mountPath": "/host/proc", "readOnly": True}],
            )
        ],
        "volumes": [{"name": "proc", "hostPath": {"path": "/proc", "type": ""}}],
        "schedulingGates": [{"name": "example.org/quota"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
    },
    {**_ASK, "lastgood.dev/reload": "http://127.0.0.1:8080/-/reload"},
)
WINDOWS = _pod(
    {
        "hostNetwork": True,
        "containers": [
            _app(
                securityContext={
                    "windowsOptions": {
                        "hostProcess": True,
                        "runAsUserName": "NT AUTHORITY\\SYSTEM",
                    }
                }
            )
        ],
    },
    _ASK,
)

STRANGERS: dict[str, Pod] = {
    "mesh": MESH,
    "openshift": OPENSHIFT,
    "job": JOB,
    "database": DATABASE,
    "budget": BUDGET,
    "node agent": NODE_AGENT,
    "windows": WINDOWS,
}


def stranger(name: str) -> Pod:
    """One of them, to change."""
    return copy.deepcopy(STRANGERS[name])
