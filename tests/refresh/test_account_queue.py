from __future__ import annotations

from collections import Counter

from contract.reasons import FetchFailure
from refresh.account_queue import FIRST, UNAFFORDABLE_S, AccountQueue, QueueEntry, Share, Work
from refresh.budget import RateLimit
from refresh.fair_queue import FairQueue, WorkKind
from refresh.model import Task
from refresh.write_queue import LEAST_REPORT_GAP_S, Job, WriteParts, WriteQueue
from tests.refresh.world import snapshot, source


def _account_queue(
    *, rate: float = 1000, burst: int = 1000, limit: int = 1, cost: int = 1
) -> AccountQueue:
    """A schedule in which a batch costs one call and a single fetch costs `cost`."""
    return AccountQueue(
        RateLimit(calls_per_second=rate, burst=burst),
        0.0,
        most_calls=lambda _, tasks: cost if len(tasks) == 1 else max(1, len(tasks) // 4),
        batch_limit=lambda _: limit,
    )


def _task(name: str, version: str | None = None) -> Task:
    return Task(source(name), version)


def _plan(*namespaces: str, **fields: float) -> QueueEntry:
    return QueueEntry(
        due_at=fields.get("due_at", 0.0),
        namespaces=dict.fromkeys(namespaces, fields.get("budget_s", 100.0)),
        since=fields.get("since", 0.0),
        share=Share.NEW if fields.get("new") else Share.KEPT,
        alone=bool(fields.get("alone", 0)),
    )


def _done(account_queue: AccountQueue, work: Work, now: float = 0.0, calls: int = 1) -> None:
    """Ends a fetch well; its tasks are due again in a thousand seconds."""
    account_queue.done(work, calls, [None], now, 0.5)
    for task in work.tasks:
        plan = account_queue.plan(task)
        assert plan is not None
        later = QueueEntry(due_at=now + 1000, namespaces=plan.namespaces, since=now)
        account_queue.put(task, later)


def _order(account_queue: AccountQueue, count: int, now: float = 0.0) -> list[str]:
    picked: list[str] = []
    for _ in range(count):
        work = account_queue.pick(now, 1000.0)
        if work is None:
            break
        picked.extend(task.source.reference for task in work.tasks)
        _done(account_queue, work, now)
    return picked


def test_namespaces_take_turns() -> None:
    """However many sources one of them has."""
    account_queue = _account_queue()
    for n in range(50):
        account_queue.put(_task(f"/many/{n}"), _plan("many"))
    for n in range(3):
        account_queue.put(_task(f"/few/{n}"), _plan("few"))
    order = _order(account_queue, 7)
    assert sum(name.startswith("/few") for name in order) == 3


def test_within_a_namespace_the_stalest_relative_to_its_budget_goes_first() -> None:
    """Age by budget: 90 of 100 s before 500 of 1000 s; what is urgent before both."""
    account_queue = _account_queue()
    account_queue.put(_task("/slow"), _plan("a", since=500.0, budget_s=1000.0))
    account_queue.put(_task("/fast"), _plan("a", since=910.0, budget_s=100.0))
    account_queue.put(_task("/fresh"), _plan("a", since=999.0, budget_s=100.0))
    account_queue.put(_task("/urgent"), _plan("a", since=FIRST, budget_s=1000.0))
    assert _order(account_queue, 4) == ["/urgent", "/fast", "/slow", "/fresh"]


def test_the_new_get_a_quarter_of_the_calls_while_others_wait_and_all_when_none_does() -> None:
    """A tenant's first sync never holds up refreshes."""
    account_queue = _account_queue()
    for n in range(300):
        account_queue.put(_task(f"/new/{n}"), _plan("a", new=1))
        account_queue.put(_task(f"/kept/{n}"), _plan("b"))
    count = Counter(name.split("/")[1] for name in _order(account_queue, 200))
    assert 45 <= count["new"] <= 55
    only_new = _account_queue()
    for n in range(10):
        only_new.put(_task(f"/new/{n}"), _plan("a", new=1))
    assert len(_order(only_new, 10)) == 10


def test_a_namespace_pays_for_fetches_that_cost_more() -> None:
    """Sources that are asked alone for 4 calls each get a quarter of the turns."""
    account_queue = _account_queue(cost=4)
    for n in range(100):
        account_queue.put(_task(f"/dear/{n}"), _plan("dear", alone=1))
        account_queue.put(_task(f"/cheap/{n}"), _plan("cheap", alone=1))
    picked: Counter[str] = Counter()
    for _ in range(50):
        work = account_queue.pick(0.0, 1000.0)
        assert work is not None
        (task,) = work.tasks
        name = task.source.reference.split("/")[1]
        picked[name] += 1
        _done(account_queue, work, calls=4 if name == "dear" else 1)
    assert picked["cheap"] >= 3 * picked["dear"]


def test_batches_are_of_one_kind_and_a_task_alone_or_by_name_is_in_none() -> None:
    """Identity and provider are one client's; what broke a batch stays out of them."""
    account_queue = _account_queue(limit=10)
    for n in range(4):
        account_queue.put(_task(f"/s/{n}"), _plan(f"ns{n}"))
    account_queue.put(_task("/alone"), _plan("a", alone=1))
    account_queue.put(_task("/s/0", "v1"), _plan("a"))
    account_queue.put(Task(source("/other", identity="role")), _plan("a"))
    works = [account_queue.pick(0.0, 1000.0) for _ in range(5)]
    assert sorted(len(work.tasks) for work in works if work is not None) == [1, 1, 1, 4]


def test_a_task_of_many_namespaces_is_picked_once() -> None:
    """The one whose turn comes first pays; single flight by source."""
    account_queue = _account_queue(limit=10)
    account_queue.put(_task("/s"), _plan("a", "b", "c"))
    work = account_queue.pick(0.0, 1000.0)
    assert work is not None
    assert work.tasks == (_task("/s"),)
    assert account_queue.pick(0.0, 1000.0) is None
    account_queue.put(_task("/s"), _plan("a", "b"))
    assert account_queue.pick(0.0, 1000.0) is None


def test_what_can_not_be_paid_now_waits_and_keeps_its_turn() -> None:
    """Nothing is lost or doubled by a pick that failed, and the wake-up time is right."""
    account_queue = _account_queue(rate=1, burst=4, limit=16)
    for n in range(16):
        account_queue.put(_task(f"/s/{n}"), _plan("a", "b"))
    work = account_queue.pick(0.0, 1000.0)
    assert work is not None
    assert len(work.tasks) == 16
    _done(account_queue, work, calls=4)
    for n in range(16):
        account_queue.put(_task(f"/s/{n}"), _plan("a", "b"))
    assert account_queue.pick(1.0, 1000.0) is None
    assert account_queue.waits_for_budget(1.0)
    assert account_queue.next_at(1.0) == 4.0
    work = account_queue.pick(4.0, 1000.0)
    assert work is not None
    assert len(set(work.tasks)) == 16


def test_a_batch_shrinks_to_what_the_burst_can_pay() -> None:
    """The rest comes in the next one."""
    account_queue = _account_queue(burst=2, limit=16)
    for n in range(16):
        account_queue.put(_task(f"/s/{n}"), _plan("a"))
    work = account_queue.pick(0.0, 1000.0)
    assert work is not None
    assert (len(work.tasks), work.reserved) == (8, 2)


def test_a_fetch_that_no_burst_can_pay_for_is_told_and_holds_up_nobody() -> None:
    """It is looked at again later, and at once when the admin raises the budget."""
    account_queue = _account_queue(burst=2, cost=3)
    account_queue.put(_task("/dear"), _plan("a"))
    assert account_queue.pick(0.0, 1000.0) is None
    assert (account_queue.take_put_off(), account_queue.take_put_off()) == ([_task("/dear")], [])
    assert (account_queue.smallest_burst, account_queue.next_at(0.0)) == (3, UNAFFORDABLE_S)
    account_queue.change(RateLimit(calls_per_second=1, burst=3), 1.0)
    assert account_queue.smallest_burst is None
    work = account_queue.pick(10.0, 1000.0)
    assert work is not None
    assert work.tasks == (_task("/dear"),)


def test_a_plan_that_changes_or_goes_leaves_no_trace() -> None:
    """Old entries are passed over; an empty schedule never wakes."""
    account_queue = _account_queue()
    account_queue.put(_task("/s"), _plan("a"))
    account_queue.put(_task("/s"), _plan("a", due_at=50.0))
    assert account_queue.pick(0.0, 1000.0) is None
    assert account_queue.next_at(0.0) == 50.0
    account_queue.put(_task("/s"), _plan("a"))
    assert account_queue.next_at(0.0) == 0.0
    account_queue.remove(_task("/s"))
    assert (_task("/s") in account_queue, len(account_queue)) == (False, 0)
    assert account_queue.pick(60.0, 1000.0) is None
    assert account_queue.next_at(60.0) == float("inf")
    assert account_queue.plan(_task("/s")) is None


def test_a_task_removed_under_way_is_settled_and_gone() -> None:
    """The budget gets its refund."""
    account_queue = _account_queue(burst=1)
    account_queue.put(_task("/s"), _plan("a"))
    work = account_queue.pick(0.0, 1000.0)
    assert work is not None
    account_queue.remove(_task("/s"))
    account_queue.done(work, 0, [], 0.0, 0.5)
    assert account_queue.bucket.ready_at(1, 0.0) == 0.0
    assert account_queue.next_at(0.0) == float("inf")


def test_half_open_one_probe_goes_and_the_rest_waits_for_it() -> None:
    """A batch becomes a single, and nothing is picked beside it."""
    account_queue = _account_queue(limit=10)
    for n in range(20):
        account_queue.put(_task(f"/s/{n}"), _plan("a"))
    until = 0.0
    for _ in range(5):
        work = account_queue.pick(until, 1000.0)
        assert work is not None
        account_queue.done(work, 1, [FetchFailure.UNAVAILABLE], until, 0.5)
    assert account_queue.breaker.until is not None
    assert account_queue.pick(0.0, 1000.0) is None
    until = account_queue.next_at(0.0)
    assert until == account_queue.breaker.until
    probe = account_queue.pick(until, 1000.0)
    assert probe is not None
    assert len(probe.tasks) == 1
    assert account_queue.pick(until, 1000.0) is None
    assert account_queue.next_at(until) == float("inf")
    _done(account_queue, probe, until)
    work = account_queue.pick(until, 1000.0)
    assert work is not None
    assert len(work.tasks) == 10


def test_a_debt_outlives_an_empty_queue_and_savings_do_not() -> None:
    """Who was served dearly waits, also after having nothing to do."""
    fair_queue = FairQueue(lambda _: True)
    kind = WorkKind("", "aws-sm", alone=False)

    def add(namespace: str) -> None:
        fair_queue.add(namespace, _task("/s"), kind=kind, budget_s=1, since=0, generation=1)

    add("a")
    assert fair_queue.pop(0.0) is not None
    fair_queue.charge("a", 3.0)
    assert not fair_queue
    add("a")
    add("b")
    order = []
    for _ in range(2):
        found = fair_queue.pop(0.0)
        assert found is not None
        order.append(found[0])
        fair_queue.charge(found[0], 1.0)
    assert order == ["b", "a"]
    assert fair_queue.pop(0.0, kind) is None


def test_a_write_queue_gives_each_job_to_one_writer_at_a_time() -> None:
    """What is asked for while it is written comes again afterwards."""
    queue, key = WriteQueue(), snapshot("a", "/s")
    queue.write(key, 0.0, publish=True, status=False)
    queue.write(key, 0.0, publish=False, status=True)
    assert queue.take(0.0) == (Job(key=key), WriteParts(publish=True, status=True))
    queue.write(key, 1.0, publish=False, status=True)
    assert queue.take(1.0) is None
    assert len(queue) == 1
    queue.done(Job(key=key), 1.0)
    assert queue.take(1.0) == (Job(key=key), WriteParts(status=True))


def test_a_failed_write_is_repeated_later_with_all_that_was_asked_since() -> None:
    """The repetition waits, whatever is asked for in between."""
    queue, key = WriteQueue(), snapshot("a", "/s")
    queue.write(key, 0.0, publish=True, status=False)
    assert queue.take(0.0)
    queue.write(key, 0.0, publish=False, status=True)
    queue.failed(Job(key=key), 0.0, 0.5)
    queue.write(key, 0.0, publish=False, status=True)
    assert queue.take(0.0) is None
    assert queue.next_at() == 0.5
    assert queue.take(0.5) == (Job(key=key), WriteParts(publish=True, status=True))
    queue.failed(Job(key=key), 0.5, 0.5)
    assert queue.next_at() == 1.5


def test_reports_keep_their_distance_and_a_change_comes_before_the_regular_one() -> None:
    """The first at once, then one per gap; an earlier request wins."""
    queue = WriteQueue()
    queue.report("a", 0.0, within_s=900.0)
    assert queue.take(0.0)
    queue.done(Job(namespace="a"), 0.0)
    queue.report("a", 0.0, within_s=900.0)
    assert queue.has_report("a")
    assert queue.next_at() == 900.0
    queue.report("a", 0.0, within_s=0.0)
    assert queue.next_at() == LEAST_REPORT_GAP_S
    queue.report("a", 0.0, within_s=900.0)
    assert queue.next_at() == LEAST_REPORT_GAP_S
