"""Whose review is next."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from io import BytesIO

import pytest

from tests import make
from tests.webhook.given import CONFIG, FixedPolicies, review
from webhook import cost, smallest_first
from webhook.handler import Handler
from webhook.smallest_first import SmallestFirst
from webhook.telemetry import AdmissionLog, Telemetry


def handler(*, verified: bool = False) -> Handler:
    """One with POLICY."""
    telemetry = Telemetry(AdmissionLog(BytesIO(), time.time))
    return Handler(FixedPolicies(), CONFIG, telemetry, time.perf_counter, verified=verified)


async def one(queue: SmallestFirst, size: int, order: list[int]) -> bool:
    """A review of that size, which notes when its turn comes."""
    async with queue.turn(size) as came:
        if came:
            order.append(size)
        return came


def test_p10_the_smallest_is_next() -> None:
    """Among those that wait; the first to come waits for nobody."""

    async def work() -> list[int]:
        queue, order = SmallestFirst(), list[int]()
        await asyncio.gather(*(one(queue, size, order) for size in (9, 8, 2, 5, 2)))
        return order

    assert asyncio.run(work()) == [9, 2, 2, 5, 8]


def test_p10_the_loop_turns_often_between_two_turns() -> None:
    """A review is read over many turns of the loop, so one turn would let nobody pass."""

    async def work() -> list[int]:
        queue, order = SmallestFirst(pause_s=0.5), list[int]()
        both = asyncio.gather(one(queue, 1, order), one(queue, 2, order))
        for _ in range(50):
            await asyncio.sleep(0)
        seen = list(order)
        await both
        assert order == [1, 2]
        return seen

    assert asyncio.run(work()) == [1]


def test_p10_few_wait_and_the_largest_gives_way() -> None:
    """Each that is one too many ends the wait of the largest, which is told so."""

    async def work() -> tuple[list[bool], list[int]]:
        queue, order = SmallestFirst(), list[int]()
        sizes = range(1, smallest_first.MOST_WAITING + 4)
        came = await asyncio.gather(*(one(queue, size, order) for size in sizes))
        return came, order

    came, order = asyncio.run(work())
    assert came == [True] * (smallest_first.MOST_WAITING + 1) + [False] * 2
    assert order == list(range(1, smallest_first.MOST_WAITING + 2))


def test_p10_who_gives_up_waiting_holds_no_turn() -> None:
    """Whether its turn had come already or not."""

    async def work() -> list[int]:
        queue, order = SmallestFirst(), list[int]()
        first = asyncio.create_task(one(queue, 1, order))
        tasks = [asyncio.create_task(one(queue, size, order)) for size in (2, 3, 4)]
        await first
        tasks[1].cancel()
        await tasks[0]
        queue._next()  # the turn of 4 has come, and it has not run yet
        tasks[2].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[2]
        assert await one(queue, 5, order)
        return order

    assert asyncio.run(work()) == [1, 2, 5]


LARGE = review(make.pod(None, make.container(args=["x" * (cost.SMALL + 1)])))
SMALL = review(make.pod())


def test_p10_small_reviews_pass_between_large_ones() -> None:
    """Ten large ones wait; a small one that comes with them waits for no more than the first."""

    async def work() -> list[str]:
        answering, order = handler(), list[str]()

        async def ask(name: str, body: bytes) -> None:
            answer = await answering.answer(body)
            assert json.loads(answer.body)["response"]["allowed"] is True
            order.append(name)

        large = [asyncio.create_task(ask("large", LARGE)) for _ in range(10)]
        await asyncio.sleep(0)
        await ask("small", SMALL)
        await asyncio.gather(*large)
        return order

    assert asyncio.run(work()) == ["large", "small", *["large"] * 9]


def test_p10_when_too_many_wait_the_answer_is_503() -> None:
    """Of the large ones, not of the small."""

    async def work() -> list[int]:
        answering = handler()
        count = smallest_first.MOST_WAITING + 2
        answers = await asyncio.gather(*(answering.answer(LARGE) for _ in range(count)))
        assert (await answering.answer(SMALL)).status == 200
        return sorted(answer.status for answer in answers)

    assert asyncio.run(work()) == [200] * (smallest_first.MOST_WAITING + 1) + [503]


ASKED = make.asking(db="aws-sm:/prod/orders/db", key="aws-sm@aws-prot:/x", two="aws-sm:/both/x")
NAMED = ("/prod/payments/", "/test/", "aws-prod", "aws-test")


@pytest.mark.parametrize("verified", [False, True])
def test_p13_only_a_verified_caller_learns_what_a_policy_names(verified: bool) -> None:  # noqa: FBT001 - a table
    """A pod may claim another's namespace: patterns and accounts are for the API server alone."""
    answer = handler(verified=verified).handle(review(make.pod(annotations=ASKED)))
    assert json.loads(answer.body)["response"]["allowed"] is False
    assert [name in answer.body.decode() for name in NAMED] == [verified] * len(NAMED)
