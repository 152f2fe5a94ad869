"""What values the chart takes, and what it says of others."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.chart.rendering import CHART, KUBERNETES, run_helm, run_template
from tests.e2e.definitions import made
from tests.e2e.mistakes import problem

if TYPE_CHECKING:
    from tests.chart.rendering import Manifest

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def test_the_chart_lints() -> None:
    """Helm finds nothing to warn of."""
    done = run_helm("lint", str(CHART), "--strict", "--kube-version", KUBERNETES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"webhok": {}}, "webhok"),
        ({"webhook": {"replica": 2}}, "replica"),
        ({"agent": {"image": {"name": "a"}}}, "name"),
        ({"certificates": {"mode": "selfsigned"}}, "mode"),
        ({"certificates": {"certManager": {"issuer": "a"}}}, "issuer"),
        ({"agent": {"uid": 0}}, "uid"),
        ({"agent": {"runAs": "root"}}, "runAs"),
        ({"runAs": "pod"}, "runAs"),
        ({"agent": {"image": {"digest": "sha256:1"}}}, "digest"),
        ({"webhook": {"timeoutSeconds": 31}}, "timeoutSeconds"),
        ({"webhook": {"replicas": 0}}, "replicas"),
        ({"controller": {"readsElsewhere": "ignore"}}, "readsElsewhere"),
        ({"webhook": {"clientVerification": {"enabled": True, "caBundle": "PEM"}}}, "names"),
        ({"webhook": {"clientVerification": {"names": ["a,b"]}}}, "names"),
        ({"policies": {"Payments": {}}}, "Payments"),
        ({"policies": {"p" * 64: {}}}, "p" * 64),
        ({"accounts": {"prod.eu": {}}}, "prod.eu"),
        ({"enforcement": {"restoreUsers": ["it's"]}}, "restoreUsers"),
        ({"monitoring": {"monitors": True}}, "monitors"),
    ],
    ids=lambda item: item if isinstance(item, str) else None,
)
def test_an_unknown_or_wrong_value_is_refused(values: Manifest, named: str) -> None:
    """By its name, before anything is made."""
    done = run_template(values=values)
    assert done.returncode != 0
    assert named in done.stderr


IMAGES = ("agent", "webhook", "controller")
REPOSITORIES = (
    "agent",
    "lastgood/agent",
    "localhost/lastgood-agent",
    "localhost:5000/lastgood__agent",
    "registry.example:5000/a.b/c-d/agent",
)
NO_REPOSITORIES = {
    "empty": "",
    "a tag": "agent:0.1.0",
    "a tag behind a host": "registry.example:5000/agent:0.1.0",
    "a digest": "registry.example/agent@sha256:" + "0" * 64,
    "a scheme": "https://registry.example/agent",
    "quotes": "registry.example/'agent'",
    "double quotes": '"registry.example/agent"',
    "white space": "registry.example/agent ",
    "a line": "registry.example/agent\n",
    "upper case": "registry.example/Agent",
    "an open end": "registry.example/agent/",
    "a host alone": "registry.example:5000/",
}


@pytest.mark.parametrize("repository", NO_REPOSITORIES.values(), ids=NO_REPOSITORIES)
def test_a_repository_is_no_more_than_that(repository: str) -> None:
    """Tag and digest have values of their own, and the policies on pods compare the rest."""
    values: Manifest = {part: {"image": {"repository": repository}} for part in IMAGES}
    values["agent"]["acceptedRepositories"] = [repository]
    done = run_template(values=values)
    assert done.returncode != 0
    places = [f"/{part}/image/repository" for part in IMAGES] + ["/agent/acceptedRepositories/0"]
    assert [place for place in places if f"at '{place}': " not in done.stderr] == []


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_a_repository_may_be_anywhere(repository: str) -> None:
    """With or without host, port and folders."""
    images = {part: {"image": {"repository": repository}} for part in IMAGES}
    done = run_template(values=images)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", IMAGES)
def test_a_tag_beside_a_digest_is_refused(part: str) -> None:
    """One of them would have no effect: a release's chart has digests already."""
    image = {"tag": "0.2.0", "digest": "sha256:" + "0" * 64}
    done = run_template(values={part: {"image": image}})
    assert done.returncode != 0
    assert "has both tag 0.2.0 and digest sha256:" in done.stderr
    assert f"/{part} has" in done.stderr


@pytest.mark.parametrize(
    ("provided", "named"),
    [({"caBundle": "a"}, "secretName"), ({"secretName": "a"}, "caBundle")],
    ids=["no secret", "no CA"],
)
def test_a_provided_certificate_needs_both_parts(provided: Manifest, named: str) -> None:
    """Else pods that opt in could not start."""
    values = {"certificates": {"mode": "provided", "provided": provided}}
    done = run_template(values=values)
    assert done.returncode != 0
    assert f"certificates.provided.{named} is needed" in done.stderr


OWN_LABELS = (
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
    "helm.sh/chart",
)


@pytest.mark.parametrize("label", [*OWN_LABELS, "rbac.authorization.k8s.io/aggregate-to-edit"])
def test_common_labels_replace_none_of_the_charts(label: str) -> None:
    """Else selectors found no pods, or everybody's role had the controller's rights. It is said
    which label it is, and which others it may not be.
    """
    done = run_template(values={"commonLabels": {"team": "platform", label: "mine"}})
    assert done.returncode != 0
    assert f"commonLabels may not have {label}: " in done.stderr
    assert f"is not one of {', '.join(OWN_LABELS)}" in done.stderr


def _keys(values: object, schema: Manifest, at: str) -> list[str]:
    """The values' keys that the schema doesn't have, and the schema's that the values don't."""
    known = schema.get("properties")
    if not isinstance(values, dict) or known is None:
        return []
    assert schema["additionalProperties"] is False, at
    different = [
        f"{at}.{key}" for key in values.keys() ^ known.keys() if key not in {"global", "enabled"}
    ]
    deeper = [_keys(values[key], known[key], f"{at}.{key}") for key in values.keys() & known.keys()]
    return different + [key for found in deeper for key in found]


def test_the_schema_and_the_defaults_have_the_same_keys() -> None:
    """At every level, and no level takes keys that it doesn't know."""
    assert _keys(VALUES, SCHEMA, "values") == []


@pytest.mark.parametrize(
    ("values", "plural"), [("accounts", "secretaccounts"), ("policies", "secretpolicies")]
)
@pytest.mark.parametrize("name", ["a", "a-b", "a.b", "A", "-a", "a-", "a_b", "a" * 63, "a" * 64])
def test_names_are_those_that_the_definitions_take(values: str, plural: str, name: str) -> None:
    """What is in an object is the definitions' to say: Helm has no CEL."""
    pattern = SCHEMA["properties"][values]["propertyNames"]["pattern"]
    whole = made(plural, name)
    assert (re.search(pattern, name) is None) == (problem(plural, whole) is not None)
