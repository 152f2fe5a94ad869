"""The chart as a dependency of another one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.chart.rendering import CHART, KUBERNETES, NAMESPACE, render, run_helm, run_template

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.chart.rendering import Manifest


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A platform's chart, as `helm dependency build` leaves it: a condition, and its own alias."""
    folder = tmp_path / "platform"
    shutil.copytree(CHART, folder / "charts" / "lastgood")
    (folder / "templates").mkdir()
    dependency = {
        "name": "lastgood",
        "version": ">=0.1.0-0",
        "condition": "lastgood.enabled",
        "tags": ["secrets"],
    }
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump({**chart, "dependencies": [dependency]}))
    (folder / "values.yaml").write_text("global: {team: platform}\nlastgood: {enabled: true}\n")
    return folder


def rendered(parent: Path, values: Manifest, *options: str) -> CompletedProcess[str]:
    """`helm template` of the parent."""
    (parent / "more.yaml").write_text(json.dumps(values))
    return run_helm(
        *("template", "platform", str(parent), "--namespace", NAMESPACE),
        *("--kube-version", KUBERNETES, "--values", str(parent / "more.yaml"), *options),
    )


def objects(done: CompletedProcess[str]) -> list[Manifest]:
    """What Helm made."""
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def test_a_condition_has_all_of_it_made_or_nothing(parent: Path) -> None:
    """With the same names as alone, the definitions among them."""
    own = {(item["kind"], item["metadata"]["name"]) for item in render("--include-crds")}
    found = objects(rendered(parent, {}, "--include-crds"))
    assert {(item["kind"], item["metadata"]["name"]) for item in found} == own
    assert objects(rendered(parent, {"lastgood": {"enabled": False}}, "--include-crds")) == []


def test_values_of_a_dependency_are_checked_as_well(parent: Path) -> None:
    """An unknown one is refused, and `enabled` is true or false."""
    for values, named in (({"webhok": {}}, "webhok"), ({"enabled": "yes"}, "enabled")):
        done = rendered(parent, {"lastgood": values})
        assert done.returncode != 0
        assert named in done.stderr


def test_values_reach_a_dependency(parent: Path) -> None:
    """A parent's own too, under `global`, which no template of ours reads."""
    found = objects(
        rendered(parent, {"lastgood": {"webhook": {"replicas": 3}}, "global": {"a": 1}})
    )
    (webhook,) = (
        item
        for item in found
        if (item["kind"], item["metadata"]["name"]) == ("Deployment", "lastgood-webhook")
    )
    assert webhook["spec"]["replicas"] == 3


@pytest.mark.parametrize("enabled", [True, False])
def test_alone_it_can_not_be_switched_off(enabled: bool) -> None:  # noqa: FBT001 - a table
    """Helm would ignore it, and install all the same."""
    done = run_template(values={"enabled": enabled})
    assert done.returncode != 0
    assert "enabled is the condition of a chart that has lastgood as a dependency" in done.stderr
