"""Pods that flood a server, and who they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.install.world import RESTRICTED, SECURITY, pod
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.install.kubectl import Json, Place
    from tests.e2e.install.settings import Settings

PROGRAM = (Path(__file__).parents[2] / "webhook/flood.py").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What one pod does."""

    target: str
    """HOST:PORT."""
    kinds: list[str]
    """Those of the program."""
    seconds: int
    cpu: str = "500m"
    """A share of the processor, as pods of one node have it."""


def flooding(settings: Settings, name: str, flood: Flood) -> Json:
    """The pod."""
    container = {
        "name": "app",
        "image": settings.image("provider"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", PROGRAM, flood.target, str(flood.seconds), *flood.kinds],
        "securityContext": SECURITY,
        "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": flood.cpu, "memory": "1Gi"}},
    }
    return pod(
        name,
        {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": RESTRICTED,
            "containers": [container],
        },
        {},
    )


def run(floods: Iterable[tuple[Place, Json]], within_s: float) -> None:
    """Creates the pods, and waits for their end."""
    made = [(place, item["metadata"]["name"], item) for place, item in floods]
    for place, _, item in made:
        place.create(item)
    for wanted, patience_s in (({"Running", "Succeeded"}, 60.0), ({"Succeeded"}, within_s)):
        for place, name, _ in made:
            until(f"{name} to be {wanted}", partial(_is, place, name, wanted), patience_s)


def _is(place: Place, name: str, wanted: set[str]) -> bool:
    return place.get("pod", name)["status"]["phase"] in wanted


def opened(place: Place, name: str) -> int:
    """Connections that a flood has opened, those that were opened again among them."""
    return int(_said(place, name)[-1])


def released(place: Place, name: str) -> bool:
    """Whether it has opened all that were wanted, which is when it released its requests."""
    return _said(place, name)[0] == "all"


def _said(place: Place, name: str) -> list[str]:
    """What it has said; the log of a pod that has ended may come a moment later."""
    return until(f"what {name} says", lambda: place.kubectl("logs", name).split())
