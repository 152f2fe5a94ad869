"""Secrets that the chart lets the controller get: single ones by their names, and no more."""

from __future__ import annotations

import pytest

from tests.chart.rendering import Manifest, render, run_template


def _of_secrets(items: list[Manifest]) -> list[Manifest]:
    """Rules that read Secrets, each with its role's kind and namespace."""
    found = []
    for item in items:
        for rule in item.get("rules") or ():
            reads = {"get", "list", "watch", "*"} & set(rule["verbs"])
            if "secrets" in rule["resources"] and reads and "webhook" not in str(item["metadata"]):
                where = {"kind": item["kind"], "namespace": item["metadata"].get("namespace")}
                found.append({**where, **rule})
    return found


def test_p14_without_values_it_may_read_its_own_records_only() -> None:
    """As ever."""
    [rule] = _of_secrets([it for it in render() if "lastgood-controller" in str(it["metadata"])])
    assert (rule["kind"], rule["namespace"]) == ("Role", "lastgood-system")


def test_p14_a_namespace_in_the_values_grants_exactly_those() -> None:
    """By a Role there, bound to the controller alone."""
    items = render(values={"controller": {"secrets": {"payments": ["db", "tls.example"]}}})
    ours = [it for it in items if "lastgood-controller" in str(it["metadata"])]
    [rule] = [it for it in _of_secrets(ours) if it["namespace"] == "payments"]
    assert rule == {
        "kind": "Role",
        "namespace": "payments",
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": ["db", "tls.example"],
        "verbs": ["get"],
    }
    [binding] = [
        it
        for it in items
        if it["kind"] == "RoleBinding" and it["metadata"]["namespace"] == "payments"
    ]
    assert [it["name"] for it in binding["subjects"]] == ["lastgood-controller"]
    assert binding["roleRef"]["name"] == "lastgood-controller-secrets"


@pytest.mark.parametrize(
    ("secrets", "named"),
    [
        ({"default": ["db"]}, "default"),
        ({"kube-system": ["db"]}, "kube-system"),
        ({"lastgood-system": ["db"]}, "lastgood-system"),
        ({"payments": []}, "payments"),
        ({"payments": [""]}, "payments"),
        ({"payments": ["*"]}, "payments"),
        ({"Payments": ["db"]}, "Payments"),
    ],
)
def test_p14_no_value_grants_more(secrets: dict[str, list[str]], named: str) -> None:
    """An empty list of names would be every Secret."""
    done = run_template(values={"controller": {"secrets": secrets}})
    assert done.returncode != 0
    assert named in done.stderr
