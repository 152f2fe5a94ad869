"""`lastgood render`: what the webhook would do, offline and in its own words."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli import manifests, pod_templates
from cli.exit_codes import CommandError
from contract import layout
from contract.annotations import INJECTED, PLAN, PREFIX
from policy.load import load_folder
from tests import make
from tests.make.command import NO_CLUSTER, typed
from webhook.admit import admit
from webhook.injection_settings import Injection

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ADMIN = Path(__file__).parents[2] / "examples/payments/admin"
IMAGE = "registry.example/agent@sha256:00"
MISTAKEN = {
    "lastgood.dev/secret.db": "aws-sm:/prod/orders/db",
    "lastgood.dev/secert.db": "aws-sm:/prod/payments/db",
}


def _files(tmp_path: Path, *documents: object) -> Path:
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def _render(path: Path | str, *more: str, code: int = 0) -> CompletedProcess[str]:
    words = ("render", "-f", str(path), "--policy", str(ADMIN), "--image", IMAGE, *more)
    done = typed(*words, variables=NO_CLUSTER)
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done


def _template(manifest: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def note(_: object, template: dict[str, Any]) -> dict[str, Any]:
        found.append(template)
        return template

    pod_templates.change_pods(manifest, note)
    assert len(found) == 1
    return found[0]


def _names(template: dict[str, Any]) -> set[str]:
    spec = template["spec"]
    return {item["name"] for item in [*spec["containers"], *spec.get("initContainers", [])]}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(build(), id=build.__name__)
        for build in (
            make.pod,
            make.deployment,
            make.stateful_set,
            make.daemon_set,
            make.job,
            make.cron_job,
        )
    ],
)
def test_every_kind_with_a_pod_template_is_injected(
    tmp_path: Path, manifest: dict[str, Any]
) -> None:
    """As the webhook would, with nothing but our mark left of the annotations; twice is once."""
    once = _render(_files(tmp_path, manifest)).stdout
    template = _template(yaml.safe_load(once))
    assert {layout.GATE, layout.AGENT} <= _names(template)
    left = [key for key in template["metadata"]["annotations"] if key.startswith(PREFIX)]
    assert left == [INJECTED]
    again = tmp_path / "again.yaml"
    again.write_text(once)
    assert _render(again).stdout == once


def test_a_mount_pod_keeps_its_plan_beside_the_mark(tmp_path: Path) -> None:
    """It has no container of ours that could carry it (docs/design/006)."""
    asked = {**make.asking(db="aws-sm:/prod/payments/db"), PREFIX + "mode": "mount"}
    pod = yaml.safe_load(_render(_files(tmp_path, make.pod(annotations=asked))).stdout)
    assert sorted(pod["metadata"]["annotations"]) == [INJECTED, PLAN]
    assert _names(pod) == {"app"}


def test_lists_are_gone_through_and_other_kinds_are_left_alone(tmp_path: Path) -> None:
    """Also pods that did not opt in. The objects of a list may be lists."""
    plain = make.deployment(annotations={"team": "a"})
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "data": {"a": 1}}
    inner = {"apiVersion": "v1", "kind": "List", "items": [make.deployment()]}
    items = [service, make.deployment(), plain, inner]
    path = _files(tmp_path, service, {"apiVersion": "v1", "kind": "List", "items": items})
    first, second = yaml.safe_load_all(_render(path).stdout)
    assert first == service
    assert [second["items"][index] for index in (0, 2)] == [service, plain]
    for deployment in (second["items"][1], second["items"][3]["items"][0]):
        assert layout.GATE in _names(deployment["spec"]["template"])


def test_p7_a_denial_is_the_webhooks_word_for_word(tmp_path: Path) -> None:
    """On stderr, behind file and object; exit 1, and nothing is printed, not even what is good."""
    bad = make.deployment("bad", annotations=MISTAKEN)
    path = _files(tmp_path, make.deployment("good"), bad)
    verdict = admit(bad["spec"]["template"], "payments", load_folder(ADMIN), Injection(image=IMAGE))
    assert not verdict.allowed
    done = _render(path, code=1)
    assert done.stdout == ""
    assert done.stderr.endswith(f"{path}: Deployment payments/bad: {verdict.message}\n")


def test_the_namespace_of_an_object_comes_before_the_option(tmp_path: Path) -> None:
    """`-n` is for objects that name none, as they are before they are applied."""
    nameless = make.pod(namespace=None)
    path = _files(tmp_path, nameless)
    assert "namespace default has no label" in _render(path, code=1).stderr
    _render(path, "-n", "payments")
    _render(_files(tmp_path, make.pod()), "-n", "elsewhere")


def test_a_diff_shows_what_is_ours_alone(tmp_path: Path) -> None:
    """No line of the user's but the annotations goes."""
    shown = _render(_files(tmp_path, make.deployment()), "-o", "diff").stdout
    gone = [line for line in shown.splitlines() if line.startswith("-") and line[:3] != "---"]
    assert all(PREFIX in line for line in gone)
    assert "+        - name: lastgood-agent" in shown


