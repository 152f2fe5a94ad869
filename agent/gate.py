"""The gate: seeds the cache, decides whether the pod may start, and exits; what it may not start
with it waits for.
"""

from __future__ import annotations

import json
import os

from agent.decide import Decision, PodVerdict, counts, oldest_age_s
from agent.log import fault
from agent.sync import SyncResult, Unreadable, VolumeWatch, sync_once
from contract.layout import GATE_MISCONFIGURED
from contract.wire import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.clock import MachineClock
    from agent.log import Log
    from agent.sync import Folders
    from contract.plan import Plan, PlannedSnapshot

POLL_S = 0.1
RETRY_S = 1.0
"""After an error of the operating system, which a swap of a volume may or may not end."""
REMIND_S = 30.0
TERMINATED = 143
MOST_MESSAGE_BYTES = 1024
"""Of the kubelet's 4096, so that an Event can quote all of it."""


def gate(plan: Plan, folders: Folders, clock: MachineClock, log: Log, termination_log: str) -> int:
    """Exit code: 0 when the pod may start, GATE_MISCONFIGURED when it never can. Waits as long as
    it takes.
    """
    begun = clock.monotonic()
    waiting = Waiting(clock, log)
    result = _attempt(plan, folders, clock, waiting)
    if result is None or result.decision.verdict is PodVerdict.WAIT:
        decision = _wait(plan, folders, clock, waiting)
    else:
        decision = result.decision
    if decision.verdict is PodVerdict.MISCONFIGURED:
        names = [planned.snapshot for planned in _foreign(decision)]
        return misconfigured(
            f"the mounted snapshot {', '.join(names)} is of another source or identity than the "
            "plan's. Recreate the pod from its annotations",
            log,
            termination_log,
        )
    outcome: dict[str, object] = {
        "result": "started",
        **counts(decision),
        "oldest_age_s": _rounded(oldest_age_s(decision, clock.now())),
        "waited_s": _rounded(clock.monotonic() - begun),
    }
    log("gate.started", **outcome)
    say(termination_log, outcome)
    return 0


def misconfigured(message: str, log: Log, termination_log: str) -> int:
    """Say what is wrong, in a sentence that names no value, and the exit code for it."""
    log("gate.misconfigured", message=message)
    say(termination_log, {"result": "misconfigured", "message": message})
    return GATE_MISCONFIGURED


def say(termination_log: str, outcome: dict[str, object]) -> None:
    """The termination message, into the file that the kubelet made for it; where there is none,
    nothing.
    """
    line = _line(outcome)
    while len(line) > MOST_MESSAGE_BYTES:
        outcome = {**outcome, "message": str(outcome["message"])[:-16]}
        line = _line(outcome)
    try:
        fd = os.open(termination_log, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, line)
    except OSError:
        return
    finally:
        os.close(fd)


def _wait(plan: Plan, folders: Folders, clock: MachineClock, waiting: Waiting) -> Decision:
    watch = VolumeWatch(folders)
    while True:
        now = clock.now()
        if watch.is_due(now):
            result = _attempt(plan, folders, clock, waiting)
            if result is not None and result.decision.verdict is not PodVerdict.WAIT:
                return result.decision
            watch.wake_at(now + RETRY_S if result is None else result.decision.next_change)
        waiting.remind()
        clock.sleep(POLL_S)


def _attempt(
    plan: Plan, folders: Folders, clock: MachineClock, waiting: Waiting
) -> SyncResult | None:
    """One sync; None: it failed, and the log says so."""
    try:
        result = sync_once(plan, folders, clock.now(), starting=True)
    except (OSError, WireError, Unreadable) as error:
        waiting.say(fault(error))
        return None
    if result.decision.verdict is PodVerdict.WAIT:
        waiting.say({"secrets": result.decision.waiting})
    return result


class Waiting:
    """Says what is waited for: when that changes, and from time to time."""

    def __init__(self, clock: MachineClock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._what: dict[str, object] = {}
        self._said_at = 0.0
        self._since = clock.monotonic()

    def say(self, what: dict[str, object]) -> None:
        """Log what is waited for, unless it was the last thing logged."""
        if what != self._what:
            if not self._what:
                _end_on_sigterm()
            self._what = what
            self._write()

    def remind(self) -> None:
        """Log it again when the last time was long ago."""
        if self._what and self._clock.monotonic() - self._said_at >= REMIND_S:
            self._write()

    def _write(self) -> None:
        self._said_at = self._clock.monotonic()
        self._log("gate.waiting", **self._what, waited_s=_rounded(self._said_at - self._since))


def _end_on_sigterm() -> None:
    """From the first thing waited for on: PID 1 has no default action. Imported by a gate that
    waits alone.
    """
    import signal

    signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))


def _line(outcome: dict[str, object]) -> bytes:
    return json.dumps({"v": 1, **outcome}, separators=(",", ":")).encode()


def _foreign(decision: Decision) -> list[PlannedSnapshot]:
    from contract.reasons import CacheReason

    return [each.planned for each in decision.choices if each.cache_reason is CacheReason.FOREIGN]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
