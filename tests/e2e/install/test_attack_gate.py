"""P10 on a cluster: a team puts programs of its own before the gate's, with webhook and policies
installed.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.cluster import digest
from tests.e2e.install.bystanders import ATTACKER
from tests.e2e.install.team import refresh
from tests.e2e.install.world import OTHER, app, pod
from tests.e2e.test_gate_program import DATA, FILES, WAYS
from tests.make import asking
from tests.make.waiting import until
from webhook.inject import strip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.enforced import Server
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
SOURCE = "/other/gate"
PODS = f"/api/v1/namespaces/{OTHER.namespace}/pods"
LOOKED_UP = {"command": ["python3", *layout.COMMAND[1:]], **WAYS["PATH"]}
"""A command that is looked up in PATH, where the team's file is."""
LET_IN = {"path", "pythonpath", "pythonhome", "path-again", "pythonpath-again", "pythonhome-again"}
"""Variables are what other injectors set, and the gate's program reads none of these."""
REPAIRED = {"command-again"}
"""The webhook puts its own command back."""


@pytest.fixture
def evil(attacked: Provider) -> Iterator[Provider]:
    """The files, as a ConfigMap; all is gone afterwards."""
    metadata = {"name": "evil"}
    OTHER.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": FILES})
    yield attacked
    OTHER.kubectl("delete", "pod", "-l", "app=evil", "--grace-period=1")
    OTHER.kubectl("delete", "configmap", "evil")


def _attacks(server: Server, settings: Settings) -> dict[str, Json]:
    """Injected pods, each changed in one way. The webhook is asked again about those that still ask
    for a secret; the others have its mark alone, as rendered manifests do.
    """
    answer = server.act(
        ATTACKER, "POST", PODS, pod("evil", app(settings), asking(db=f"aws-sm:{SOURCE}")), dry=True
    )
    injected = answer.body
    made = {}
    for way, changes in {**WAYS, "command": LOOKED_UP}.items():
        attacked = _changed(injected, changes)
        for name, body in ((way, strip(attacked)), (f"{way}-again", attacked)):
            body["metadata"]["name"] = name.lower()
            made[name.lower()] = copy.deepcopy(body)
    return made


def _changed(injected: Json, changes: Json) -> Json:
    """With the files before the gate's own."""
    body = copy.deepcopy(injected)
    metadata = body["metadata"]
    body["metadata"] = {key: metadata[key] for key in ("name", "labels", "annotations")}
    body["spec"]["volumes"].append(
        {"name": "evil", "configMap": {"name": "evil", "defaultMode": 0o755}}
    )
    (gate,) = (item for item in body["spec"]["initContainers"] if item["name"] == layout.GATE)
    gate["volumeMounts"].append({"name": "evil", "mountPath": DATA})
    gate.update({**changes, "env": [*gate.get("env", ()), *changes.get("env", ())]})
    return body


def test_p10_no_program_of_a_team_is_the_gates(
    evil: Provider,
    *,
    unharmed: AbstractContextManager[None],
    server: Server,
    settings: Settings,
    value: str,
    record_property: Record,
) -> None:
    """P10: a file `python3` and modules before the gate's own, by PATH, PYTHONPATH, PYTHONHOME, the
    working directory and the command: what is let in waits for its secret, which was never
    fetched, and starts with it when it is there.
    """
    with unharmed:
        refused, let_in = {}, []
        for name, body in _attacks(server, settings).items():
            answer = server.act(ATTACKER, "POST", PODS, body)
            if answer.status == 201:
                let_in.append(name)
            else:
                refused[name] = answer.message
        record_property("let in", len(let_in))
        record_property("refused", len(refused))
        assert set(let_in) == LET_IN | REPAIRED
        assert all("lastgood-guard-pods" in message for message in refused.values()), refused
        for name in let_in:
            until(f"the gate of {name}", partial(_waits, name), 60)
            assert "waiting" in _state(name, "containerStatuses", "app")
        evil.put(SOURCE, value)
        refresh(SOURCE, OTHER)
        for name in let_in:
            until(f"{name} to start", partial(_started, name), 90)
            assert OTHER.said(name)[0]["files"]["db"]["digest"] == digest(value)


def _waits(name: str) -> bool:
    """Whether the gate has said that it waits."""
    if "running" not in _state(name, "initContainerStatuses", layout.GATE):
        return False
    said = OTHER.said(name, layout.GATE)
    return any(
        line["event"] == "gate.waiting" and line["secrets"] == {"db": "never-synced"}
        for line in said
    )


def _started(name: str) -> bool:
    return "running" in _state(name, "containerStatuses", "app") and bool(OTHER.said(name))


def _state(name: str, member: str, container: str) -> Json:
    status = OTHER.get("pod", name)["status"]
    found = (item["state"] for item in status.get(member, ()) if item["name"] == container)
    state: Json = next(found, {})
    return state
