"""What is in the images, as a container of each sees it: Python and our code, and nothing else that
could be run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.cluster import container, pod
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster, Json
    from tests.e2e.settings import Settings

pytestmark = pytest.mark.e2e
LOOK = """
import importlib.util, json, os, stat, sys
runs, named, special = [], [], []
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = set(folders) - {"proc", "sys", "dev"}
    for name in files:
        path = os.path.join(folder, name)
        named.append(path)
        try:
            found = os.stat(path)
        except OSError:
            continue
        mode = found.st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID):
            special.append(path)
        # An empty file is where a builder mounted one of its own.
        if mode & 0o111 and found.st_size and ".so" not in name:
            runs.append(path)
sys.path.insert(0, "/opt/lastgood")
names = ("pip", "ensurepip", "setuptools", "venv")
modules = [name for name in names if importlib.util.find_spec(name)]
found = {"runs": runs, "named": named, "special": special, "modules": modules}
print(json.dumps({**found, "uid": os.getuid()}))
"""
NOTHING = {"sh", "bash", "dash", "ash", "busybox", "env", "perl", "apt", "apt-get", "dpkg"}
NOTHING |= {"apk", "rpm", "yum", "dnf", "pip", "pip3", "curl", "wget", "su", "mount", "ldconfig"}


def _seen(cluster: Cluster, settings: Settings, name: str) -> Json:
    """What a container of the image finds; its root is read-only, as in the chart."""
    repository, _, tag = settings.agent_image.rpartition("agent:")
    assert repository, "the agent's image is named …agent:TAG"
    image = f"{repository}{name}:{tag}"
    command = [layout.PYTHON, "-I", "-S", "-c", LOOK]
    looks = container(settings, image=image, command=command)
    looks["securityContext"]["readOnlyRootFilesystem"] = True
    body = pod(f"look-{name}", {}, looks, security={}, restartPolicy="Never")
    cluster.create(body)
    ended = cluster.ended(f"look-{name}", "app")
    assert ended["exitCode"] == 0, cluster.kubectl("logs", f"look-{name}")
    said = until("the list", lambda: cluster.kubectl("logs", f"look-{name}"))
    found: Json = json.loads(said)
    return found


@pytest.mark.parametrize("name", ["agent", "webhook", "controller"])
def test_p13_an_image_holds_python_and_our_code_alone(
    cluster: Cluster, settings: Settings, name: str
) -> None:
    """No shell, no package manager, nothing that changes its user, and no program but one."""
    seen = _seen(cluster, settings, name)
    assert seen["uid"] == 65532
    names = {path.rpartition("/")[2] for path in seen["named"]}
    assert not names & NOTHING
    assert layout.PYTHON in seen["named"]
    assert f"{layout.CODE_PATH}/__main__.py" in seen["named"]
    programs = [path for path in seen["runs"] if not path.startswith("/usr/bin/python3")]
    programs = [path for path in programs if not path.startswith("/usr/local/bin/python3")]
    assert programs == []
    assert seen["special"] == []
    assert seen["modules"] == []
