"""`controller.accountFiles`: what accounts name as files is where the controller looks."""

from __future__ import annotations

import pytest

from providers.open_source import FOLDER
from tests.chart.rendering import helm, render, run_template

pytestmark = pytest.mark.skipif(helm() is None, reason="needs helm")
TOKEN = {"serviceAccountToken": {"audience": "vault", "path": "vault/token"}}


def test_they_are_one_projected_volume_of_the_controller() -> None:
    """Read-only, at the one folder that sources read."""
    found = render(values={"controller": {"accountFiles": [TOKEN]}})
    names = {"lastgood-controller": 1, "lastgood-webhook": 0}
    for item in found:
        if item["kind"] != "Deployment":
            continue
        spec = item["spec"]["template"]["spec"]
        volumes = [it for it in spec.get("volumes", ()) if it["name"] == "account-files"]
        mounts = [
            it
            for it in spec["containers"][0].get("volumeMounts", ())
            if it["name"] == "account-files"
        ]
        assert len(volumes) == len(mounts) == names.pop(item["metadata"]["name"])
        for volume, mount in zip(volumes, mounts, strict=True):
            assert volume["projected"]["sources"] == [TOKEN]
            assert (mount["mountPath"], mount["readOnly"]) == (str(FOLDER), True)
    assert names == {}


AZURE = {"azure.workload.identity/use": "true"}


def test_labels_of_webhooks_are_of_the_controllers_pods_alone() -> None:
    """Beside the chart's own, which select the pods."""
    for item in render(values={"controller": {"podLabels": AZURE}}):
        if item["kind"] == "Deployment":
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert (AZURE.items() <= labels.items()) == (
                item["metadata"]["name"] == "lastgood-controller"
            )
            assert item["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_charts_own_labels_are_not_replaced() -> None:
    """Or the Deployment would not select its pods."""
    wrong = {"app.kubernetes.io/component": "other"}
    done = run_template(values={"controller": {"podLabels": wrong}})
    assert done.returncode != 0
    assert "app.kubernetes.io/component" in done.stderr


@pytest.mark.parametrize("wrong", [{"hostPath": {"path": "/"}}, {}, {"secret": {}}])
def test_p7_what_is_no_source_of_a_projected_volume_is_refused(wrong: dict[str, object]) -> None:
    """By the chart's schema."""
    done = run_template(values={"controller": {"accountFiles": [wrong]}})
    assert done.returncode != 0
    assert "accountFiles" in done.stderr
