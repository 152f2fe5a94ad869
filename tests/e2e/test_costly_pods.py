"""Pods that would cost the webhook most, through a real API server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.admission import admitted

if TYPE_CHECKING:
    from tests.e2e.admission import Place
    from tests.e2e.replica import Webhook

pytestmark = pytest.mark.e2e

VOLUMES = [{"name": f"v{at}", "emptyDir": {}} for at in range(12_000)]
CONTAINER = {"name": "app", "image": "registry.example/app:1"}
MOUNTS = [
    {"name": "lastgood-cache", "mountPath": "/x"},
    *({"name": "v", "mountPath": f"/m{at}"} for at in range(30_000)),
]
VARIABLES = {f"env_V{at}": "db" for at in range(500)} | {"mount-path": "/" + "m" * 1000}
ATTACKS: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "variables x containers x path": (
        VARIABLES,
        {"containers": [{**CONTAINER, "name": f"c{at}"} for at in range(200)]},
        "variables and a mount path of 1001 characters in 200 containers make a patch of up to",
    ),
    "30,000 mounts": (
        {},
        {"containers": [{**CONTAINER, "volumeMounts": MOUNTS}]},
        "JSON values; allowed are 100000",
    ),
    "4,000 mounts": (
        {},
        {"containers": [{**CONTAINER, "volumeMounts": MOUNTS[:4_000]}]},
        "volumeMounts",  # the API server's own word, after ours: there is no such volume
    ),
    "empty objects": (
        {},
        {"containers": [CONTAINER], "tolerations": [{}] * 400_000},
        "JSON values; allowed are 100000",
    ),
    "volumes of a marked pod": (
        {"injected": "0.1.0"},
        {"containers": [CONTAINER], "volumes": [{"name": "lastgood-cache"}, *VOLUMES]},
        "JSON values; allowed are 100000",
    ),
}


def test_p10_costly_pods_are_refused_by_name_and_others_start(
    place: Place, replica: Webhook
) -> None:
    """All at once: each refusal names its limit, the webhook is the same process after them, and it
    needed a fraction of the chart's memory.
    """
    admitted(place, replica)
    pods = []
    for asked, spec, _ in ATTACKS.values():
        pod = place.opted_in(**asked)
        pod["spec"] = spec
        pods.append(pod)
    with ThreadPoolExecutor(2 * len(pods)) as pool:
        answers = list(pool.map(place.create, pods * 2))
    for answer, (_, _, message) in zip(answers, [*ATTACKS.values()] * 2, strict=True):
        assert answer.status in {403, 422}, answer.message[:300]
        assert message in answer.message
    assert place.create(place.opted_in()).status == 201
    status = Path(f"/proc/{replica.process.pid}/status").read_text(encoding="ascii")
    assert int(status.partition("VmHWM:")[2].split()[0]) < 200 << 10
