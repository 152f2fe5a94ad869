"""P13 on a cluster: pods without credentials flood the webhook while admissions go through the API
server. The floods are bounded in count and time, and end by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions, bystanders, flooding
from tests.e2e.install.flooding import Flood
from tests.e2e.install.world import OTHER, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
WEBHOOK, PORT = "lastgood-webhook", 10250
SECONDS = 40
PARTS = {
    "bodies": ["body=44"],
    "idle": ["idle=3383"],
    "slow": ["hello=200", "head=200"],
}
"""Of one replica, each part from a pod of its own."""


@pytest.fixture
def floods(attacked: Provider, settings: Settings) -> Iterator[list[Json]]:
    """Manifests of the pods, which are gone afterwards: another namespace floods one replica by its
    address, and the Service.
    """
    del attacked
    address = f"{SYSTEM.pods(WEBHOOK)[0]['status']['podIP']}:{PORT}"
    service = SYSTEM.get("service", WEBHOOK)["spec"]["clusterIP"]
    parts = {name: (address, part) for name, part in PARTS.items()}
    parts["service"] = (f"{service}:443", ["idle=500", "body=10"])
    made = [
        flooding.flooding(
            settings, f"flood-{name}", Flood(target=target, kinds=kinds, seconds=SECONDS)
        )
        for name, (target, kinds) in parts.items()
    ]
    yield made
    names = [item["metadata"]["name"] for item in made]
    OTHER.kubectl("delete", "pod", *names, "--ignore-not-found", "--grace-period=1")


def test_p13_floods_from_pods_fail_no_admission(
    floods: list[Json], server: Server, settings: Settings, record_property: Record
) -> None:
    """P13: unfinished bodies, idle connections, slow handshakes and slow heads from pods of another
    namespace, at 50 admissions a second through the API server: none fails, no container restarts,
    and the same controller leads.
    """
    before = bystanders.standing()
    load = admissions.opted_in(server, settings)
    with load.running():
        flooding.run([(OTHER, item) for item in floods], 150)
    record_property("admitted", load.admitted)
    record_property("failed", len(load.failed))
    assert load.failed == []
    assert load.reached >= bystanders.REACHED
    assert bystanders.standing() == before
    for item in floods:
        assert flooding.opened(OTHER, item["metadata"]["name"]) > 0
