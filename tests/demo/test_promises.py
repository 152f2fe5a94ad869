"""Promises seen from end to end: webhook, controller, gate, agent and app are real processes."""

from __future__ import annotations

import copy
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo import sinks
from demo.cast import last_login, ready_at, status_of
from demo.gather import gather
from demo.story import MEMORY
from demo.workloads import Denied
from demo.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from demo.cast import Cast
    from demo.pods import PodProcesses

WITHIN_S = 30.0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An empty stage in memory; all that was started on it is ended."""
    with tempfile.TemporaryDirectory(prefix="lastgood-test-", dir=MEMORY) as folder:
        world = World(Path(folder))
        yield world
        world.close()


@pytest.fixture(scope="module")
def running(world: World) -> Cast:
    """A store that is well, webhook and controller, and three running pods."""
    cast = gather(world)
    _started(cast, cast.start(cast.deployment, 3))
    return cast


@pytest.fixture
def cast(running: Cast) -> Iterator[Cast]:
    """The same for each test, which leaves the store well."""
    yield running
    running.fault("pass")


def _started(cast: Cast, pods: Sequence[PodProcesses]) -> None:
    cast.world.need("start", lambda: all(ready_at(pod) is not None for pod in pods), WITHIN_S)


def _logged_in(cast: Cast, word: str) -> None:
    def said() -> bool:
        return all((last_login(pod) or ("",))[0] == word for pod in cast.ours)

    cast.world.need(word, said, WITHIN_S)


def test_p1_pods_start_with_no_provider_call_while_store_and_controller_are_away(
    cast: Cast,
) -> None:
    """The store answers nothing, the controller is stopped, and nobody asks the store."""
    cast.fault("blackhole")
    cast.world.send("controller", signal.SIGSTOP)
    before = cast.proxy.counts()
    try:
        _started(cast, cast.start(cast.deployment, 3))
    finally:
        cast.world.send("controller", signal.SIGCONT)
    assert cast.proxy.counts() == before


def test_p4_more_pods_make_no_more_calls(cast: Cast) -> None:
    """All that reaches the store is what the controller counts as its own, no matter who starts."""
    _started(cast, cast.start(cast.deployment, 3))
    assert cast.unexplained() == 0
    assert cast.calls() > 0


def test_p2_p5_a_failed_refresh_changes_no_value_and_makes_none_fresher(cast: Cast) -> None:
    """The reason is shown, and the age counts from the last success."""
    cast.fault("access-denied")
    before, seen, began = cast.snapshot(), [status_of(pod) for pod in cast.ours], time.time()
    answer = cast.operate("refresh")
    assert (answer["reason"], answer["version"]) == ("denied", before["version"])
    assert answer["last_success"] <= began
    for status, pod in zip(seen, cast.ours, strict=True):
        assert status_of(pod).revision == status.revision


def test_p10_a_pod_that_opts_in_with_a_mistake_is_denied_with_the_way_to_mend_it(
    cast: Cast,
) -> None:
    """It does not start without its secrets, and the message is the webhook's, over TLS."""
    workload = copy.deepcopy(cast.deployment)
    annotations = workload["spec"]["template"]["metadata"]["annotations"]
    annotations["lastgood.dev/mod"] = "follow"
    with pytest.raises(Denied, match=r'"lastgood\.dev/mode"'):
        cast.api.create(workload)


def test_p12_a_bad_rotation_is_rolled_back_and_revoked_without_the_provider(cast: Cast) -> None:
    """Every running pod follows, and the revoked value is left in no volume."""
    cast.put("good", valid=True)
    cast.operate("refresh")
    _logged_in(cast, "ok good")
    cast.put("mistake", valid=False)
    bad = str(cast.operate("refresh")["version"])
    _logged_in(cast, "refused")
    cast.fault("blackhole")
    assert cast.operate("rollback")["version"] != bad
    _logged_in(cast, "ok good")
    assert cast.operate("revoke", bad)["revoked"] == [bad]
    mistake = cast.passwords["mistake"]
    cast.world.need("purge", lambda: not sinks.holders(cast, mistake), WITHIN_S)
    _started(cast, cast.start(cast.deployment, 1))
    _logged_in(cast, "ok good")


def test_p8_no_password_is_where_none_belongs(cast: Cast) -> None:
    """Logs, arguments, environments, statuses, specs and pods hold none."""
    found = sinks.search(cast)
    assert [check.what for check in found.checks if not check.kept] == []
