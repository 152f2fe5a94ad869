"""The reflector against a server that lists, watches and misbehaves over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kube.reflector import Pace
from tests.kube.reflected import check, world
from tests.kube.server import hang_up, never, refuse, say
from workqueue.clock import SystemClock

Json = dict[str, Any]


def test_a_list_of_pages_and_a_watch_make_the_copy() -> None:
    """Three pages, then what comes, changes and goes."""

    async def scenario() -> None:
        async with world("a", "b", "c", "d", "e") as w:
            assert not w.reflector.synced
            await w.server.watched()
            assert w.reflector.synced
            assert len(w.server.lists()) == 3
            await w.server.change("f", value=7)
            await w.server.change("a", value=2)
            await w.server.remove("b")
            await w.until(lambda: w.names() == {"a": 2, "c": 1, "d": 1, "e": 1, "f": 7})
            assert w.changes[5:] == [("f", None, 7), ("a", 1, 2), ("b", 1, None)]

    check(scenario)


def test_a_resource_that_may_be_absent_comes_and_goes() -> None:
    """No subscriber hears of it. Its objects go with it, and are there again with it."""

    async def scenario() -> None:
        async with world("a", optional=True) as w:
            w.server.instead = refuse(404, "NotFound")
            await w.until(lambda: w.reflector.synced)
            assert w.names() == {}
            w.server.instead = None
            await w.until(lambda: w.names() == {"a": 1})
            await w.server.watched()
            w.server.instead = refuse(404, "NotFound")
            w.server.watches[-1].end()
            await w.until(lambda: w.names() == {})
            w.server.instead = None
            await w.until(lambda: w.names() == {"a": 1})
            assert w.problems == []

    check(scenario)


def test_a_resource_that_may_be_absent_is_not_so_because_it_is_forbidden() -> None:
    """Then nothing is known of it."""

    async def scenario() -> None:
        async with world("a", optional=True) as w:
            w.server.instead = refuse(403, "Forbidden")
            await w.until(lambda: len(w.problems) > 1)
            assert not w.reflector.synced

    check(scenario)


def test_more_objects_than_are_kept_of_a_namespace_leave_it_full_until_a_list() -> None:
    """Of those that come later, and of those that a list has. The others are kept in full."""

    async def scenario() -> None:
        async with world("a", most=1) as w:
            await w.server.watched()
            assert not w.reflector.full
            await w.server.change("b", value=2)
            await w.server.change("a", value=5)
            await w.server.change("c", "other", value=3)
            await w.until(lambda: w.names() == {"a": 5, "c": 3})
            assert w.reflector.full == {"a"}
            await w.server.remove("a")
            await w.server.change("d", "third", value=4)
            await w.until(lambda: w.names() == {"c": 3, "d": 4})
            assert w.reflector.full == {"a"}
            w.server.put("e", value=1)
            w.server.faults.append(refuse(410, "Expired"))
            w.server.watches[-1].end()
            await w.until(lambda: w.names() == {"b": 2, "c": 3, "d": 4})
            assert w.reflector.full == {"a"}
            del w.server.objects["a", "e"]
            w.server.faults.append(refuse(410, "Expired"))
            await w.server.watched()
            w.server.watches[-1].end()
            await w.until(lambda: not w.reflector.full)
            too_many = [why for why in w.problems if "more than" in why]
            assert too_many == ["/api/v1/pods: namespace a has more than 1 of them"]

    check(scenario)


def test_an_object_that_is_not_kept_any_more_goes() -> None:
    """`project` answers None after a change."""

    async def scenario() -> None:
        async with world("a") as w:
            await w.server.watched()
            await w.server.change("a", value=-1)
            await w.until(lambda: not w.names())

    check(scenario)


def test_an_object_that_cannot_be_projected_stays_as_it_was() -> None:
    """And the watch of the others goes on; the problem names it without its content."""

    async def scenario() -> None:
        async with world("a") as w:
            await w.server.watched()
            await w.server.change("a", other="canary-7f3a")
            await w.server.change("b", value=3)
            await w.until(lambda: w.names() == {"a": 1, "b": 3})
            assert w.problems == ["/api/v1/pods: a/a: KeyError, kept as it was"]

    check(scenario)


def test_a_watch_that_the_server_ends_continues_where_it_was() -> None:
    """From the version of the last event or bookmark, without another list."""

    async def scenario() -> None:
        async with world("a") as w:
            watch = await w.server.watched()
            assert watch.query["resourceVersion"] == "11"
            assert watch.query["allowWatchBookmarks"] == "true"
            await w.server.bookmark()
            version = str(w.server.version)
            watch.end()
            assert (await w.server.watched()).query["resourceVersion"] == version
            assert len(w.server.lists()) == 1

    check(scenario)


@pytest.mark.parametrize("where", ["status", "stream"])
def test_410_means_another_list_and_what_went_meanwhile_goes(where: str) -> None:
    """As the answer to a watch, and as an event of it."""

    async def scenario() -> None:
        async with world("a", "b") as w:
            watch = await w.server.watched()
            del w.server.objects["a", "a"]
            w.server.put("b", value=5)
            w.server.put("c", value=6)
            if where == "status":
                w.server.faults.append(refuse(410, "Expired"))
            else:
                await watch.send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
            watch.end()
            await w.until(lambda: w.names() == {"b": 5, "c": 6})
            assert w.reflector.synced
            assert w.changes[2:] == [("a", 1, None), ("b", 1, 5), ("c", None, 6)]

    check(scenario)


def test_410_between_pages_begins_the_list_anew_without_pages() -> None:
    """The token of the second page has expired."""

    async def scenario() -> None:
        async with world("a", "b", "c") as w:
            w.server.faults.extend((None, refuse(410, "Expired")))
            await w.server.watched()
            assert w.names() == {"a": 1, "b": 1, "c": 1}
            assert [r.query["limit"] for r in w.server.lists()] == ["2", "2", "0"]

    check(scenario)


def test_a_silent_watch_is_left_for_a_new_one() -> None:
    """No event, no end: dead after the time that was asked for and the grace."""

    async def scenario() -> None:
        pace = Pace(watch_least_s=0.1, watch_most_s=0.1, backoff_s=0.01, page=2)
        async with world("a", pace=pace, grace_s=0.1) as w:
            await w.server.watched()
            await w.server.watched()
            assert any("Silence" in problem for problem in w.problems)
            assert w.names() == {"a": 1}

    check(scenario)


def test_half_a_line_is_nothing_and_a_line_in_two_halves_is_one() -> None:
    """Chunks end anywhere."""

    async def scenario() -> None:
        async with world() as w:
            watch = await w.server.watched()
            line = json.dumps({"type": "ADDED", "object": w.server.put("a", value=4)}).encode()
            await watch.raw(line[:25])
            await asyncio.sleep(0.05)
            await watch.raw(line[25:] + b"\n" + line[:40])
            await w.until(lambda: w.names() == {"a": 4})
            watch.reset()
            again = await w.server.watched()
            assert again.query["resourceVersion"] == str(w.server.version)
            assert w.names() == {"a": 4}

    check(scenario)


@pytest.mark.parametrize(
    "line",
    [b"no json", b"[]", b'{"type": 1}', b'{"type": "ADDED", "object": []}'],
    ids=["text", "a list", "no object", "an object that is a list"],
)
def test_a_line_that_is_no_event_means_another_list(line: bytes) -> None:
    """What it hid is not known."""

    async def scenario() -> None:
        async with world("a") as w:
            watch = await w.server.watched()
            w.server.put("b", value=2)
            await watch.raw(line + b"\n")
            await w.until(lambda: w.names() == {"a": 1, "b": 2})

    check(scenario)


def test_while_the_server_is_away_the_copy_stays_and_grows_stale() -> None:
    """Resets, errors, nonsense and silence; then all is well again."""

    async def scenario() -> None:
        async with world("a", timeout_s=2.0) as w:
            watch = await w.server.watched()
            w.server.faults.extend(
                (hang_up, refuse(500, "InternalError"), say(b"<html>", 502), never)
            )
            watch.reset()
            again = await w.server.watched()
            assert w.names() == {"a": 1}
            kinds = [problem.split(": ")[0] for problem in w.problems]
            assert kinds[-3:] == ["500 InternalError", "502 Unknown", "Silence"]
            now = SystemClock().monotonic()
            assert w.reflector.staleness_s(now + 100) >= 100
            await again.send("MODIFIED", w.server.put("a", value=9))
            await w.until(lambda: w.names() == {"a": 9})

    check(scenario)


def test_before_the_first_list_nothing_is_known_and_it_says_so() -> None:
    """Also when the first tries fail, and a half of the pages is none of them."""

    async def scenario() -> None:
        async with world("a", "b", "c") as w:
            w.server.faults.extend((None, refuse(500, "InternalError")))
            assert w.reflector.staleness_s(0) == float("inf")
            await w.until(lambda: bool(w.problems))
            assert (w.reflector.synced, w.names()) == (False, {})
            await w.server.watched()
            assert w.names() == {"a": 1, "b": 1, "c": 1}

    check(scenario)


def test_retry_after_is_waited_for() -> None:
    """The server's Retry-After is longer than our own delay."""

    async def scenario() -> None:
        async with world("a") as w:
            began = SystemClock().monotonic()
            w.server.faults.append(refuse(429, "TooManyRequests", Retry_After="1"))
            await w.server.watched()
            assert SystemClock().monotonic() - began >= 1.0

    check(scenario)