def test_json_is_one_document(tmp_path: Path) -> None:
    """One object as it is, more as a List."""
    one = _render(_files(tmp_path, make.deployment()), "-o", "json").stdout
    assert json.loads(one)["kind"] == "Deployment"
    two = _render(_files(tmp_path, make.deployment(), make.job()), "-o", "json").stdout
    assert [item["kind"] for item in json.loads(two)["items"]] == ["Deployment", "Job"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [", "manifest.yaml, line 1: this is not YAML", id="not YAML"),
        pytest.param(None, "No such file", id="no file"),
        pytest.param(
            "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: 7}",
            "Pod default/x: this is not a pod: metadata and spec must be objects",
            id="no pod",
        ),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    """By file, line and fault; no traceback."""
    path = tmp_path / "manifest.yaml"
    if text is not None:
        path.write_text(text)
    done = _render(path, code=1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_made_up_image_is_said(tmp_path: Path) -> None:
    """Without --image the manifest names one that nobody may have pushed."""
    path = _files(tmp_path, make.deployment())
    words = ("render", "-f", str(path), "--policy", str(ADMIN))
    done = typed(*words, variables=NO_CLUSTER)
    assert done.returncode == 0
    assert "Set yours with --image" in done.stderr


SCALARS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["1e3", "0o17", "y", "N", "~", "2026-01-01", "1_000", "0x1F", "=", ".inf", ""]),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.booleans(),
    st.none(),
)
DOCUMENTS = st.dictionaries(
    st.text(max_size=6),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)),
    max_size=4,
)


@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=3))
def test_yaml_that_is_written_reads_back(documents: list[Any]) -> None:
    """Whatever a manifest holds."""
    assert manifests.read(manifests.write(documents)) == documents


@pytest.mark.parametrize("text", ["1e3", "0o17", "y", "N", "~", "2026-01-01", "1_000", "12:30:45"])
def test_text_that_another_reader_takes_for_something_else_is_quoted(text: str) -> None:
    """YAML 1.1 and 1.2 differ, and kubectl's reader from PyYAML."""
    assert f'"{text}"' in manifests.write([{"value": text}])
    assert manifests.read(f"value: '{text}'") == [{"value": text}]


ALIASES = {
    "of what it stands in": "a: &a [*a]",
    "of aliases": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "\n".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in pairwise("abcdefg")
    ),
}


@pytest.mark.parametrize("case", ALIASES)
def test_aliases_without_end_are_refused(case: str, tmp_path: Path) -> None:
    """Where pipelines render what others wrote, a few lines must not fill the memory."""
    path = tmp_path / "manifest.yaml"
    path.write_text(ALIASES[case])
    with pytest.raises(CommandError, match="with its aliases expanded it has more than 1000000"):
        manifests.load(str(path), io.StringIO())
