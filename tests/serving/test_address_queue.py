"""Who is next."""

from __future__ import annotations

import asyncio

from serving.address_queue import AddressQueue


def test_addresses_take_turns_and_each_keeps_its_order() -> None:
    """One that has much to do delays another by one piece of it."""

    async def scenario() -> list[str]:
        turns, done = AddressQueue(), list[str]()

        def add(address: str, name: str) -> None:
            turns.add(address, lambda: done.append(name))

        for number in range(3):
            add("many", f"many {number}")
        add("few", "few")
        while len(done) < 4:  # noqa: ASYNC110 - turns of the loop are counted
            await asyncio.sleep(0)
        return done

    assert asyncio.run(scenario()) == ["many 0", "many 1", "few", "many 2"]


def test_one_piece_is_done_in_each_turn_of_the_loop() -> None:
    """So that what else is ready is not kept waiting."""

    async def scenario() -> list[int]:
        turns, done, seen = AddressQueue(), list[int](), list[int]()
        for number in range(5):
            turns.add("a", lambda number=number: done.append(number))  # type: ignore[misc]
        while len(done) < 5:
            await asyncio.sleep(0)
            seen.append(len(done))
        return seen

    # The first is done at once: nothing else was done in that turn.
    assert asyncio.run(scenario()) == [2, 3, 4, 5]


def test_who_is_gone_takes_no_turn() -> None:
    """A connection that was closed leaves nothing behind, and no wait that was cancelled either."""

    async def scenario() -> list[str]:
        turns, done = AddressQueue(), list[str]()

        def act() -> None:
            done.append("gone")

        turns.add("a", lambda: None)
        turns.add("a", act)
        turns.drop("a", act)
        waiting = asyncio.create_task(turns.turn("a"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(turns.turn("b"), 10)
        assert turns._waiting == {}
        return done

    assert asyncio.run(scenario()) == []
