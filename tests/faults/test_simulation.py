"""Histories of whole clusters under faults: one seed gives one history, the promises hold, and each
rule of the checker catches a build that is broken on purpose.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agent import volume
from contract.reasons import FetchFailure
from contract.wire import WireError
from controller import reconcile
from controller.nudges import Nudges
from faults.checker import RULES, check
from faults.history import AppRead, PodStarted
from faults.results import PAGE, page, read
from faults.scenario import SECRETS, Deed, Fault, Scenario, drawn
from faults.shrink import shrunk
from faults.simulation import run
from kube.api_resources import PODS
from kube.errors import ApiError
from refresh import (
    budget,
    confirmation,
    interval,
    properties,
    snapshot_data,
    snapshot_states,
    step,
)
from refresh.step_events import FetchFailed, Withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    from controller.spec import Spec
    from kube.api import Json
    from policy.match import PolicySet
    from refresh.model import OperatorSpec, SnapshotKey, SnapshotState
    from refresh.step_events import Effect, StepEvent

pytestmark = pytest.mark.slow
DB, SHOP = SECRETS[0], SECRETS[2]


def _scenario(*parts: Fault | Deed, seconds: float = 420.0) -> Scenario:
    return Scenario(
        seed=7,
        faults=tuple(part for part in parts if isinstance(part, Fault)),
        deeds=tuple(part for part in parts if isinstance(part, Deed)),
        duration_s=seconds,
    )


ROTATED = _scenario(Deed(what="write", at=60.0, secret=DB), seconds=240.0)


def test_one_seed_gives_one_history() -> None:
    """Else no failing seed could be looked at."""
    scenario = replace(drawn(11), duration_s=200.0)
    first, second = ([event.line() for event in run(scenario).events] for _ in range(2))
    assert first == second
    assert len(first) > 50


@pytest.mark.parametrize("seed", [3, 6])
def test_p2_p5_the_promises_hold(seed: int) -> None:
    """For two seeds of many: `make faults` runs more."""
    scenario = replace(drawn(seed), duration_s=900.0)
    history = run(scenario)
    assert check(history) == []
    assert len({read.pod for read in history.of(AppRead)}) >= 3
    assert len(list(history.of(PodStarted))) >= 3


def test_a_failing_scenario_is_made_small() -> None:
    """What is not needed is left out; what is needed stays."""
    needed = Fault(kind="slow", at=1.0, lasts_s=2.0)
    other = Fault(kind="error", at=2.0, lasts_s=2.0)
    deed = Deed(what="write", at=1.0, secret=DB)
    whole = _scenario(other, needed, other, deed)
    assert shrunk(whole, lambda it: needed in it.faults) == _scenario(needed)


# Builds that are broken on purpose, by the rule that has to catch them


def _mixed(patch: pytest.MonkeyPatch) -> None:
    """The first `user` of a secret stays for ever, beside newer passwords."""
    real = properties.selected
    kept: dict[tuple[str, bytes], bytes] = {}

    def broken(raw: bytes, names: Iterable[str]) -> dict[str, bytes]:
        found = real(raw, names)
        return {
            name: kept.setdefault((name, item.split(b"@")[0]), item) if "user" in name else item
            for name, item in found.items()
        }

    patch.setattr(snapshot_data, "selected", broken)


def _no_versions(patch: pytest.MonkeyPatch) -> None:
    real = properties.selected

    def broken(raw: bytes, names: Iterable[str]) -> dict[str, bytes]:
        return dict.fromkeys(real(raw, names), b"something else")

    patch.setattr(snapshot_data, "selected", broken)


def _absence_removes(patch: pytest.MonkeyPatch) -> None:
    real = step.step

    def broken(
        state: SnapshotState, event: StepEvent, now: float
    ) -> tuple[SnapshotState, list[Effect]]:
        gone = isinstance(event, FetchFailed) and event.reason is FetchFailure.ABSENT
        return real(state, Withdrawn() if gone else event, now)

    patch.setattr(snapshot_states, "step", broken)


def _bottomless(patch: pytest.MonkeyPatch) -> None:
    """The budget pays for everything, and each secret is fetched all the time."""
    patch.setattr(budget.Bucket, "ready_at", lambda _self, _calls, now: now)
    patch.setattr(budget.Bucket, "take", lambda *_: True)
    patch.setattr(interval, "interval_s", lambda *_: 0.1)
    patch.setattr(interval, "on_slot", lambda due_at, _: due_at)


def _ages_from_the_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(confirmation, "moment", lambda *times: times[-1])


def _pod_status_written(patch: pytest.MonkeyPatch) -> None:
    async def nudge(self: Nudges, namespace: str, pod: str) -> None:
        body: Json = {"status": {"conditions": []}}
        with suppress(ApiError):
            await self._api.merge_patch(PODS.path(namespace, pod) + "/status", body)

    patch.setattr(Nudges, "_nudge", nudge)


def _without(change: Callable[[OperatorSpec], OperatorSpec], patch: pytest.MonkeyPatch) -> None:
    """The controller does not hear of a part of what operators ask for."""
    real = reconcile.operator_spec

    def broken(
        key: SnapshotKey,
        spec: Spec | None,
        policies: PolicySet,
        *,
        state: SnapshotState | None,
        handled: float | None,
    ) -> OperatorSpec | None:
        found = real(key, spec, policies, state=state, handled=handled)
        return None if found is None else change(found)

    patch.setattr("controller.controller.operator_spec", broken)


def _unreadable(patch: pytest.MonkeyPatch) -> None:
    """A gate that cannot read what is mounted."""

    def broken(*_: object) -> NoReturn:
        raise WireError("a fault made on purpose")

    patch.setattr(volume, "read_snapshots", broken)


MUTATIONS: dict[str, tuple[Scenario, Callable[[pytest.MonkeyPatch], None]]] = {
    "P1 starts": (
        _scenario(Deed(what="restart", at=60.0, secret=SHOP), seconds=150.0),
        _unreadable,
    ),
    "P2 origin": (_scenario(seconds=60.0), _no_versions),
    "P2 never lost": (
        _scenario(Fault(kind="absent", at=30.0, lasts_s=200.0), seconds=300.0),
        _absence_removes,
    ),
    "P3 not torn": (ROTATED, _mixed),
    "P4 budget": (
        _scenario(Fault(kind="error", at=30.0, lasts_s=60.0), seconds=120.0),
        _bottomless,
    ),
    "P5 ages": (
        _scenario(Fault(kind="slow", at=30.0, lasts_s=150.0), seconds=200.0),
        _ages_from_the_answer,
    ),
    "P10 pods": (_scenario(seconds=60.0), _pod_status_written),
    "P12 revoked": (
        _scenario(Deed(what="revoke", at=60.0, secret=SHOP), seconds=400.0),
        partial(_without, lambda spec: replace(spec, revoked=frozenset())),
    ),
    "P12 rolled back": (
        _scenario(
            Deed(what="write", at=60.0, secret=SHOP),
            Deed(what="rollback", at=200.0, secret=SHOP),
            seconds=520.0,
        ),
        partial(_without, lambda spec: replace(spec, quarantined=frozenset())),
    ),
}


def test_each_rule_has_a_mutation() -> None:
    """A rule that nothing was ever seen to break may be one that cannot fail."""
    assert MUTATIONS.keys() == RULES.keys()


@pytest.mark.parametrize("promise", MUTATIONS)
def test_p2_a_broken_build_is_caught(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the same scenario breaks nothing with the real build."""
    scenario, broken = MUTATIONS[promise]
    assert check(run(scenario)) == []
    broken(monkeypatch)
    assert promise in {found.promise for found in check(run(scenario))}


def test_the_page_is_what_the_results_give() -> None:
    """Nobody has to remember to write it again."""
    assert PAGE.read_text(encoding="utf-8") == page(read())
