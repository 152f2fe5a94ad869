"""What the controllers of Deployments and Jobs do, and the kubelet's part in the API server."""

from __future__ import annotations

import copy
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kube.api_resources import PODS
from kube.errors import ApiError, NotFoundError

if TYPE_CHECKING:
    from apiserver.client import IdentityClient
    from demo.pods import ContainerProcess, PodProcesses

    Manifest = dict[str, Any]

NODE = "demo"


class Denied(Exception):  # noqa: N818 - the word of the API
    """The API server refused a pod; the message is what a user would see. Ends the story."""


class Workloads:
    """Creates pods, deletes them, and writes their statuses."""

    def __init__(self, client: IdentityClient) -> None:
        self._client = client

    def create(self, workload: Manifest) -> Manifest:
        """One more pod of a Deployment or Job, as the API server keeps it. Denied."""
        namespace = workload["metadata"]["namespace"]
        template = copy.deepcopy(workload["spec"]["template"])
        metadata = {
            **template.get("metadata", {}),
            "generateName": f"{workload['metadata']['name']}-",
            "namespace": namespace,
        }
        spec = {**template["spec"], "nodeName": NODE}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        try:
            return self._client.call("POST", PODS.path(namespace), pod)
        except ApiError as error:
            raise Denied("; ".join(error.__notes__)) from None

    def delete(self, pod: PodProcesses) -> None:
        """At once: its processes have ended. It may be gone already."""
        path = PODS.path(pod.namespace, pod.name)
        with suppress(NotFoundError):
            self._client.call("DELETE", path, {"gracePeriodSeconds": 0})

    def report(self, pod: PodProcesses) -> None:
        """The pod's status as its kubelet writes it."""
        status = {
            "phase": pod.phase,
            "startTime": _time(pod.created),
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "initContainerStatuses": [_status(each) for each in pod.init],
            "containerStatuses": [_status(each) for each in pod.containers],
        }
        path = PODS.path(pod.namespace, pod.name, "status")
        try:
            self._client.patch(path, {"status": status})
        except NotFoundError:  # it was deleted meanwhile
            return


def _status(container: ContainerProcess) -> Manifest:
    """Its last run, as a ContainerStatus tells it."""
    state: Manifest = {"waiting": {"reason": "PodInitializing"}}
    if container.started_at is not None:
        started = {"startedAt": _time(container.started_at)}
        code = container.code
        state = (
            {"running": started} if code is None else {"terminated": {**started, "exitCode": code}}
        )
    name = container.spec["name"]
    return {"name": name, "state": state, "restartCount": container.restarts}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
