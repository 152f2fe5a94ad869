"""The CustomResourceDefinitions: generated, complete, and in the chart as they are generated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from re._constants import (  # type: ignore[import-not-found]
    BRANCH,
    MAX_REPEAT,
    MAXREPEAT,
    MIN_REPEAT,
    SUBPATTERN,
)
from re._parser import parse  # type: ignore[import-not-found]
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from api.crd import DEFINITIONS, RELEASE, files, manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.crd import Definition

CHART = Path(__file__).parents[2] / "charts/lastgood/crds"


def test_the_chart_holds_what_is_generated() -> None:
    """Anyone who changes a model runs `python -m api.crd charts/lastgood/crds`."""
    assert {path.name: path.read_text() for path in CHART.glob("*.yaml")} == files()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["a", "b"]], ids=str)
def test_the_generator_writes_into_a_named_folder_only(
    arguments: list[str], tmp_path: Path
) -> None:
    """`--help` and a missing folder get the usage, and no folder of that name."""
    command = [sys.executable, "-m", "api.crd", *arguments]
    path = {"PYTHONPATH": str(CHART.parents[2])}
    done = subprocess.run(
        command, cwd=tmp_path, env=path, capture_output=True, text=True, check=False
    )
    assert done.stderr.startswith("usage: python -m api.crd FOLDER")
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda it: it.plural)
def test_each_pattern_is_one_that_re2_takes(definition: Definition) -> None:
    """The API server reads patterns by RE2, which repeats nothing more than 1,000 times, nested
    repeats multiplied (https://github.com/google/re2/wiki/Syntax).
    """
    version = manifest(definition)["spec"]["versions"][0]
    found = [item for _, item in _fields(version["schema"]["openAPIV3Schema"])]
    found += [item["items"] for item in found if isinstance(item.get("items"), dict)]
    patterns = {item["pattern"] for item in found if "pattern" in item}
    assert patterns
    assert [pattern for pattern in patterns if _repeats(parse(pattern)) > 1000] == []


def _repeats(parsed: Any) -> int:  # noqa: ANN401 - the standard library's own tree
    """The largest product of nested repeat counts; `*` and `+` repeat once."""
    most = 1
    for operation, argument in parsed:
        if operation in {MAX_REPEAT, MIN_REPEAT}:
            _, high, inner = argument
            most = max(most, (1 if high is MAXREPEAT else high) * _repeats(inner))
        elif operation is SUBPATTERN:
            most = max(most, _repeats(argument[-1]))
        elif operation is BRANCH:
            most = max(most, *map(_repeats, argument[1]))
    return most


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, item in schema.get("properties", {}).items():
        here = f"{path}.{name}".removeprefix(".")
        yield here, item
        yield from _fields(item, here)
        for nested in (item.get("items"), item.get("additionalProperties")):
            if isinstance(nested, dict):
                yield from _fields(nested, here)


def _defaults(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of the fields that the API server fills in."""
    for name, field in schema.get("properties", {}).items():
        if "default" in field:
            yield f"{path}{name}"
        yield from _defaults(field, f"{path}{name}.")


def test_p11_the_api_server_fills_in_no_new_field_of_a_stored_account() -> None:
    """An older controller, as after a rollback of the chart, refuses a field that it does not know,
    and fetches nothing of such an account. A new field is optional and has no default.
    """
    (account,) = (it for it in DEFINITIONS if it.plural == "secretaccounts")
    schema = manifest(account)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]
    found = {path for path in _defaults(spec) if not path.startswith("vault.")}
    assert found == {"revoked"}
