"""The CustomResourceDefinitions: generated, complete, and in the chart as they are generated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contract.reference import ReferenceRejected, canonicalise
from policy.account import Revoked
from policy.crd import DEFINITIONS, RELEASE, files, manifest
from policy.fields import Allow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policy.crd import Definition

CHART = Path(__file__).parents[2] / "charts/lastgood/crds"


def test_the_chart_holds_what_is_generated() -> None:
    """Whoever changes a model runs `python -m policy.crd charts/lastgood/crds`."""
    assert {path.name: path.read_text() for path in CHART.glob("*.yaml")} == files()


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.plural)
def test_each_field_has_a_sentence_for_explain(definition: Definition) -> None:
    """`kubectl explain` says something on every field of ours."""
    version = manifest(definition)["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    top = {"apiVersion", "kind", "metadata"}
    silent = [path for path, item in _fields(schema) if "description" not in item]
    assert [path for path in silent if path not in top] == []


@pytest.mark.parametrize("name", sorted(files()))
def test_no_file_has_what_helm_would_render(name: str) -> None:
    """The files are templates of the chart, and YAML as they are."""
    text = files()[name]
    assert "{{" not in text
    metadata = yaml.safe_load(text)["metadata"]
    assert metadata["annotations"] == {"helm.sh/resource-policy": "keep", **RELEASE}
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"


_PIECES = ["aws-sm", "file", ":", "/", ".", "*", "**", "{namespace}", "prod", "a-", "Z", "é", "}"]
_CEL = re.compile(r"(!?)self[.]reference[.]matches\('(.*)'\)")


@given(st.lists(st.sampled_from(_PIECES), max_size=6).map("".join))
@example("aws-sm:/prod/{namespace}*")
@example("aws-sm:/prod/**/x")
@example("aws-sm:" + "a" * 513)
@example("aws-sm:" + "{namespace}/" * 40)
def test_p2_the_api_server_takes_the_patterns_that_we_can_read(allow: str) -> None:
    """An object that it takes and we refuse is one whose policy nobody knows after a restart."""
    schema = TypeAdapter(Allow).json_schema()
    taken = len(allow) <= schema["maxLength"] and re.search(schema["pattern"], allow) is not None
    refused = any(re.search(it["pattern"], allow) for it in schema["not"]["anyOf"])
    try:
        TypeAdapter(Allow).validate_python(allow)
    except ValidationError:
        assert refused or not taken
    else:
        assert taken
        assert not refused


@given(st.lists(st.sampled_from([*_PIECES, "aws", "reference"]), max_size=6).map("".join))
@example("arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf")
@example("/aws/reference/x")
@example("aws/Reference/x")
@example("a" * 513)
def test_p2_the_api_server_takes_the_revocations_that_we_can_read(reference: str) -> None:
    """Likewise, of accounts."""
    schema = Revoked.model_json_schema()
    lengths = schema["properties"]["reference"]
    checks = [_CEL.fullmatch(it["rule"]) for it in schema["x-kubernetes-validations"]]
    taken = lengths["minLength"] <= len(reference) <= lengths["maxLength"] and all(
        check is not None and (re.search(check[2], reference) is None) == bool(check[1])
        for check in checks
    )
    try:
        canonicalise("aws-sm", reference)
    except ReferenceRejected:
        assert not taken
    else:
        assert taken


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, item in schema.get("properties", {}).items():
        here = f"{path}.{name}".removeprefix(".")
        yield here, item
        yield from _fields(item, here)
        for nested in (item.get("items"), item.get("additionalProperties")):
            if isinstance(nested, dict):
                yield from _fields(nested, here)
