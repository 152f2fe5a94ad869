"""Who must not notice an attack: our own processes, and the other team's pods and admissions."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract import ages
from tests.e2e.cluster import digest
from tests.e2e.install import admissions, evidence
from tests.e2e.install.team import digests
from tests.e2e.install.world import OTHER, SYSTEM, TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json, Place
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

NAME, SOURCE = "bystander", "/e2e/brief/bystander"
"""The team's own pod, and its secret. The class's budget is short, so ages are written often."""
ATTACKER = f"system:serviceaccount:{OTHER.namespace}:attacker"
"""Who attacks: may do in the other namespace what the role `edit` has, and nothing elsewhere."""
OPTED_IN, PLAIN = 25.0, 10.0
"""Admissions of the team's a second."""
REACHED = 0.5
"""The part of these rates that has to be reached: attacks take their part of the machine that the
API server and the load run on.
"""
LEASE = "lastgood-controller"


@dataclass(frozen=True, slots=True)
class Standing:
    """What an attack changes if it has an effect."""

    restarts: dict[str, int]
    """Of each container of ours, and of the bystander's."""
    holder: str
    transitions: int


def standing() -> Standing:
    """As it is now."""
    lease = SYSTEM.get("lease", LEASE)["spec"]
    found = [*evidence.containers(SYSTEM), *evidence.containers(TEAM)]
    ours = {each["metadata"]["name"] for each in (*SYSTEM.items("pods"), *TEAM.pods(NAME))}
    restarts = {f"{pod}/{name}": item["restartCount"] for pod, name, item in found if pod in ours}
    return Standing(restarts, lease["holderIdentity"], lease.get("leaseTransitions", 0))


def leader() -> Json:
    """The pod of the controller that leads."""
    name = SYSTEM.get("lease", LEASE)["spec"]["holderIdentity"].rpartition("-")[0]
    return SYSTEM.get("pod", name)


def stand(provider: Provider, settings: Settings, value: str) -> None:
    """The team's pod, and all of ours as they are when nothing happens."""
    provider.put(SOURCE, value)
    TEAM.create(deployment(NAME, app(settings), asking(db=f"aws-sm:{SOURCE}")))
    TEAM.rolled_out(NAME)
    assert digests(NAME) == {digest(value)}
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.rolled_out(name)
    until("a leader that is there", _is_led, 60)


def _is_led() -> bool:
    holder = SYSTEM.get("lease", LEASE)["spec"]["holderIdentity"]
    pods = SYSTEM.pods("lastgood-controller")
    return any(holder.startswith(pod["metadata"]["name"]) for pod in pods)


def let_attack(server: Server) -> None:
    """Gives the attacker its account and its role."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "attacker"}}
    api = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "attacker"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "attacker"}],
    }
    OTHER.apply(account, role)
    asked = {"namespace": OTHER.namespace, "verb": "create", "resource": "pods"}
    until("its rights", lambda: server.may(ATTACKER, **asked), 30)
    assert not server.may(ATTACKER, **{**asked, "namespace": TEAM.namespace})


@contextlib.contextmanager
def unharmed(server: Server, settings: Settings, record: Record) -> Iterator[None]:
    """While the block lasts the team creates opted-in and plain pods by dry runs. None fails, no
    container of ours or of the team's pod restarts, and the same controller leads.
    """
    loads = {
        "opted in": admissions.opted_in(server, settings, OPTED_IN),
        "plain": admissions.plain(server, settings, PLAIN),
    }
    before = standing()
    try:
        with loads["opted in"].running(), loads["plain"].running():
            yield
    finally:
        for kind, load in loads.items():
            record(f"{kind}: admitted", load.admitted)
            record("failed", len(load.failed))
            record("slowest s", round(load.slowest_s, 1))
    after = standing()
    assert [each for load in loads.values() for each in load.failed] == []
    assert after == before
    assert all(load.reached >= REACHED for load in loads.values())


def ages_of(place: Place) -> dict[str, ages.Entry]:
    """The ages that the controller tells a namespace's pods of, by snapshot."""
    words = ("configmaps", f"--field-selector=metadata.name={ages.CONFIG_MAP}")
    found = place.items(*words)
    return {
        name: ages.from_wire(raw)
        for item in found
        for name, raw in (item.get("data") or {}).items()
    }
