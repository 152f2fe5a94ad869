"""Pods wherever manifests keep them, and annotations where they have no effect."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cli.render import NOTHING
from contract import layout
from contract.annotations import PREFIX
from tests import make
from tests.make.command import NO_CLUSTER, typed

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ADMIN = Path(__file__).parents[2] / "examples/payments/admin"
IMAGE = "registry.example/agent@sha256:00"
ASKED = make.asking(db="aws-sm:/prod/payments/db")
META = {"name": "x", "namespace": "payments"}


def template(**annotations: str) -> dict[str, Any]:
    """A pod template that asks for one secret, or has these annotations."""
    made = copy.deepcopy(make.deployment()["spec"]["template"])
    made["metadata"]["annotations"] = annotations or dict(ASKED)
    made["spec"]["securityContext"] = {"fsGroup": 2000}
    return dict(made)


def workload(version: str, kind: str, **spec: object) -> dict[str, Any]:
    """An object of any kind."""
    return {"apiVersion": version, "kind": kind, "metadata": dict(META), "spec": spec}


def asked(verb: str, tmp_path: Path, manifest: object, *more: str) -> CompletedProcess[str]:
    """`render` or `presync` of one document."""
    path = tmp_path / "manifest.yaml"
    path.write_text(yaml.safe_dump(manifest))
    image = ("--image", IMAGE) if verb == "render" else ()
    words = (verb, "-f", str(path), "--policy", str(ADMIN), *image, *more)
    return typed(*words, variables=NO_CLUSTER)


def injected(node: object) -> int:
    """How many pods have a gate."""
    if isinstance(node, list):
        return sum(map(injected, node))
    if not isinstance(node, dict):
        return 0
    inits = node.get("initContainers")
    own = isinstance(inits, list) and any(item["name"] == layout.GATE for item in inits)
    return own + sum(map(injected, node.values()))


def typed_list() -> dict[str, Any]:
    """As `kubectl get --output yaml` of old, and `client-go`, write lists."""
    deployment = {"metadata": dict(META), "spec": {"template": template()}}
    return {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [deployment]}


KNOWN = {
    "ReplicationController": workload("v1", "ReplicationController", template=template()),
    "PodTemplate": {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": META,
        "template": template(),
    },
    "Rollout": workload("argoproj.io/v1alpha1", "Rollout", template=template(), strategy={}),
    "DeploymentList": typed_list(),
}
UNKNOWN = {
    "JobSet": workload(
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        replicatedJobs=[
            {"name": "a", "template": {"spec": {"template": template()}}},
            {"name": "b", "template": {"spec": {"template": template(team="a")}}},
        ],
    ),
    "PyTorchJob": workload(
        "kubeflow.org/v1", "PyTorchJob", pytorchReplicaSpecs={"Worker": {"template": template()}}
    ),
    "CloneSet": workload("apps.kruise.io/v1alpha1", "CloneSet", template=template()),
    "Job of another group": workload("batch.volcano.sh/v1alpha1", "Job", template=template()),
    "Deployment of old": workload("extensions/v1beta1", "Deployment", template=template()),
}


def as_list(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One document, so that one process reads all; each has the name of its case."""
    items = []
    for number, manifest in enumerate(copy.deepcopy([*manifests.values()])):
        for item in manifest.get("items", [manifest]):
            item["metadata"]["name"] = f"case-{number}"
        items.append(manifest)
    return {"apiVersion": "v1", "kind": "List", "items": items}


