"""As much of an API server as the story needs: pods from a workload's template, admitted by the
webhook as a server would have them admitted, and kept where the controller looks.

The patch is applied by jsonpatch, an engine that is not ours, and TLS is verified against the CA
that a webhook configuration would carry in `caBundle`.
"""

from __future__ import annotations

import base64
import copy
import json
import ssl
import uuid
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Any

import jsonpatch

from contract.annotations import MARKS, PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    Manifest = dict[str, Any]


class Denied(Exception):  # noqa: N818 - the word of the API
    """The webhook said no; the message is what a user would see. Ends the story."""


class ApiServer:
    """Creates and forgets pods. `pods` is the store's folder of pod manifests."""

    def __init__(self, *, port: int, ca: Path, pods: Path) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(ca))
        self._pods = pods

    def create(self, workload: Manifest) -> Manifest:
        """One more pod of a Deployment or Job, as the API would store it."""
        name = f"{workload['metadata']['name']}-{uuid.uuid4().hex[:8]}"
        namespace = workload["metadata"]["namespace"]
        template = copy.deepcopy(workload["spec"]["template"])
        metadata = {**template.get("metadata", {}), "name": name, "namespace": namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
        if _opted_in(pod):
            pod = self._admit(pod, namespace)
        self._store(name, pod)
        return pod

    def delete(self, name: str) -> None:
        """Forget a pod that ended."""
        self._path(name).unlink(missing_ok=True)

    def read(self, name: str) -> Manifest:
        """The pod as it is now: the controller may have marked it."""
        pod: Manifest = json.loads(self._path(name).read_bytes())
        return pod

    def changed(self, name: str) -> int:
        """A number that is another one after each change of the pod; 0: it is gone."""
        try:
            return self._path(name).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _path(self, name: str) -> Path:
        return self._pods / f"{name}.json"

    def _store(self, name: str, pod: Manifest) -> None:
        """Written aside and renamed: the controller never reads half a pod."""
        self._pods.mkdir(parents=True, exist_ok=True)
        aside = self._pods / f".{name}.tmp"
        aside.write_text(json.dumps(pod))
        aside.rename(self._path(name))

    def _admit(self, pod: Manifest, namespace: str) -> Manifest:
        """The pod with the webhook's patch applied; raises Denied."""
        response = self._review(pod, namespace)
        if not response["allowed"]:
            raise Denied(response["status"]["message"])
        if "patch" not in response:
            return pod
        patched: Manifest = jsonpatch.apply_patch(
            pod, json.loads(base64.b64decode(response["patch"]))
        )
        return patched

    def _review(self, pod: Manifest, namespace: str) -> Manifest:
        uid = str(uuid.uuid4())
        pods = {"group": "", "version": "v1"}
        request = {
            "uid": uid,
            "kind": {**pods, "kind": "Pod"},
            "resource": {**pods, "resource": "pods"},
            "requestKind": {**pods, "kind": "Pod"},
            "requestResource": {**pods, "resource": "pods"},
            "name": pod["metadata"]["name"],
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        }
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": request,
        }
        connection = HTTPSConnection("localhost", self._port, timeout=10, context=self._tls)
        try:
            connection.request(
                "POST",
                "/mutate?timeout=10s",
                json.dumps(review),
                {"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
            message = f"the webhook answered {answer.status}: {body.decode(errors='replace')[:200]}"
            raise OSError(message)
        response: Manifest = json.loads(body)["response"]
        if response["uid"] != uid:
            message = "the webhook answered another request than the one it got"
            raise OSError(message)
        return response


def _opted_in(pod: Manifest) -> bool:
    """Whether a webhook configuration with our `matchConditions` calls the webhook for this pod."""
    annotations = pod["metadata"].get("annotations") or {}
    return any(key.startswith(PREFIX) and key not in MARKS for key in annotations)
