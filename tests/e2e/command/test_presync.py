"""Manifests against the cluster's own policies: `render` and `presync`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from contract import layout
from controller.snapshot_objects import MADE_FOR
from tests.e2e.command.world import MANIFEST, ONE, POD

if TYPE_CHECKING:
    from tests.e2e.command.world import Commanded

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_p7_render_decides_by_the_clusters_policies_and_the_namespaces_label(
    commanded: Commanded,
) -> None:
    """What they refuse is denied in the webhook's words; so is a namespace without a label."""
    words = ("render", "-f", "-", "--image", "example/a")
    here = ("-n", commanded.namespace)
    rendered = yaml.safe_load(commanded.lastgood(*words, *here, stdin=MANIFEST).stdout)
    assert [item["name"] for item in rendered["spec"]["initContainers"]] == [layout.GATE]
    refused = POD.format(source="aws-sm:/other/db")
    said = commanded.lastgood(*words, *here, stdin=refused, code=1).stderr
    assert f"policy {commanded.namespace} does not allow this secret in namespace" in said
    said = commanded.lastgood(*words, "-n", "default", stdin=MANIFEST, code=1).stderr
    assert "namespace default has no label lastgood.dev/policy" in said
    said = commanded.lastgood(*words, "-n", "not-there", stdin=MANIFEST, code=1).stderr
    assert "Namespace not-there does not exist yet" in said


def test_presync_prints_what_will_be_needed_once_and_without_our_mark(
    commanded: Commanded,
) -> None:
    """The API server takes it as it is; a rendered manifest gives the same."""
    words = ("presync", "-f", "-", "-n", commanded.namespace)
    printed = commanded.lastgood(*words, stdin=f"{MANIFEST}---\n{MANIFEST}").stdout
    (document,) = yaml.safe_load_all(printed)
    assert document["metadata"] == {"name": commanded.snapshot, "namespace": commanded.namespace}
    render = ("render", "-f", "-", "-n", commanded.namespace, "--image", "example/a")
    rendered = commanded.lastgood(*render, stdin=MANIFEST).stdout
    assert commanded.lastgood(*words, stdin=rendered).stdout == printed
    as_json = commanded.lastgood(*words, "--output", "json", stdin=MANIFEST).stdout
    assert json.loads(as_json)["items"] == [document]
    commanded.controlled.kubectl("apply", "-f", "-", stdin=printed)
    plain = MANIFEST.replace("lastgood.dev/secret.db", "team")
    done = commanded.lastgood(*words, stdin=plain)
    assert (done.stdout, done.stderr) == ("", "no pod in the manifests requests a secret\n")


def test_presync_applied_waits_until_each_has_a_value(commanded: Commanded) -> None:
    """Exit 4 names what has none yet; what was made for pods is kept as declared from then on."""
    words = ("presync", "-f", "-", "-n", commanded.namespace, "--apply", "--wait")
    commanded.controlled.lead()
    done = commanded.lastgood(*words, "0", stdin=MANIFEST, code=4)
    assert f"not fetched within 0 s: {commanded.namespace}/{commanded.snapshot}" in done.stderr
    assert ": created\n" in done.stdout
    commanded.put(ONE)
    done = commanded.lastgood(*words, "60", stdin=MANIFEST)
    assert ": unchanged\n" in done.stdout
    assert "fresh" in done.stdout
    assert commanded.value() == ONE
    mark = {"metadata": {"annotations": {MADE_FOR: "pods"}}}
    commanded.controlled.patch("snap", commanded.snapshot, mark)
    done = commanded.lastgood(*words, "60", stdin=MANIFEST)
    assert ": configured: created for pods before" in done.stdout
    found = commanded.controlled.get("snap", commanded.snapshot)
    assert found is not None
    assert MADE_FOR not in found["metadata"].get("annotations", {})
