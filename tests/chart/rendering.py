"""The chart as Helm renders it, without a cluster."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

Manifest = dict[str, Any]

CHART = Path(__file__).parents[2] / "charts" / "lastgood"
NAMESPACE = "lastgood-system"
KUBERNETES = "1.34"
"""Helm renders for this version where no cluster is asked."""


def helm() -> str | None:
    """The path of helm, also where `go install` has put it; None: there is none."""
    home = os.environ.get("GOBIN") or os.environ.get("GOPATH", str(Path.home() / "go")) + "/bin"
    return shutil.which("helm") or shutil.which("helm", path=home)


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm's end, whatever it is."""
    command = [helm() or "helm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def render(
    *options: str, values: Manifest | None = None, namespace: str = NAMESPACE
) -> list[Manifest]:
    """Every object of the chart with these values."""
    done = run_template(*options, values=values, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def run_template(
    *options: str, values: Manifest | None = None, namespace: str = NAMESPACE
) -> subprocess.CompletedProcess[str]:
    """`helm template`, whatever comes of it."""
    return _template(options, None if values is None else json.dumps(values), namespace)


@functools.cache
def _template(
    options: tuple[str, ...], document: str | None, namespace: str
) -> subprocess.CompletedProcess[str]:
    given = [] if document is None else ["--values", "-"]
    command = [helm() or "helm", "template", "lastgood", str(CHART), "--namespace", namespace]
    command += ["--kube-version", KUBERNETES, *given, *options]
    return subprocess.run(
        command, input=document, capture_output=True, text=True, check=False, timeout=60
    )


def of_kind(documents: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Those of these kinds."""
    return [document for document in documents if document["kind"] in kinds]


def named(documents: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one of this kind and name."""
    (found,) = (item for item in of_kind(documents, kind) if item["metadata"]["name"] == name)
    return found
