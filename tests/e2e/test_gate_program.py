"""A pod whose owner puts programs and modules of its own before the gate's, on a real kubelet where
no policy refuses it: the gate's own program runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.cluster import container, digest, pod
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster, Json
    from tests.e2e.settings import Settings

pytestmark = pytest.mark.e2e
DATA = "/data"
ENDS = "import os\nos._exit(0)\n"
"""What lets the app start: the gate's success."""
FILES = {
    "python3": f"#!{layout.PYTHON}\n{ENDS}",
    "json.py": ENDS,
    "sitecustomize.py": ENDS,
    "agent.py": ENDS,
}
WAYS: dict[str, Json] = {
    "PATH": {"env": [{"name": "PATH", "value": DATA}]},
    "PYTHONPATH": {"env": [{"name": "PYTHONPATH", "value": DATA}]},
    "PYTHONHOME": {"env": [{"name": "PYTHONHOME", "value": DATA}]},
    "workingDir": {"workingDir": DATA},
    "all": {
        "env": [{"name": name, "value": DATA} for name in ("PATH", "PYTHONPATH", "PYTHONHOME")]
        + [{"name": "PYTHONSAFEPATH", "value": ""}, {"name": "PYTHONUSERBASE", "value": DATA}],
        "workingDir": DATA,
    },
}


def _attacked(cluster: Cluster, settings: Settings, name: str, **changes: object) -> Json:
    """A rendered pod whose gate mounts the files; not created."""
    rendered = cluster.render(
        pod(name, asking(db=f"file:/steady/{name}"), container(settings), security={"runAsUser": 1})
    )
    source = {"name": "evil", "defaultMode": 0o755}
    rendered["spec"]["volumes"].append({"name": "evil", "configMap": source})
    (gate,) = rendered["spec"]["initContainers"]
    gate["volumeMounts"].append({"name": "evil", "mountPath": DATA})
    gate.update(changes)
    return rendered


@pytest.fixture(scope="module")
def evil(cluster: Cluster) -> None:
    """The files, as a ConfigMap."""
    metadata = {"name": "evil"}
    cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": FILES})


@pytest.mark.usefixtures("evil")
@pytest.mark.parametrize("way", WAYS)
def test_p10_the_gates_program_is_ours(
    cluster: Cluster, settings: Settings, value: str, way: str
) -> None:
    """It waits for a secret that was never fetched, and the app starts with it later."""
    rendered = _attacked(cluster, settings, f"own-{way.lower()}", **WAYS[way])
    name = rendered["metadata"]["name"]
    cluster.create(rendered)
    assert cluster.said(name, "gate.waiting", layout.GATE)["secrets"] == {"db": "never-synced"}
    assert "waiting" in cluster.container(name, "app")["state"]
    cluster.publish(rendered, value)
    cluster.nudge(name)
    assert cluster.said(name, "started")["files"]["db"]["digest"] == digest(value)
    cluster.delete(name)


@pytest.mark.usefixtures("evil")
def test_a_name_that_is_looked_up_would_be_theirs(cluster: Cluster, settings: Settings) -> None:
    """The same attack on a command without a path: the gate ends at once, and the app starts
    without its secret. The policy lastgood-guard-pods refuses this command.
    """
    words = ["python3", *layout.COMMAND[1:]]
    rendered = _attacked(cluster, settings, "theirs", command=words, **WAYS["PATH"])
    cluster.create(rendered)
    assert cluster.ended("theirs", layout.GATE)["exitCode"] == 0
    assert cluster.said("theirs", "started")["files"] == {}
    cluster.delete("theirs")
