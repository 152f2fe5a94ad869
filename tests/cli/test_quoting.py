"""What others wrote is quoted short and printable by every verb that reads manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kube.api_resources import CORE_EVENTS
from tests import make
from tests.make.command import NO_CLUSTER, typed

if TYPE_CHECKING:
    from tests.make.cluster import World

ADMIN = Path(__file__).parents[2] / "examples/payments/admin"
KEY = "\x1b[31m" + "x" * 1000
"""As long as YAML takes one."""
LONG = "\x1b[31m" + "x" * 100_000 + "\n"
ASKED = make.asking(db="aws-sm:/prod/payments/db")
SHORT = 2000
"""Characters that a message may have."""


def _deployment(**changes: object) -> dict[str, Any]:
    found = make.deployment(annotations=ASKED)
    found["spec"]["template"]["spec"]["securityContext"] = {"fsGroup": 2000}
    return {**found, **changes}


def _deep(content: object) -> dict[str, Any]:
    """Below many long keys."""
    for _ in range(20):
        content = {KEY: content}
    return {KEY: content}


def _template() -> dict[str, Any]:
    return dict(_deployment()["spec"]["template"])


MANIFESTS = {
    "kind": _deployment(kind=LONG),
    "apiVersion": _deployment(apiVersion=LONG, kind="Widget"),
    "name": _deployment(metadata={"name": LONG, "annotations": ASKED}),
    "namespace": _deployment(metadata={"name": "x", "namespace": LONG}),
    "key of an annotation": _deployment(
        metadata={"name": "x", "annotations": {f"lastgood.dev/{KEY}{at}": "x" for at in range(5)}}
    ),
    "keys on the way to a template": {"apiVersion": "v1", "kind": "X", **_deep(_template())},
    "keys on the way to annotations": {
        "apiVersion": "v1",
        "kind": "X",
        **_deep({"annotations": ASKED}),
    },
    "container": _deployment(
        spec={"template": {**_template(), "spec": {"containers": [{KEY: 1}]}}}
    ),
    "source": make.deployment(annotations=make.asking(db=LONG)),
}
FILES = {
    "kind": {"kind": LONG},
    "name": {"kind": "Namespace", "metadata": {"name": LONG, "labels": {"lastgood.dev/policy": 1}}},
    "field": {"apiVersion": "lastgood.dev/v1alpha1", "kind": "SecretPolicy", KEY: 1},
    "class": {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretPolicy",
        "metadata": {"name": "x"},
        "spec": {"namespaces": ["a"], "sources": [], "classes": {KEY: {KEY: 1}}},
    },
    "account": {
        "apiVersion": "lastgood.dev/v1alpha1",
        "kind": "SecretPolicy",
        "metadata": {"name": "x"},
        "spec": {
            "namespaces": [LONG],
            "sources": [{"account": LONG, "allow": [LONG], "class": LONG}],
            "classes": {},
        },
    },
}


def _is_quiet(said: str) -> None:
    assert said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= SHORT


@pytest.mark.parametrize("verb", ["render", "presync"])
@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_what_a_manifest_says_is_quoted_short(
    verb: str, manifest: dict[str, Any], tmp_path: Path
) -> None:
    """Escape codes of 100,000 characters reach no terminal, wherever they stand."""
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    image = ("--image", "registry.example/a") if verb == "render" else ()
    words = (verb, "-f", str(path), "--policy", str(ADMIN), "-n", "payments", *image)
    _is_quiet(typed(*words, variables=NO_CLUSTER).stderr)


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(json.dumps(item), id=name) for name, item in FILES.items()),
        pytest.param(f"!<{LONG.strip()[5:]}> x", id="a tag"),
        pytest.param("a: b: " + "x" * 100_000, id="no YAML"),
        pytest.param("\n---\n".join([json.dumps(FILES["name"])] * 2), id="a name twice"),
    ],
)
@pytest.mark.parametrize("which", ["policy", "manifest"])
def test_what_a_policys_file_says_is_quoted_short(which: str, text: str, tmp_path: Path) -> None:
    """Of files that can't be read, and of objects that are none."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "x.yaml").write_text(text)
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(text if which == "manifest" else json.dumps(_deployment()))
    policies = folder if which == "policy" else ADMIN
    words = ("render", "-f", str(manifest), "--policy", str(policies), "--image", "example/a")
    _is_quiet(typed(*words, variables=NO_CLUSTER).stderr)


def test_what_events_and_gates_say_is_quoted_short(world: World) -> None:
    """Anyone who may write Events in a namespace writes what an operator reads of it."""
    world.pod("api-1", "/prod/payments/db")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "x", "namespace": "payments"},
        "involvedObject": {"kind": "Pod", "name": "api-1", "namespace": "payments"},
        "source": {"component": "lastgood"},
        "reason": LONG,
        "message": LONG,
    }
    world.server.client.call("POST", CORE_EVENTS.path("payments"), event)
    done = world.lastgood("explain", "api-1")
    assert "x" * 50 in done.stdout
    _is_quiet(done.stdout)
    _is_quiet(world.lastgood("explain", "api-1", "--output", "json").stdout)
