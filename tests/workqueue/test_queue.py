"""The work queue: against a model that scans, in any order of calls."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workqueue import retry
from workqueue.queue import WorkQueue

KEYS = st.sampled_from("abcd")
BASE_S, CAP_S = 2.0, 10.0
NEVER = float("inf")


@dataclass
class Item:
    """What the model knows of a key."""

    asked_at: list[float]
    """The times that were asked for since the key was given last."""
    not_before: float = -NEVER
    failures: int = 0
    in_flight: bool = False
    since: int = 0
    """The call by which the key got the time at which it is due."""

    @property
    def due_at(self) -> float:
        return max(min(self.asked_at, default=NEVER), self.not_before)


class Machine(RuleBasedStateMachine):
    """Each call is made on the queue and on a dictionary that is scanned."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue[str](base_s=BASE_S, cap_s=CAP_S)
        self.items: dict[str, Item] = {}
        self.now, self.calls = 0.0, 0

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=KEYS, in_s=st.floats(-5, 20) | st.just(NEVER))
    def add(self, key: str, in_s: float) -> None:
        """Of several times the earliest counts; a backoff is never shortened."""
        self.queue.add(key, self.now + in_s)
        if in_s == NEVER:
            return
        item = self.items.setdefault(key, Item([]))
        self.calls += 1
        if self.now + in_s < min(item.asked_at, default=NEVER):
            item.since = self.calls
        item.asked_at.append(self.now + in_s)

    @rule(at_end=st.sampled_from([False, False, False, True]))
    def get(self, *, at_end: bool) -> None:
        """The key that has been due for longest, and never one that is in flight. At the end of a
        process whatever its due time.
        """
        now = NEVER if at_end else self.now
        waiting = {key: it for key, it in self.items.items() if not it.in_flight}
        due = [key for key, item in waiting.items() if item.due_at <= now]
        expected = min(due, key=lambda key: (waiting[key].due_at, waiting[key].since), default=None)
        assert self.queue.get(now) == expected
        if expected is not None:
            self.items[expected].in_flight, self.items[expected].asked_at = True, []

    def _flying(self) -> list[str]:
        return [key for key, item in self.items.items() if item.in_flight]

    @precondition(lambda self: self._flying())
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        """What was added meanwhile is due as it was asked for."""
        key = data.draw(st.sampled_from(self._flying()))
        self.queue.done(key)
        self._ended(key, failures=0, not_before=-NEVER)

    @precondition(lambda self: self._flying())
    @rule(
        data=st.data(),
        draw=st.floats(0, 1, exclude_max=True),
        asked_s=st.none() | st.floats(0.1, 30),
    )
    def retry(self, data: st.DataObject, draw: float, asked_s: float | None) -> None:
        """After the policy's delay, however often the key was added meanwhile."""
        key = data.draw(st.sampled_from(self._flying()))
        failures = self.items[key].failures + 1
        expected = retry.delay_s(failures, draw, base_s=BASE_S, cap_s=CAP_S, asked_s=asked_s)
        assert self.queue.retry(key, self.now, draw, asked_s=asked_s) == expected
        self.items[key].asked_at.append(self.now)
        self._ended(key, failures=failures, not_before=self.now + expected)

    def _ended(self, key: str, *, failures: int, not_before: float) -> None:
        item = self.items[key]
        self.calls += 1
        item.in_flight, item.since = False, self.calls
        item.failures, item.not_before = failures, not_before
        if not item.asked_at:
            del self.items[key]

    @rule(key=KEYS)
    def discard(self, key: str) -> None:
        """Work in flight goes on."""
        self.queue.discard(key)
        item = self.items.get(key)
        if item is None:
            return
        item.asked_at, item.failures = [], 0
        if not item.in_flight:
            del self.items[key]

    @invariant()
    def no_key_is_lost_or_kept_without_a_reason(self) -> None:
        assert len(self.queue) == len(self.items)
        for key in "abcd":
            item = self.items.get(key)
            assert (key in self.queue) == (item is not None and item.asked_at != [])

    @invariant()
    def it_says_when_a_key_is_due_next(self) -> None:
        times = [item.due_at for item in self.items.values() if not item.in_flight]
        assert self.queue.next_at() == min(times, default=NEVER)


TestMachine = Machine.TestCase
TestMachine.settings = settings(deadline=None, stateful_step_count=40)


def test_a_key_added_in_flight_is_given_again_after_it() -> None:
    """What its worker read may be older than the reason for the second time."""
    queue = WorkQueue[str]()
    queue.add("a", 0.0)
    assert queue.get(0.0) == "a"
    queue.add("a", 0.0)
    assert queue.get(0.0) is None
    queue.done("a")
    assert queue.get(0.0) == "a"


def test_p4_a_key_that_fails_is_not_hurried_by_changes() -> None:
    """A thousand changes in an outage cost no request before the backoff ends."""
    queue = WorkQueue[str](base_s=8.0)
    queue.add("a", 0.0)
    assert queue.get(0.0) == "a"
    assert queue.retry("a", 0.0, 0.5) == 4.0
    for number in range(1000):
        queue.add("a", number / 1000)
    assert queue.get(3.9) is None
    assert queue.get(4.0) == "a"
    queue.done("a")
    assert len(queue) == 0


def test_a_queue_that_is_used_for_long_stays_small() -> None:
    """Entries that were replaced or discarded take no room, also of keys that are never due."""
    queue = WorkQueue[int]()
    queue.add(-1, 1e9)
    for number in range(1000):
        queue.add(number % 3, 1e6 - number)
        if number % 10 == 9:
            queue.discard(number % 3)
    assert len(queue) <= 4
    assert len(queue._heap) < 80
    assert queue.next_at() < 1e6