def test_a_list_comes_again_after_its_time_however_well_the_watch_is() -> None:
    """What a watch lost is found then."""

    async def scenario() -> None:
        pace = Pace(watch_least_s=30, watch_most_s=30, relist_s=1.0, backoff_s=0.01, page=5)
        async with world("a", "b", pace=pace) as w:
            watch = await w.server.watched()
            assert int(watch.query["timeoutSeconds"]) == 1
            del w.server.objects["a", "a"]
            await asyncio.sleep(1.0)
            watch.end()
            await w.until(lambda: w.names() == {"b": 1})

    check(scenario)


def test_watches_that_end_at_once_do_not_spin() -> None:
    """A server that closes each watch without a word is not asked as fast as it can answer."""

    async def scenario() -> None:
        pace = Pace(backoff_s=0.2, backoff_most_s=5.0)
        async with world("a", pace=pace) as w:
            w.server.faults.extend([None] + [say(b"")] * 500)
            await w.reflector.wait_synced()
            await asyncio.sleep(1.0)
            assert len(w.server.requests) < 50

    check(scenario)


def test_a_late_subscriber_is_told_what_is_here_and_an_ended_one_nothing() -> None:
    """Subscribing twice to one reflector."""

    async def scenario() -> None:
        async with world("a") as w:
            await w.server.watched()
            told: list[str] = []
            end = w.reflector.subscribe(lambda change: told.append(change.key[1]))
            assert told == ["a"]
            await w.server.change("b", value=2)
            await w.until(lambda: told == ["a", "b"])
            end()
            revision = w.reflector.revision
            await w.server.change("c", value=2)
            await w.until(lambda: w.reflector.revision > revision)
            assert told == ["a", "b"]

    check(scenario)
