"""P13 on a cluster: pods without credentials flood the webhook while admissions go through the API
server. The floods are bounded in count and time, and end by themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions
from tests.e2e.install.world import OTHER, RESTRICTED, SECURITY, SYSTEM, pod
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
WEBHOOK, PORT = "lastgood-webhook", 10250
FLOOD = (Path(__file__).parents[2] / "webhook/flood.py").read_text(encoding="utf-8")
SECONDS = 40
REACHED = 0.5
"""The part of the rate that has to be reached: the floods come from the node that the API server
and the load run on, and take their part of it.
"""
PARTS = {
    "bodies": ["body=44"],
    "idle": ["idle=3383"],
    "slow": ["hello=200", "head=200"],
}
"""Of one replica, each part from a pod of its own."""


def _flooding(settings: Settings, name: str, target: str, kinds: list[str]) -> Json:
    container = {
        "name": "app",
        "image": settings.image("provider"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", FLOOD, target, str(SECONDS), *kinds],
        "securityContext": SECURITY,
        # A share of the processor, as pods of one node have it.
        "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "500m", "memory": "1Gi"}},
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


def _replicas() -> list[Json]:
    return SYSTEM.pods(WEBHOOK)


def _restarts() -> dict[str, int]:
    found = [pod["status"]["containerStatuses"][0] for pod in _replicas()]
    names = [pod["metadata"]["name"] for pod in _replicas()]
    return {name: each["restartCount"] for name, each in zip(names, found, strict=True)}


@pytest.fixture
def floods(installed: Provider, settings: Settings) -> Iterator[list[Json]]:
    """Manifests of the pods, which are gone afterwards: another namespace floods one replica by its
    address, and the Service.
    """
    del installed
    address = f"{_replicas()[0]['status']['podIP']}:{PORT}"
    service = SYSTEM.get("service", WEBHOOK)["spec"]["clusterIP"]
    made = [_flooding(settings, f"flood-{name}", address, part) for name, part in PARTS.items()]
    made.append(_flooding(settings, "flood-service", f"{service}:443", ["idle=500", "body=10"]))
    yield made
    names = [item["metadata"]["name"] for item in made]
    OTHER.kubectl("delete", "pod", *names, "--ignore-not-found", "--grace-period=1")


def _phase(name: str) -> str:
    phase: str = OTHER.get("pod", name)["status"]["phase"]
    return phase


def test_p13_floods_from_pods_fail_no_admission(
    floods: list[Json], server: Server, settings: Settings, record_property: Record
) -> None:
    """P13: unfinished bodies, idle connections, slow handshakes and slow heads from pods of another
    namespace, at 50 admissions a second through the API server: none fails, and no replica
    restarts.
    """
    before = _restarts()
    names = [item["metadata"]["name"] for item in floods]
    load = admissions.opted_in(server, settings)
    with load.running():
        for item in floods:
            OTHER.create(item)
        until("the floods", lambda: {_phase(name) for name in names} == {"Running"}, 60)
        until("their end", lambda: {_phase(name) for name in names} == {"Succeeded"}, 150)
    record_property("admitted", load.admitted)
    record_property("failed", len(load.failed))
    assert load.failed == []
    assert load.reached >= REACHED
    assert _restarts() == before
    for name in names:
        assert int(OTHER.kubectl("logs", name).split()[-1]) > 0, name
