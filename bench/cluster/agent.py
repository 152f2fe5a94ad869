"""The agent's container at rest: memory by its cgroup, as the kubelet reads it, and the size of its
image, compressed, as the node tells it.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING

from bench.cluster.figures import line, say
from bench.cluster.installed import ASKS, REFERENCE, TEAM, app, served
from contract import layout
from contract.annotations import MODE
from tests.e2e.install import world
from tests.e2e.install.kubectl import run as command

if TYPE_CHECKING:
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

MIB = 1 << 20
MEMORY_AIM_MIB, IMAGE_AIM_MIB = 20.0, 25.0
SETTLE_S = 45.0
SAMPLES, GAP_S = 5, 10.0
BARE = ["python3", "-I", "-S", "-c", "import time\nwhile True: time.sleep(3600)"]


def run(settings: Settings, provider: Provider) -> None:
    """Prints the lines; against the image that the agent's is made from."""
    base = settings.image("base")
    provider.fault("pass")
    version = provider.put(REFERENCE, "a value for the agent")
    TEAM.create(_bare(settings, base))
    TEAM.create(world.pod("agent", app(settings, {}), {**ASKS, MODE: "follow"}))
    served(version)
    for name in ("bare", "agent"):
        TEAM.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    time.sleep(SETTLE_S)
    agent, bare = [], []
    for _ in range(SAMPLES):
        time.sleep(GAP_S)
        agent.append(_memory_mib("agent", layout.AGENT))
        bare.append(_memory_mib("bare", "app"))
    used, least = statistics.median(agent), statistics.median(bare)
    line("agent-memory-mib", used, MEMORY_AIM_MIB, digits=1)
    say(
        f"working set of the agent's container {used:.1f} MiB, of {base} asleep {least:.1f} MiB:"
        f" {used / least:.2f} times"
    )
    _images(settings.image("agent"), base)
    TEAM.kubectl("delete", "pods", "--all", "--grace-period=1")


def _images(agent: str, base: str) -> None:
    node = TEAM.get("pod", "agent")["spec"]["nodeName"]
    listed = json.loads(command("kubectl", "get", "node", node, "-o", "json"))["status"]["images"]
    size = {name: item["sizeBytes"] / MIB for item in listed for name in item.get("names") or ()}
    found = {name: _of(size, name) for name in (agent, base)}
    ours, below = found[agent], found[base]
    if ours is None or below is None:
        raise RuntimeError(f"the node does not list {agent} and {base} among its images")
    line("agent-image-mib", ours, IMAGE_AIM_MIB, digits=1)
    say(f"compressed: the agent's image {ours:.1f} MiB, its base {below:.1f} MiB")


def _of(sizes: dict[str, float], name: str) -> float | None:
    """By its name, which the node may spell with a registry before it."""
    fits = (mib for known, mib in sizes.items() if known == name or known.endswith("/" + name))
    return next(fits, None)


def _memory_mib(pod: str, container: str) -> float:
    """Working set: what its cgroup holds less the file pages that could go at once."""
    node = TEAM.get("pod", pod)["spec"]["nodeName"]
    path = f"/api/v1/nodes/{node}/proxy/stats/summary"
    pods = json.loads(command("kubectl", "get", "--raw", path))["pods"]
    (found,) = (
        item
        for one in pods
        if one["podRef"]["namespace"] == TEAM.namespace and one["podRef"]["name"] == pod
        for item in one["containers"]
        if item["name"] == container
    )
    return float(found["memory"]["workingSetBytes"]) / MIB


def _bare(settings: Settings, base: str) -> Json:
    spec = app(settings, {})
    spec["containers"][0] |= {"image": base, "command": BARE, "env": []}
    made: Json = world.pod("bare", spec, {})
    return made
