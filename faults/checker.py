"""What a history has to be: one rule for each promise, from the history alone.

Each rule yields a sentence per violation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from faults.admin import BURST, CALLS_PER_SECOND
from faults.history import (
    Answered,
    AppMissed,
    AppRead,
    Asked,
    Called,
    Died,
    FaultBegan,
    PodCreated,
    PodStarted,
    PodWritten,
    StatusSeen,
    Wrote,
)
from faults.scenario import CLOCK_STEP_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.history import Event, History

SPREAD_S = 200.0
"""From an operator's request to the last reader without the version, where nothing is wrong: a
lagging kubelet's 90 s twice, and the steps of the controller."""
RECOVERS_S = 60.0
"""After a fault of the API server or a death: a Lease that runs out, and backoff."""
START_S = 30.0
ROUNDING_S = 0.001
_UNDOES_A_ROLLBACK = {"pin", "unpin", "rollback", "revoke"}


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that a history breaks."""

    promise: str
    at: float
    message: str


def check(history: History) -> list[Violation]:
    """All violations, oldest first."""
    found = [
        Violation(promise, at, message)
        for promise, rule in RULES.items()
        for at, message in rule(history)
    ]
    return sorted(found, key=lambda violation: violation.at)


def not_torn(history: History) -> Iterator[tuple[float, str]]:
    """P3: all files of a secret are of one version, which is the one that status.json names."""
    for read in history.of(AppRead):
        if len(set(read.versions)) > 1:
            yield read.at, f"{read.pod} read {read.versions} of {read.secret} at once"


def of_the_provider(history: History) -> Iterator[tuple[float, str]]:
    """P2: every version that a pod reads was written by its owner before."""
    written: set[tuple[str, str]] = set()
    for event in history.events:
        if isinstance(event, Wrote):
            written.add((event.secret, event.version))
        elif isinstance(event, AppRead):
            for version in event.versions:
                if (event.secret, version) not in written:
                    yield event.at, f"{event.pod} read {version} of {event.secret}"


def never_lost(history: History) -> Iterator[tuple[float, str]]:
    """P2: what a pod could read once it can read, unless all that there was is revoked."""
    revoked: set[tuple[str, str | None]] = set()
    for event in history.events:
        if isinstance(event, Asked) and event.verb == "revoke":
            revoked.add((event.secret, None))
        elif isinstance(event, AppMissed) and (event.secret, None) not in revoked:
            yield event.at, f"{event.pod} has {event.secret} no more ({event.shown})"


def revoked_is_gone(history: History) -> Iterator[tuple[float, str]]:
    """P12: no pod reads a revoked version later than the bound after the revocation."""
    for asked in history.of(Asked):
        if asked.verb == "revoke":
            yield from _gone(history, asked, "revoked", lambda _: False)


def rolled_back_stays_away(history: History) -> Iterator[tuple[float, str]]:
    """P12: a version that was rolled back from does not come back until an operator says so."""
    for asked in history.of(Asked):
        if asked.verb == "rollback":
            yield from _gone(
                history,
                asked,
                "rolled back",
                lambda event, asked=asked: (  # type: ignore[misc]  # bound now
                    isinstance(event, Asked)
                    and event.secret == asked.secret
                    and event.at > asked.at
                    and event.verb in _UNDOES_A_ROLLBACK
                ),
            )


def no_age_too_young(history: History) -> Iterator[tuple[float, str]]:
    """P5: what is shown as confirmed at a time was then, or later, named by the provider as its
    current version. Of a version that an operator chose it is enough that the provider answered.
    A controller whose own clock is ahead may be wrong by as much while it is.
    """
    answered: dict[tuple[str, str | None], float] = {}
    chosen: set[str] = set()
    ahead_until = float("-inf")
    for event in history.events:
        if isinstance(event, Answered):
            answered[event.secret, event.version] = answered[event.secret, None] = event.at
        elif isinstance(event, Asked):
            chosen.add(event.secret)
        elif isinstance(event, FaultBegan) and event.kind == "controller-clock-forward":
            ahead_until = max(ahead_until, event.until + SPREAD_S)
        elif isinstance(event, AppRead | StatusSeen):
            version = event.shown if isinstance(event, AppRead) else event.version
            if version is None or event.last_success is None:
                continue
            known = (event.secret, None if event.secret in chosen else version)
            truth = answered.get(known, float("-inf"))
            truth += CLOCK_STEP_S if event.at < ahead_until else 0.0
            if event.last_success > truth + ROUNDING_S:
                who = event.pod if isinstance(event, AppRead) else "the SecretSnapshot"
                by = event.last_success - truth
                yield event.at, f"{who} shows {version} of {event.secret} {by:.1f} s too young"


def within_the_budget(history: History) -> Iterator[tuple[float, str]]:
    """P4: in every window the calls stay within the account's rate and burst. Each life of a leader
    begins with a full bucket.
    """
    least, count = 0.0, 0.0
    start: float | None = None
    for event in history.events:
        if isinstance(event, Died | FaultBegan):
            least, count, start = 0.0, 0.0, None
        elif isinstance(event, Called):
            start = event.at if start is None else start
            allowed = CALLS_PER_SECOND * (event.at - start)
            least = min(least, count - allowed)
            count += event.calls
            over = count - allowed - least - BURST
            if over > ROUNDING_S:
                yield event.at, f"{over:.1f} calls over the budget"


def starts(history: History) -> Iterator[tuple[float, str]]:
    """P1: a pod whose snapshots are there starts, whatever provider and controller do."""
    started = {event.pod: event.at for event in history.of(PodStarted)}
    ended_at = history.events[-1].at if history.events else 0.0
    for created in history.of(PodCreated):
        late = started.get(created.pod, ended_at) - created.at
        if created.ready and late > START_S:
            yield created.at, f"{created.pod} had its snapshots and waited {late:.0f} s"


def never_a_pod(history: History) -> Iterator[tuple[float, str]]:
    """P10: nothing of a pod is written but the annotation that wakes its kubelet, so that its Ready
    never changes by us.
    """
    for event in history.of(PodWritten):
        yield event.at, f"{event.method} {event.path}"


def _gone(
    history: History, asked: Asked, what: str, undone: Callable[[Event], bool]
) -> Iterator[tuple[float, str]]:
    """Reads of the version later than the bound. A fault of the API server, or a death, before the
    bound has passed puts it off.
    """
    bound = asked.at + SPREAD_S
    for event in history.events:
        if event.at < asked.at:
            if isinstance(event, FaultBegan) and event.until > asked.at:
                bound = max(bound, event.until + RECOVERS_S + SPREAD_S)
            continue
        if undone(event):
            return
        if isinstance(event, FaultBegan) and event.at <= bound:
            bound = max(bound, event.until + RECOVERS_S + SPREAD_S)
        elif isinstance(event, Died) and event.at <= bound:
            bound = max(bound, event.at + RECOVERS_S + SPREAD_S)
        elif (
            isinstance(event, AppRead)
            and event.secret == asked.secret
            and asked.version in event.versions
            and event.at > bound
        ):
            late = event.at - asked.at
            yield event.at, f"{event.pod} read {asked.version} {late:.0f} s after it was {what}"


RULES: dict[str, Callable[[History], Iterator[tuple[float, str]]]] = {
    "P1 starts": starts,
    "P2 origin": of_the_provider,
    "P2 never lost": never_lost,
    "P3 not torn": not_torn,
    "P4 budget": within_the_budget,
    "P5 ages": no_age_too_young,
    "P10 pods": never_a_pod,
    "P12 revoked": revoked_is_gone,
    "P12 rolled back": rolled_back_stays_away,
}
"""By promise and what of it."""
