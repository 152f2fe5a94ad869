"""Pods that would cost a webhook most: what is beside the annotation that asks for the secret `db`,
and what the refusal says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contract.annotations import ENV, INJECTED, MOUNT_PATH

Json = dict[str, Any]
CONTAINER = {"name": "app", "image": "registry.example/app:1"}
VALUES = "JSON values. Allowed: 100000"
REVIEW = "status code 413"
"""The API server adds managedFields to the pod that it was sent, and the webhook reads 3 MiB."""
OURS = {"name": "lastgood-cache", "mountPath": "/x"}


@dataclass(frozen=True, slots=True)
class Costly:
    """One pod, and a part of the answer that it gets."""

    annotations: dict[str, str]
    spec: Json
    message: str


def crowd(variables: int, containers: int, path: str) -> tuple[dict[str, str], Json]:
    """Annotations and spec, whose product is the patch."""
    asked = {f"{ENV}V{at}": "db" for at in range(variables)}
    members = [{**CONTAINER, "name": f"c{at}"} for at in range(containers)]
    return {**asked, MOUNT_PATH: path}, {"containers": members}


def mounts(count: int, digits: int = 1) -> list[Json]:
    """One of ours, and then so many others. With five digits their paths are in order: to sort
    80,000 into managedFields takes the API server itself half a minute.
    """
    others = ({"name": "v", "mountPath": f"/m{at:0{digits}}"} for at in range(count))
    return [OURS, *others]


def volumes(count: int) -> list[Json]:
    """One of ours, and then so many others."""
    others = ({"name": f"v{at}", "emptyDir": {}} for at in range(count))
    return [{"name": "lastgood-cache"}, *others]


def _mounting(count: int) -> Json:
    return {"containers": [{**CONTAINER, "volumeMounts": mounts(count)}]}


def _marked(count: int) -> Json:
    return {"containers": [CONTAINER], "volumes": volumes(count)}


MARK = {INJECTED: "0.1.0"}
VARIABLES = Costly(
    *crowd(500, 200, "/" + "m" * 1000),
    "variables and a mount path of 1001 characters in 200 containers make a patch of up to",
)
"""20 KB that would become a patch of 103 MB."""
LISTS = {
    "30,000 mounts": Costly({}, _mounting(30_000), VALUES),
    # Few enough to be decided on. Refused by the webhook, or by the API server: there is no volume.
    "4,000 mounts": Costly({}, _mounting(4_000), "spec.containers"),
    "empty objects": Costly({}, {"containers": [CONTAINER], "tolerations": [{}] * 400_000}, VALUES),
    "12,000 volumes of a marked pod": Costly(MARK, _marked(12_000), VALUES),
}
