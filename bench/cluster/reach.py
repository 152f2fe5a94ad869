"""How soon a rollback and a revocation have changed the file in every running pod, while the
provider answers nothing; against a Secret of the same pods' own, which the kubelet alone brings.
The clocks of this machine and of the nodes have to agree.
"""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from bench.cluster.figures import line, percentile, say
from bench.cluster.installed import ASKS, REFERENCE, TEAM, app, served, snapshot
from contract.annotations import MODE
from tests.e2e.install import world
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

AIM_S = 5.0
READY_S = 280.0
NUDGED_S = 60.0
KUBELET_S = 180.0
MODES = ("follow", "mount")
PATHS = {"db": "/var/run/secrets-cache/db", "plain": "/plain/value"}


def run(settings: Settings, provider: Provider, pods: int) -> None:
    """Prints the lines; half of the pods are of each mode."""
    each = pods // len(MODES)
    provider.fault("pass")
    try:
        _report(*_reached(settings, provider, each, len(MODES) * each))
    finally:
        provider.fault("pass")
        TEAM.kubectl("delete", "deployments", "--all", "--timeout=120s")


def _reached(
    settings: Settings, provider: Provider, each: int, pods: int
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each pod: of the kubelet alone, of the rollback, of the revocation."""
    first = provider.put(REFERENCE, "the value before")
    TEAM.apply(_plain("before"))
    for mode in MODES:
        TEAM.create(_deployment(settings, mode, each))
    for mode in MODES:
        TEAM.rolled_out(mode, READY_S)
    served(first)
    _changed(pods, "db", _digest("the value before"), NUDGED_S)
    second = provider.put(REFERENCE, "the value after")
    served(second)
    _changed(pods, "db", _digest("the value after"), NUDGED_S)
    after = _digest("after")
    alone = _measured(pods, "plain", after.__eq__, KUBELET_S, lambda: TEAM.apply(_plain("after")))
    provider.fault("blackhole")
    name = snapshot()["metadata"]["name"]
    rollback, revoke = ({"quarantined": [second]}, {"revoked": [first]})
    before = _digest("the value before")
    rolled = _measured(pods, "db", before.__eq__, NUDGED_S, lambda: _wish(name, rollback))
    # An older version that is held takes its place.
    revoked = _measured(pods, "db", before.__ne__, NUDGED_S, lambda: _wish(name, revoke))
    return alone, rolled, revoked


def _report(alone: list[float], rolled: list[float], revoked: list[float]) -> None:
    for what, times in (("rollback", rolled), ("revoke", revoked)):
        line(f"{what}-seconds", max(times), AIM_S)
        say(
            f"{what} in {len(times)} running pods: all after {max(times):.2f} s, half after"
            f" {percentile(times, 50):.2f} s; {max(times) / max(alone):.3f} of the kubelet alone"
        )
    say(
        f"the kubelet alone, a Secret of the same pods: all after {max(alone):.1f} s, half after"
        f" {percentile(alone, 50):.1f} s"
    )


def _measured(
    pods: int,
    name: str,
    is_it: Callable[[str], bool],
    within_s: float,
    act: Callable[[], None],
) -> list[float]:
    """Seconds from the act until each pod's app has read a value of which the digest is it."""
    began = time.time()
    act()
    return [at - began for at in _seen(pods, name, is_it, within_s)]


def _changed(pods: int, name: str, digest: str, within_s: float) -> None:
    _seen(pods, name, digest.__eq__, within_s)


def _seen(pods: int, name: str, is_it: Callable[[str], bool], within_s: float) -> list[float]:
    """When each pod's app has said such a digest, once all have."""

    def times() -> list[float]:
        found = [_when(lines, name, is_it) for lines in _said().values()]
        known = [at for at in found if at is not None]
        return known if len(known) == pods else []

    return until(f"{pods} pods to have read {name}", times, within_s)


def _when(lines: list[Json], name: str, is_it: Callable[[str], bool]) -> float | None:
    """Since when the last word of an app is such a digest; None: it is not."""
    since: float | None = None
    for said in lines:
        if not is_it(said["files"][name]):
            since = None
        elif since is None:
            since = said["at"]
    return since


def _said() -> dict[str, list[Json]]:
    """What each app has said, by pod."""
    words = ("-l", "bench=reach", "-c", "app", "--prefix", "--tail=-1", "--max-log-requests=200")
    found: dict[str, list[Json]] = {}
    for text in TEAM.kubectl("logs", *words).splitlines():
        prefix, _, said = text.partition(" ")
        if said.startswith("{"):
            found.setdefault(prefix, []).append(json.loads(said))
    return found


def _wish(name: str, spec: Json) -> None:
    TEAM.patch("secretsnapshot", name, {"spec": spec})


def _digest(value: str) -> str:
    return sha256(value.encode()).hexdigest()


def _plain(value: str) -> Json:
    metadata = {"name": "plain"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"value": value},
    }


def _deployment(settings: Settings, mode: str, replicas: int) -> Json:
    spec = app(settings, PATHS)
    spec["volumes"] = [{"name": "plain", "secret": {"secretName": "plain"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "plain", "mountPath": "/plain"}]
    made: Json = world.deployment(mode, spec, {**ASKS, MODE: mode}, replicas=replicas)
    made["spec"]["template"]["metadata"]["labels"]["bench"] = "reach"
    made["spec"]["progressDeadlineSeconds"] = int(READY_S)
    return made
