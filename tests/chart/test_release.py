"""The chart of a release: its values name the images by digest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from charts.pin_images import IMAGES, PinError, pin
from tests.chart.rendering import CHART, KUBERNETES, NAMESPACE, run_helm

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = "registry.example.com:5000/team/lastgood-"
DIGESTS = {name: "sha256:" + str(at) * 64 for at, name in enumerate(IMAGES)}
TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")


def made(folder: Path, digests: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The command's end; the chart is in `folder`/chart."""
    (folder / "digests").mkdir()
    for name, digest in digests.items():
        (folder / "digests" / name).write_text(digest + "\n")
    words = [
        "--repository",
        REPOSITORY,
        "--digests",
        f"{folder}/digests",
        "--to",
        f"{folder}/chart",
    ]
    command = [sys.executable, str(CHART.parent / "pin_images.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _images(found: object) -> set[str]:
    """Every container's image, and the one that the webhook injects, of rendered objects."""
    if isinstance(found, list):
        return set().union(*map(_images, found))
    if not isinstance(found, dict):
        return set()
    own = {found["image"]} if isinstance(found.get("image"), str) else set()
    if str(found.get("name", "")).endswith("AGENT_IMAGE"):
        own.add(found["value"])
    return own.union(*map(_images, found.values()))


def test_a_releases_chart_runs_images_by_digest_alone(tmp_path: Path) -> None:
    """Helm takes its values (the schema among what it checks), and no image has a tag."""
    done = made(tmp_path, DIGESTS)
    assert done.returncode == 0, done.stderr
    chart = str(tmp_path / "chart")
    common = ("--kube-version", KUBERNETES)
    assert run_helm("lint", chart, "--strict", *common).returncode == 0
    shown = run_helm("template", "lastgood", chart, "--namespace", NAMESPACE, *common)
    assert shown.returncode == 0, shown.stderr
    documents = [item for item in yaml.safe_load_all(shown.stdout) if item]
    workloads = [item for item in documents if item["kind"] in {"Deployment", "Pod"}]
    assert _images(workloads) == {f"{REPOSITORY}{name}@{DIGESTS[name]}" for name in IMAGES}
    policies = [item for item in documents if item["kind"] == "ValidatingAdmissionPolicy"]
    assert f"'{REPOSITORY}agent'" in str(policies).replace("\\'", "'")


def test_a_releases_chart_is_else_the_same(tmp_path: Path) -> None:
    """Every other file, and every line of the values but repositories and digests."""
    assert made(tmp_path, DIGESTS).returncode == 0
    files = {path.relative_to(CHART) for path in CHART.rglob("*") if path.is_file()}
    chart = tmp_path / "chart"
    assert {path.relative_to(chart) for path in chart.rglob("*") if path.is_file()} == files
    for name in files - {Path("values.yaml")}:
        assert (chart / name).read_bytes() == (CHART / name).read_bytes()
    before, after = TEXT.splitlines(), (chart / "values.yaml").read_text().splitlines()
    pairs = zip(before, after, strict=True)
    changed = [line.split(":")[0].strip() for line, other in pairs if line != other]
    assert changed == ["repository", "digest"] * 3


@pytest.mark.parametrize(
    "digest", ["", "sha256:1", "0.1.0", "sha512:" + "0" * 64, "sha256:" + "0" * 65]
)
@pytest.mark.parametrize("name", IMAGES)
def test_no_chart_is_made_without_every_digest(tmp_path: Path, name: str, digest: str) -> None:
    """A release with a tag in it would be no release."""
    done = made(tmp_path, {**DIGESTS, name: digest})
    assert done.returncode == 1
    assert name in done.stderr
    assert not (tmp_path / "chart").exists()


def test_no_chart_is_made_where_an_image_was_not_pushed(tmp_path: Path) -> None:
    """By the name of the file that is missing."""
    done = made(tmp_path, {name: DIGESTS[name] for name in IMAGES[:2]})
    assert done.returncode == 1
    assert IMAGES[2] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('    digest: ""\n', "", 1),
        TEXT.replace("  image:\n", "  image: &image\n", 1).replace('    tag: ""\n', "", 2),
        TEXT.replace("    repository:", '    "repository":', 1),
    ],
    ids=["no digest", "no tags", "quoted"],
)
def test_values_of_another_shape_are_refused(text: str) -> None:
    """Rather than a chart in which an image was forgotten."""
    wanted: dict[str, Any] = yaml.safe_load(TEXT)
    assert wanted["agent"]["image"]["digest"] == ""
    with pytest.raises(PinError):
        pin(text, REPOSITORY, DIGESTS)
