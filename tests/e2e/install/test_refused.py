"""P6: `onExpired: refuse` holds starting pods, and lets them go by itself; who starts with what is
stale is told.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import MODE
from contract.reasons import Freshness
from tests.e2e.cluster import digest
from tests.e2e.install import evidence
from tests.e2e.install.team import (
    container,
    digests,
    events_of,
    names,
    one,
    restarts,
    state,
    status_of,
)
from tests.e2e.install.world import BRIEF, STRICT, SYSTEM, TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
EXPIRES_S = 170.0
"""The age that the class allows, and what its writing may lag."""
HELD = ("held", "held-mount")
LATE = ("stale", "stale-mount")


def test_p6_what_has_expired_holds_a_starting_pod_until_it_is_fresh(
    installed: Provider, settings: Settings, value: str
) -> None:
    """P6: expired and refused: a running pod keeps its file and says that it is expired; a starting
    one, in either mode, is held by its gate, and goes by itself when the provider has it again.
    """
    running = one("strict")
    until("it to expire", lambda: state(STRICT).get("state") == "Expired", EXPIRES_S)
    until(
        "the app to see so",
        lambda: status_of(running).secrets["db"].state is Freshness.EXPIRED,
        90,
    )
    assert digests("strict") == {digest(value)}
    for name in HELD:
        mode = {MODE: "mount"} if name == "held-mount" else {}
        asks = {**asking(db=f"aws-sm:{STRICT}"), **mode}
        TEAM.create(deployment(name, app(settings), asks))
    for name in HELD:
        until(f"a pod of {name}", partial(names, name), 30)
        until(
            f"the gate of {name} to say why it waits",
            partial(_says_expired, name),
            60,
        )
        assert "waiting" in container(one(name), "app")["state"]
        until(f"an Event of {name}", partial(_is_told, name), 30)
    installed.put(STRICT, value)
    for name in HELD:
        TEAM.rolled_out(name, 120)
        assert digests(name) == {digest(value)}
        assert set(restarts(one(name)).values()) == {0}
        ended = container(one(name), layout.GATE)["state"]["terminated"]
        line = json.loads(ended["message"])
        assert (line["result"], line["fresh"], line["expired"]) == ("started", 1, 0)
        assert line["waited_s"] > 0
    until(
        "the running one to be fresh",
        lambda: status_of(running).secrets["db"].state is Freshness.FRESH,
        90,
    )


def test_p5_a_pod_that_starts_with_a_stale_value_is_told_so(
    installed: Provider, settings: Settings, value: str
) -> None:
    """P5: stale and served: a pod starts, in either mode; the gate's last line counts it, an Event
    says which source, how old, the provider's last error and what to do, and a metric counts pods.
    """
    until("it to be stale", lambda: state(BRIEF).get("state") == "Stale", EXPIRES_S)
    for name in LATE:
        mode = {MODE: "mount"} if name == "stale-mount" else {}
        asks = {**asking(db=f"aws-sm:{BRIEF}"), **mode}
        TEAM.create(deployment(name, app(settings), asks))
    for name in LATE:
        TEAM.rolled_out(name, 120)
        assert digests(name) == {digest(value)}
        until(f"an Event of {name}", partial(_is_told_stale, name), 30)
    line = json.loads(container(one("stale"), layout.GATE)["state"]["terminated"]["message"])
    assert (line["result"], line["fresh"], line["stale"]) == ("started", 0, 1)
    counted = "".join(page for _, page in evidence.metrics(SYSTEM))
    found = re.findall(r"^lastgood_pods_started_stale_total\{.*\} (.*)$", counted, re.MULTILINE)
    assert sum(map(float, found)) >= len(LATE), found
    installed.put(BRIEF, value)


def _is_told_stale(name: str) -> bool:
    words = (f"aws-sm:{BRIEF}", "class brief values are stale after 130 s", "absent", "Create it")
    return any(
        said.startswith("SecretStartedStale: ") and all(word in said for word in words)
        for said in events_of(one(name))
    )


def _says_expired(name: str) -> bool:
    """Whether the gate of its only pod runs, and says that it waits for what has expired."""
    pod = one(name)
    if "running" not in container(pod, layout.GATE).get("state", {}):
        return False
    return '"expired"' in TEAM.kubectl("logs", pod, "-c", layout.GATE)


def _is_told(name: str) -> bool:
    """Whether an Event of its only pod says which source has expired, that its class refuses it,
    the provider's last error and what to do.
    """
    words = (f"aws-sm:{STRICT}", "class strict refuses", "absent", "Create it there")
    return any(
        said.startswith("SecretExpired: ") and all(word in said for word in words)
        for said in events_of(one(name))
    )
