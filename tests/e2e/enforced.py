"""The chart's rights and policies on a real API server, for two namespaces of the test's own.

Names that are the cluster's get a suffix, and the policies' bindings look at the test's namespaces
and labels only, so that tests run beside each other. An installed chart's policies would look at
them too.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from tests.chart.rendering import of_kind, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chart.rendering import Manifest

LABEL = "lastgood.dev/e2e"
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
AGENT = "localhost/lastgood-agent"
"""The configured repository of gate and agent."""
MERGE = "application/merge-patch+json"
RESTORER = "system:serviceaccount:velero:velero"
"""Whom the values name in `enforcement.restoreUsers`."""


def kubectl(*arguments: str, given: object = None) -> str:
    """The standard output of kubectl; `given` goes in as JSON."""
    done = subprocess.run(
        ["kubectl", *arguments],
        input=None if given is None else json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_list(items: Sequence[Manifest]) -> Manifest:
    """Objects as one that kubectl takes."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said."""

    status: int
    body: Any

    @property
    def message(self) -> str:
        """Of a refusal; else empty."""
        return str(self.body.get("message", "")) if self.status >= 400 else ""

    @property
    def by_policy(self) -> bool:
        """Whether a ValidatingAdmissionPolicy refused it, and not RBAC."""
        return self.status in {403, 422} and "ValidatingAdmissionPolicy" in self.message


class Server:
    """The API server behind `kubectl proxy`, so that any KUBECONFIG does; acts as anybody."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        self._client.close()

    def act(
        self,
        user: str | None,
        method: str,
        path: str,
        body: object = None,
        *,
        kind: str | None = None,
        dry: bool = False,
    ) -> Answer:
        """One request; `user` None is the administrator, `kind` the body's content type."""
        headers = {} if user is None else {"Impersonate-User": user}
        if kind is None:
            kind = MERGE if method == "PATCH" else "application/json"
        headers["Content-Type"] = kind
        content = None if body is None else json.dumps(body)
        if dry:
            path += ("&" if "?" in path else "?") + "dryRun=All"
        answer = self._client.request(method, path, headers=headers, content=content)
        return Answer(answer.status_code, answer.json())

    def may(self, user: str, **attributes: str) -> bool:
        """What a SubjectAccessReview says of resource attributes."""
        spec = {"user": user, "groups": groups(user), "resourceAttributes": attributes}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": spec,
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = self.act(None, "POST", path, review)
        assert answer.status == 201, answer.message
        return bool(answer.body["status"]["allowed"])


def groups(user: str) -> list[str]:
    """The groups that Kubernetes gives a service account's name."""
    if not user.startswith("system:serviceaccount:"):
        return ["system:authenticated"]
    namespace = user.split(":")[2]
    return [
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    ]


@dataclass(frozen=True, slots=True)
class Enforced:
    """Where the chart's policies hold, and who is who there."""

    server: Server
    suffix: str
    system: str
    """The release's namespace."""
    team: str
    """A namespace whose admins are `alice` and who restores backups."""

    @property
    def controller(self) -> str:
        return f"system:serviceaccount:{self.system}:lastgood-controller"

    @property
    def webhook(self) -> str:
        return f"system:serviceaccount:{self.system}:lastgood-webhook"

    @property
    def configuration(self) -> str:
        """The name of the webhook's own configuration."""
        return f"lastgood-webhook-{self.suffix}"


def namespaces(suffix: str, *names: str) -> list[Manifest]:
    """Namespaces that the policies look at."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {LABEL: suffix}},
        }
        for name in names
    ]


def objects(suffix: str, system: str) -> list[Manifest]:
    """The chart's rights and policies under names of their own."""
    values = {
        "agent": {"image": {"repository": AGENT}},
        "enforcement": {"restoreUsers": [RESTORER]},
    }
    documents = render(namespace=system, values=values)
    found = [
        _suffixed(document, suffix)
        for document in of_kind(documents, *RIGHTS, POLICY, BINDING)
        if not document["metadata"].get("annotations", {}).get("helm.sh/hook")
    ]
    for document in found:
        if document["kind"] == BINDING:
            # Accounts and policies are in no namespace.
            of_admins = document["spec"]["policyName"].endswith(f"-admin-{suffix}")
            where = "objectSelector" if of_admins else "namespaceSelector"
            document["spec"]["matchResources"] = {where: {"matchLabels": {LABEL: suffix}}}
    return found


def _suffixed(document: Manifest, suffix: str) -> Manifest:
    text = json.dumps(document).replace("'lastgood-webhook'", f"'lastgood-webhook-{suffix}'")
    changed: Manifest = json.loads(text)
    if "namespace" not in changed["metadata"]:
        changed["metadata"]["name"] += f"-{suffix}"
    if changed["kind"] == "ClusterRoleBinding":
        changed["roleRef"]["name"] += f"-{suffix}"
    for rule in changed.get("rules", []):
        if "mutatingwebhookconfigurations" in rule["resources"]:
            rule["resourceNames"] = [f"{name}-{suffix}" for name in rule["resourceNames"]]
    if changed["kind"] == BINDING:
        changed["spec"]["policyName"] += f"-{suffix}"
    return changed
