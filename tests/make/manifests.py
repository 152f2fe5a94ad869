"""Kubernetes manifests as plain dictionaries, each a new one: change what you like."""

from __future__ import annotations

from typing import Any

from contract.annotations import POLICY_LABEL, SECRET

Manifest = dict[str, Any]


def asking(**sources: str) -> dict[str, str]:
    """`secret.<name>` annotations: `db_password` gives the name `db-password`."""
    return {SECRET + name.replace("_", "-"): source for name, source in sources.items()}


def container(name: str = "app", **fields: object) -> Manifest:
    """A container with an image and no more."""
    return {"name": name, "image": f"registry.example/{name}:1", **fields}


def pod(
    name: str | None = "web-1",
    *containers: Manifest,
    namespace: str | None = "payments",
    annotations: dict[str, str] | None = None,
    **spec: object,
) -> Manifest:
    """A pod that opts in to one secret; `name` None gives a `generateName` as controllers do."""
    named = {"generateName": "web-"} if name is None else {"name": name}
    placed = {} if namespace is None else {"namespace": namespace}
    asked = asking(db_password="aws-sm:/prod/payments/db#password")
    marked = {"annotations": asked if annotations is None else dict(annotations)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, **placed, **marked},
        "spec": {"containers": list(containers) or [container()], **spec},
    }


def deployment(
    name: str = "web",
    *containers: Manifest,
    annotations: dict[str, str] | None = None,
    **spec: object,
) -> Manifest:
    """A Deployment of `pod(...)`, the same options."""
    return _workload(
        "apps/v1", "Deployment", name, _selected(name, _template(containers, annotations, spec))
    )


def stateful_set(
    name: str = "web",
    *containers: Manifest,
    annotations: dict[str, str] | None = None,
    **spec: object,
) -> Manifest:
    """A StatefulSet of `pod(...)`, the same options."""
    selected = _selected(name, _template(containers, annotations, spec))
    return _workload("apps/v1", "StatefulSet", name, {"serviceName": name, **selected})


def daemon_set(
    name: str = "web",
    *containers: Manifest,
    annotations: dict[str, str] | None = None,
    **spec: object,
) -> Manifest:
    """A DaemonSet of `pod(...)`, the same options."""
    return _workload(
        "apps/v1", "DaemonSet", name, _selected(name, _template(containers, annotations, spec))
    )


def job(
    name: str = "once",
    *containers: Manifest,
    annotations: dict[str, str] | None = None,
    **spec: object,
) -> Manifest:
    """A Job of `pod(...)`, the same options."""
    spec = {"restartPolicy": "Never", **spec}
    return _workload(
        "batch/v1", "Job", name, {"template": _template(containers, annotations, spec)}
    )


def cron_job(
    name: str = "hourly",
    *containers: Manifest,
    annotations: dict[str, str] | None = None,
    **spec: object,
) -> Manifest:
    """A CronJob of `pod(...)`, the same options."""
    once = job(name, *containers, annotations=annotations, **spec)["spec"]
    return _workload(
        "batch/v1", "CronJob", name, {"schedule": "0 * * * *", "jobTemplate": {"spec": once}}
    )


def namespace(name: str = "payments", policy: str | None = "payments") -> Manifest:
    """A namespace whose admin chose `policy`; None: none."""
    labels = {} if policy is None else {POLICY_LABEL: policy}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _template(
    containers: tuple[Manifest, ...], annotations: dict[str, str] | None, spec: Manifest
) -> Manifest:
    whole = pod(None, *containers, namespace=None, annotations=annotations, **spec)
    return {"metadata": {"annotations": whole["metadata"]["annotations"]}, "spec": whole["spec"]}


def _selected(name: str, template: Manifest) -> Manifest:
    template["metadata"]["labels"] = {"app": name}
    return {"selector": {"matchLabels": {"app": name}}, "template": template}


def _workload(version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "payments"},
        "spec": spec,
    }