def test_every_known_kind_is_injected(tmp_path: Path) -> None:
    """Without a word; and the snapshot that they share is declared."""
    done = asked("render", tmp_path, as_list(KNOWN), "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    after = yaml.safe_load(done.stdout)["items"]
    assert [injected(item) for item in after] == [1] * len(KNOWN)
    (one,) = after[-1]["items"]
    assert set(one) == {"metadata", "spec"}  # a typed list says the kind of its objects
    declared = asked("presync", tmp_path, as_list(KNOWN))
    assert yaml.safe_load(declared.stdout)["spec"]["source"]["reference"] == "/prod/payments/db"


def test_pod_templates_of_unknown_kinds_are_injected_and_said(tmp_path: Path) -> None:
    """Their controllers may not keep all of it. It is no mistake, so `--strict` takes it. A second
    time changes nothing and says nothing.
    """
    done = asked("render", tmp_path, as_list(UNKNOWN), "--strict")
    assert done.returncode == 0, done.stderr
    after = yaml.safe_load(done.stdout)
    assert [injected(item) for item in after["items"]] == [1] * len(UNKNOWN)
    said = done.stderr.splitlines()
    for line, manifest in zip(said, UNKNOWN.values(), strict=True):
        assert ": warning: what looks like a pod template at spec." in line
        assert f"{manifest['apiVersion']} {manifest['kind']} is not a kind that lastgood" in line
    again = asked("render", tmp_path, after)
    assert (yaml.safe_load(again.stdout), again.stderr) == (after, f"{NOTHING}\n")
    presync = asked("presync", tmp_path, as_list(UNKNOWN))
    assert yaml.safe_load(presync.stdout)["spec"]["source"]["reference"] == "/prod/payments/db"
    assert presync.stderr.splitlines() == said


def annotated(manifest: dict[str, Any], *path: str) -> dict[str, Any]:
    """The manifest with our annotations at a path, and none on its template."""
    changed = copy.deepcopy(manifest)
    inside = changed["spec"].get("jobTemplate", changed)["spec"]
    inside.get("template", {}).get("metadata", {}).pop("annotations", None)
    place = changed
    for step in path:
        place = place.setdefault(step, {})
    place.update(ASKED)
    return changed


KEY = f"{PREFIX}secret.db"
RIGHT = "no effect there. Set it at spec.template.metadata.annotations"
MISTAKES = {
    "on the Deployment": (
        annotated(make.deployment(), "metadata", "annotations"),
        f"{KEY} at metadata.annotations: {RIGHT}",
    ),
    "on the Rollout": (
        annotated(KNOWN["Rollout"], "metadata", "annotations"),
        f"{KEY} at metadata.annotations: {RIGHT}",
    ),
    "on a CronJob's Job": (
        annotated(make.cron_job(), "spec", "jobTemplate", "metadata", "annotations"),
        (
            f"{KEY} at spec.jobTemplate.metadata.annotations: no effect there."
            " Set it at spec.jobTemplate.spec.template.metadata.annotations"
        ),
    ),
    "without metadata": (
        annotated(make.deployment(), "spec", "template", "annotations"),
        f"{KEY} at spec.template.annotations: {RIGHT}",
    ),
    "labels": (
        annotated(make.deployment(), "spec", "template", "metadata", "labels"),
        f"{KEY} at spec.template.metadata.labels: {RIGHT}",
    ),
    "an operator's own place": (
        annotated(
            workload("monitoring.coreos.com/v1", "Prometheus"),
            *("spec", "podMetadata", "annotations"),
        ),
        f"{KEY} at spec.podMetadata.annotations: there is no pod template, so nothing is injected",
    ),
    "in metadata itself": (
        annotated(make.deployment(), "spec", "template", "metadata"),
        f"{KEY} at spec.template.metadata: {RIGHT}",
    ),
    "in other letters": (
        {
            **make.deployment(annotations={}),
            "metadata": {**META, "annotations": {"LastGood.dev/Secret.db": "x"}},
        },
        f"LastGood.dev/Secret.db at metadata.annotations: {RIGHT}",
    ),
    "as a tool's option": (
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "metadata": dict(META),
            "commonAnnotations": dict(ASKED),
        },
        f"{KEY} at commonAnnotations: this is not an annotation, so nothing is injected here",
    ),
    "at the top": (
        {"apiVersion": "example.com/v1", "kind": "Values", "metadata": dict(META), **ASKED},
        f"{KEY} at the top: this is not an annotation, so nothing is injected here",
    ),
    "policy of a namespace": (
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "payments", "annotations": {f"{PREFIX}policy": "payments"}},
        },
        f"{PREFIX}policy at metadata.annotations: this is a namespace label, not an annotation",
    ),
}


@pytest.mark.parametrize("verb", ["render", "presync"])
def test_an_annotation_without_an_effect_is_a_warning(tmp_path: Path, verb: str) -> None:
    """And with `--strict` an error that prints nothing else. It names the place, and the right one
    where there is one.
    """
    manifests = as_list({name: manifest for name, (manifest, _) in MISTAKES.items()})
    done = asked(verb, tmp_path, manifests)
    *lines, last = done.stderr.splitlines()
    assert (done.returncode, last) == (0, NOTHING)
    strict = asked(verb, tmp_path, manifests, "--strict")
    assert (strict.returncode, strict.stdout) == (1, "")
    errors = strict.stderr.splitlines()
    for line, error, (_, sentence) in zip(lines, errors, MISTAKES.values(), strict=True):
        assert f": warning: {sentence}" in line
        assert line.replace("warning: ", "") == error


def test_a_document_that_is_no_object_is_a_warning(tmp_path: Path) -> None:
    """As an array of manifests, which kubectl does not read either."""
    done = asked("render", tmp_path, [make.deployment(annotations=ASKED)])
    assert "warning: this document is not an object, so nothing is injected here" in done.stderr
    assert asked("render", tmp_path, "a text", "--strict").returncode == 1


def test_what_others_may_write_is_no_mistake(tmp_path: Path) -> None:
    """Marks of ours, objects of ours, and a namespace's label."""
    documents = [
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretSnapshot",
            "metadata": {**META, "annotations": {f"{PREFIX}refresh-requested": "now"}},
        },
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "payments", "labels": {f"{PREFIX}policy": "payments"}},
        },
        make.deployment(annotations={f"{PREFIX}injected": "0.1.0"}),
    ]
    whole = {"apiVersion": "v1", "kind": "List", "items": documents}
    done = asked("render", tmp_path, whole, "--strict")
    assert (done.returncode, yaml.safe_load(done.stdout)) == (0, whole)
    assert done.stderr == f"{NOTHING}\n"
