"""From the creation of a pod to its app's first line, while the provider answers nothing. The
clocks of this machine and of the node have to agree.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from typing import TYPE_CHECKING

from bench.cluster.figures import line, say
from bench.cluster.installed import ASKS, REFERENCE, TEAM, app, served
from bench.cluster.waiting import is_gone, until
from contract.annotations import MODE
from kube.api_resources import PODS
from tests.e2e.install import world

if TYPE_CHECKING:
    from kube.api import Api
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

MOUNT_AIM, FOLLOW_AIM = 1.1, 1.15
CACHE = "/var/run/secrets-cache"
POLL_S = 0.2
LIMIT_S = 90.0
PLAIN, INIT, MOUNT, FOLLOW = "plain", "init", "mount", "follow"
KINDS = (PLAIN, INIT, MOUNT, FOLLOW)


async def run(api: Api, settings: Settings, provider: Provider, rounds: int) -> None:
    """Prints the lines. The first round is not counted: it brings snapshot and images."""
    version = provider.put(REFERENCE, "the first value")
    TEAM.create(_pod(settings, FOLLOW, "first"))
    served(version)
    provider.fault("blackhole")
    took_s: dict[str, list[float]] = {kind: [] for kind in KINDS}
    try:
        for number in range(rounds + 1):
            turn = number % len(KINDS)
            for kind in KINDS[turn:] + KINDS[:turn]:
                seconds = await _start_s(api, _pod(settings, kind, f"{kind}-{number}"), kind)
                if number:
                    took_s[kind].append(seconds)
    finally:
        provider.fault("pass")
        TEAM.kubectl("delete", "pods", "--all", "--grace-period=1")
    median = {kind: statistics.median(values) for kind, values in took_s.items()}
    line("start-mount", median[MOUNT] / median[PLAIN], MOUNT_AIM)
    line("start-follow", median[FOLLOW] / median[INIT], FOLLOW_AIM)
    names = {PLAIN: "plain pod", INIT: "with one do-nothing init container"}
    for kind, values in took_s.items():
        say(
            f"{names.get(kind, kind)}: median {median[kind]:.2f} s, {min(values):.2f} to"
            f" {max(values):.2f} s, {len(values)} pods"
        )


async def _start_s(api: Api, pod: Json, kind: str) -> float:
    name = pod["metadata"]["name"]
    path = PODS.path(TEAM.namespace, name)
    began = time.time()
    await api.create(PODS.path(TEAM.namespace), pod)

    async def runs() -> bool:
        return _runs(await api.get(path))

    await until(runs, LIMIT_S)
    said = await asyncio.to_thread(_first_line, name)
    if kind in {MOUNT, FOLLOW} and not said["files"]["db"]:
        raise RuntimeError(f"the app of {name} began without its file")
    await api.delete(path)
    await until(lambda: is_gone(api, path), LIMIT_S)
    return float(said["at"] - began)


def _first_line(name: str) -> Json:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        lines = TEAM.kubectl("logs", name, "-c", "app").splitlines()
        if lines:
            found: Json = json.loads(lines[0])
            return found
        time.sleep(POLL_S)
    raise TimeoutError(f"the app of {name} says nothing")


def _runs(pod: Json) -> bool:
    states = pod.get("status", {}).get("containerStatuses", ())
    return any(item["name"] == "app" and "running" in item["state"] for item in states)


def _pod(settings: Settings, kind: str, name: str) -> Json:
    spec = app(settings, {"db": f"{CACHE}/db"})
    notes = {**ASKS, MODE: kind} if kind in {MOUNT, FOLLOW} else {}
    if kind == INIT:
        image = settings.image("base")  # ours has no such command
        nothing = {**spec["containers"][0], "name": "nothing", "image": image, "env": []}
        spec["initContainers"] = [{**nothing, "command": ["true"]}]
    return world.pod(name, spec, notes)
