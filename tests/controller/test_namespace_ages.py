"""The ages of one namespace in its ConfigMap: what is written, what ends, what stays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from contract import ages
from contract.ages import Confirmed, Entry
from controller.namespace_ages import MOST_BYTES, FreshnessMaps
from kube.errors import ApiError, of_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.api import Api

CONFIRMED = Confirmed(version="v1", last_success=1e9)
SERVED = Entry(served=CONFIRMED, prior=None, last_attempt=1e9, reason=None)
NEVER = Entry(served=None, prior=None, last_attempt=1e9 + 60, reason="unavailable")


class Server:
    """One ConfigMap; `refuses` answers a write with this status."""

    def __init__(self, data: Mapping[str, str] | None = None) -> None:
        self.data = None if data is None else dict(data)
        self.refuses = 0
        self.loses = False
        """A write is made, and its answer is lost."""
        self.writes = self.reads = 0

    async def get(self, path: str) -> dict[str, Any]:
        self.reads += 1
        if self.data is None:
            raise of_status(404, reason="NotFound", method="GET", path=path)
        return {"data": dict(self.data)}

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        assert self.data is None
        return self._write(path, body["data"])

    async def merge_patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._write(path, body["data"])

    def _write(self, path: str, changed: Mapping[str, str | None]) -> dict[str, Any]:
        if self.refuses:
            raise of_status(self.refuses, reason="", method="PATCH", path=path)
        self.writes += 1
        merged = (self.data or {}) | dict(changed)
        self.data = {name: raw for name, raw in merged.items() if raw is not None}
        if self.loses:
            raise of_status(503, reason="", method="PATCH", path=path)
        return {"data": dict(self.data)}


def _maps(server: Server) -> FreshnessMaps:
    return FreshnessMaps(cast("Api", server))


def _report(maps: FreshnessMaps, *unrecorded: str, **entries: Entry) -> None:
    named = {f"lg-{name}": entry for name, entry in entries.items()}
    asyncio.run(maps.report("team", named, {f"lg-{name}" for name in unrecorded}))


def test_an_entry_ends_when_it_is_not_reported_any_more() -> None:
    """However often snapshots are declared and removed, the ConfigMap has those that there are."""
    server = Server()
    maps = _maps(server)
    for number in range(190):
        _report(maps, **{f"absent-{number}": NEVER}, db=SERVED)
    assert server.data is not None
    assert set(server.data) == {"lg-absent-189", "lg-db"}


def test_what_another_process_left_ends_too() -> None:
    """A new leader begins with what is there."""
    server = Server({"lg-old": ages.to_wire(NEVER), "lg-db": ages.to_wire(SERVED)})
    _report(_maps(server), db=SERVED)
    assert server.data == {"lg-db": ages.to_wire(SERVED)}


def test_ages_that_can_not_be_read_are_none() -> None:
    """The others are there. None errs towards older."""
    maps = _maps(Server({"lg-a": "{", "lg-db": ages.to_wire(SERVED)}))
    asyncio.run(maps.load("team"))
    assert (maps.entry("team", "lg-a"), maps.entry("team", "lg-db")) == (None, SERVED)


def test_a_key_that_is_no_snapshots_stays() -> None:
    """A newer version of lastgood may have put it there."""
    server = Server({"format": "2"})
    _report(_maps(server), db=SERVED)
    assert server.data is not None
    assert server.data["format"] == "2"


def test_p5_an_age_stays_while_its_record_is_lost() -> None:
    """The Secret may be there, and pods start by its age; a failure does not make it unknown."""
    server = Server({"lg-db": ages.to_wire(SERVED)})
    _report(_maps(server), "db", db=NEVER)
    assert server.data is not None
    kept = ages.from_wire(server.data["lg-db"])
    assert (kept.served, kept.reason, kept.last_attempt) == (
        CONFIRMED,
        "unavailable",
        NEVER.last_attempt,
    )


def test_an_age_ends_with_what_was_revoked() -> None:
    """There is a record of it: what pods have is known."""
    server = Server({"lg-db": ages.to_wire(SERVED)})
    _report(_maps(server), db=NEVER)
    assert server.data == {"lg-db": ages.to_wire(NEVER)}


def test_nothing_is_written_where_nothing_is_new() -> None:
    """One write, and one read in all."""
    server = Server()
    maps = _maps(server)
    for _ in range(3):
        _report(maps, db=SERVED)
    assert (server.writes, server.reads) == (1, 1)


@pytest.mark.parametrize("status", [413, 422, 403, 500])
def test_p5_a_write_that_is_refused_leaves_what_pods_see(status: int) -> None:
    """The entry that is answered is the one that pods have, until a write is made."""
    server = Server({"lg-db": ages.to_wire(SERVED)})
    maps = _maps(server)
    server.refuses = status
    newer = SERVED.replace(served=CONFIRMED.replace(last_success=2e9))
    with pytest.raises(ApiError):
        _report(maps, db=newer)
    assert maps.entry("team", "lg-db") == SERVED
    server.refuses = 0
    _report(maps, db=newer)
    assert maps.entry("team", "lg-db") == newer


def test_a_write_without_an_answer_is_looked_at_again() -> None:
    """It was made; what is there is read before the next one."""
    server = Server()
    maps = _maps(server)
    server.loses = True
    with pytest.raises(ApiError):
        _report(maps, db=SERVED)
    server.loses = False
    _report(maps, db=SERVED)
    assert (server.writes, server.reads) == (1, 2)


def test_p5_what_was_never_served_takes_no_room_of_ages() -> None:
    """It has none, so it is what there is no room for."""
    server = Server()
    never = {f"{'x' * 60}-{number}": NEVER for number in range(MOST_BYTES // 100)}
    _report(_maps(server), **never, db=SERVED)
    assert server.data == {"lg-db": ages.to_wire(SERVED)}
