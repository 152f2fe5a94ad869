"""What the API server says of itself, as clients such as kubectl ask for it. Pure.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apiserver.kinds import Kind

Json = dict[str, Any]
VERSION = "v1.34.0-standin"
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def answer(path: str, served: Sequence[Kind], version: str = VERSION) -> Json | None:
    """The document at a path; None: there is none."""
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": version, "platform": "standin"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = sorted({kind.group for kind in served if kind.group})
        found = [_group(group, served) for group in groups]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}
    here = [it for it in served if path == f"/api{'s' if it.group else ''}/{it.api_version}"]
    return _resources(here) if here else None


def _group(group: str, served: Sequence[Kind]) -> Json:
    versions = sorted({kind.version for kind in served if kind.group == group})
    found = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": found, "preferredVersion": found[0]}


def _resources(here: Sequence[Kind]) -> Json:
    found = []
    for kind in here:
        common = {"namespaced": kind.namespaced, "kind": kind.kind, "singularName": ""}
        more = {"shortNames": list(kind.short), "verbs": _VERBS}
        found.append({"name": kind.plural, **common, **more})
        if kind.status:
            found.append({"name": f"{kind.plural}/status", **common, "verbs": ["get", "patch"]})
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": here[0].api_version}
    return {**head, "resources": found}
