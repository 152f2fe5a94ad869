"""What an identity is granted, as the API server itself says it: no list of ours that could be
older than the chart.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from kube.api_resources import Resource
from tests.e2e.enforced import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.enforced import Server

Json = dict[str, Any]
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Known:
    """One resource that the API server has."""

    resource: Resource
    kind: str
    namespaced: bool
    sub: str = ""
    """The subresource; "": the object itself."""


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource in one namespace."""

    verb: str
    on: Known
    namespace: str | None
    """None: the cluster."""
    names: tuple[str, ...] = ()
    """The only objects; empty: all."""

    @property
    def label(self) -> str:
        """For a report, and to count by."""
        sub = f"/{self.on.sub}" if self.on.sub else ""
        return f"{self.verb} {self.on.resource.plural}{sub} in {self.namespace or 'the cluster'}"


@dataclass(frozen=True, slots=True)
class Identity:
    """A service account with a token of its own."""

    name: str
    token: str = field(repr=False)
    rights: tuple[Right, ...]
    pages: tuple[str, ...]
    """Paths that are no resource, such as /version."""


class Address:
    """Where the API server is, and who it must be; never by a client certificate."""

    def __init__(self) -> None:
        shown = kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
        cluster = json.loads(shown)["clusters"][0]["cluster"]
        authority = b64decode(cluster["certificate-authority-data"]).decode()
        self.url = str(cluster["server"])
        self.tls = ssl.create_default_context(cadata=authority)


def discovered(server: Server) -> list[Known]:
    """Every resource of the preferred versions, and its subresources."""
    versions = [("", "v1", "/api/v1")]
    for group in server.act(None, "GET", "/apis").body["groups"]:
        version = group["preferredVersion"]["version"]
        versions.append((group["name"], version, f"/apis/{group['name']}/{version}"))
    found = []
    for group_name, version, path in versions:
        for item in server.act(None, "GET", path).body.get("resources", []):
            plural, _, sub = item["name"].partition("/")
            resource = Resource(group_name, version, plural)
            found.append(Known(resource, item["kind"], item["namespaced"], sub))
    return found


def identity(
    name: str, namespace: str, address: Address, known: list[Known], places: Iterable[str]
) -> Identity:
    """The service account, by a token of its own, with what it is granted in `places`."""
    token = kubectl("create", "token", name, "-n", namespace, "--duration=1h").strip()
    rights: dict[Right, None] = {}
    pages: dict[str, None] = {}
    with httpx.Client(
        base_url=address.url,
        verify=address.tls,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    ) as client:
        for place in places:
            status = _rules(client, place)
            for rule in status["resourceRules"]:
                rights |= dict.fromkeys(_of_rule(rule, place, known))
            for rule in status.get("nonResourceRules", []):
                pages |= dict.fromkeys(rule["nonResourceURLs"])
    return Identity(name, token, tuple(rights), tuple(page for page in pages if "*" not in page))


def _rules(client: httpx.Client, place: str) -> Json:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": place},
    }
    answer = client.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", json=review)
    assert answer.status_code == 201, answer.text
    status: Json = answer.json()["status"]
    return status


def _of_rule(rule: Json, place: str, known: list[Known]) -> list[Right]:
    """What a rule grants of what there is."""
    verbs = VERBS if "*" in rule["verbs"] else rule["verbs"]
    unknown = set(verbs) - set(VERBS)
    assert not unknown, f"the leak test does not know how to use {unknown}: {rule}"
    return [
        Right(verb, one, place if one.namespaced else None, tuple(rule.get("resourceNames", ())))
        for one in known
        if _matches(rule, one)
        for verb in verbs
    ]


def _matches(rule: Json, one: Known) -> bool:
    if not {"*", one.resource.group} & set(rule["apiGroups"]):
        return False
    spelt = f"{one.resource.plural}/{one.sub}" if one.sub else one.resource.plural
    return bool({"*", spelt, f"*/{one.sub}" if one.sub else ""} & set(rule["resources"]))
