"""Who is connected, what each connection holds, and which one is closed to make room. Pure."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serving.limits import ClientLimits

TRUSTED = ""
"""The group of connections that have proved who they are."""
LARGE_BYTES = 32 * 1024
"""Where bytes run out, connections that hold less are left: a usual request fits, and closing it
would free little. So `held_bytes` is exceeded by at most so much for each connection.
"""


SERVED_S = 10.0
"""How much longer a connection may have waited whose last request was answered: the next one of the
API server may be on its way.
"""


class Phase(Enum):
    """What a connection waits for. In each but WORK it waits for its client."""

    HANDSHAKE = "handshake"
    HEAD = "head"
    BODY = "body"
    WORK = "work"
    """A complete request is being answered: never closed to make room."""
    ANSWER = "answer"
    IDLE = "idle"
    LINGER = "linger"


ENDS = (
    "closed",
    "reset",
    "full",
    "bytes",
    "stop",
    *(phase.value for phase in Phase if phase is not Phase.WORK),
)
"""Why a connection is over: closed or reset by the client, closed to make room, at our own end, or
because that phase took too long.
"""


class Visit:
    """One connection."""

    __slots__ = ("address", "deadline", "end", "group", "held_bytes", "phase", "served", "since")

    def __init__(self, address: str, end: Callable[[str], None]) -> None:
        """`end` closes the connection at once; it is told why."""
        self.address = address
        self.group = address
        self.end = end
        self.phase = Phase.HANDSHAKE
        self.deadline = float("inf")
        """When the phase has taken too long, by the clock of `move`'s `now`."""
        self.held_bytes = 0
        self.served = False
        """A request of it was complete."""
        self.since = 0.0
        """Since when it has waited: its last complete request, or its beginning."""


class ConnectionQueue:
    """The connections of one group that wait for their clients, the longest wait first."""

    def __init__(self) -> None:
        self._new: dict[Visit, None] = {}
        self._served: dict[Visit, None] = {}

    def __bool__(self) -> bool:
        return bool(self._new or self._served)

    def __iter__(self) -> Iterator[Visit]:
        yield from self._new
        yield from self._served

    def add(self, visit: Visit) -> None:
        """It waits from now on."""
        (self._served if visit.served else self._new)[visit] = None

    def remove(self, visit: Visit) -> None:
        """Nothing when it does not wait."""
        self._new.pop(visit, None)
        self._served.pop(visit, None)

    def first(self) -> Visit:
        """The one to close first, of at least one."""
        new, served = next(iter(self._new), None), next(iter(self._served), None)
        if new is None or served is None:
            return next(iter(self))
        return served if served.since + SERVED_S < new.since else new


class Register:
    """The connections of one listener.

    When there is no room, the address with the most gives way, and of its connections the one
    that has waited longest without a complete request. So a flood from one address closes its own
    connections. An address with few keeps them.
    """

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._most_s = {
            Phase.HANDSHAKE: limits.handshake_s,
            Phase.HEAD: limits.head_s,
            Phase.BODY: limits.body_s,
            Phase.WORK: float("inf"),
            Phase.ANSWER: limits.answer_s,
            Phase.IDLE: limits.idle_s,
            Phase.LINGER: limits.linger_s,
        }
        self._visits: dict[Visit, None] = {}
        self._waiting: dict[str, ConnectionQueue] = {}
        """By group, without empty ones."""
        self._count: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._visits)

    def enter(self, visit: Visit, phase: Phase, now: float) -> Visit | None:
        """Takes a new connection in. The connection to close for it, which may be the new one;
        None: there was room.
        """
        closed = self._room_for(visit)
        if closed is visit:
            return visit
        self._visits[visit] = None
        self._count[visit.group] += 1
        self._wait(visit, now)
        self.move(visit, phase, now)
        return closed

    def _room_for(self, visit: Visit) -> Visit | None:
        if self._count[visit.group] >= self._limits.per_address:
            queue = self._waiting.get(visit.group)
            return queue.first() if queue else visit
        if len(self._visits) < self._limits.connections:
            return None
        groups = self._heaviest(self._count)
        return self._waiting[groups[0]].first() if groups else visit

    def _heaviest(self, weight: Counter[str]) -> list[str]:
        """The groups in which somebody waits, the first to give way first. Trusted connections come
        after all others.
        """
        groups = sorted(self._waiting, key=weight.__getitem__, reverse=True)
        return sorted(groups, key=TRUSTED.__eq__)

    def move(self, visit: Visit, phase: Phase, now: float) -> None:
        """The connection waits for something else from now on."""
        if visit not in self._visits:
            return
        if phase is Phase.WORK:
            self._unqueue(visit)
            visit.served = True
        elif visit.phase is Phase.WORK:
            self._wait(visit, now)
        visit.phase, visit.deadline = phase, now + self._most_s[phase]

    def trust(self, visit: Visit) -> None:
        """It has proved who it is: it is closed after all others, and counts for no address."""
        if visit not in self._visits or visit.group == TRUSTED:
            return
        self._unqueue(visit)
        self._weigh(visit, -1, -visit.held_bytes)
        visit.group = TRUSTED
        self._weigh(visit, 1, visit.held_bytes)
        if visit.phase is not Phase.WORK:
            self._wait(visit, visit.since)

    def hold(self, visit: Visit, held_bytes: int) -> Visit | None:
        """What it holds now, in bytes. The connection to close, which may be this one; None: there
        is room.
        """
        if visit not in self._visits:
            return None
        more = held_bytes - visit.held_bytes
        visit.held_bytes = held_bytes
        self.held_bytes += more
        self._weigh(visit, 0, more)
        if more <= 0 or self.held_bytes <= self._limits.held_bytes:
            return None
        waiting = (one for group in self._heaviest(self._bytes) for one in self._waiting[group])
        large = (one for one in waiting if one.held_bytes >= LARGE_BYTES)
        return next(large, visit if held_bytes >= LARGE_BYTES else None)

    def leave(self, visit: Visit) -> None:
        """It is closed."""
        if visit not in self._visits:
            return
        self._unqueue(visit)
        del self._visits[visit]
        self.held_bytes -= visit.held_bytes
        self._weigh(visit, -1, -visit.held_bytes)

    def late(self, now: float) -> list[Visit]:
        """Whose time is over."""
        return [visit for visit in self._visits if now >= visit.deadline]

    def all(self) -> list[Visit]:
        """Every connection."""
        return list(self._visits)

    def _weigh(self, visit: Visit, count: int, more_bytes: int) -> None:
        self._count[visit.group] += count
        self._bytes[visit.group] += more_bytes
        if not self._count[visit.group]:
            del self._count[visit.group], self._bytes[visit.group]

    def _wait(self, visit: Visit, since: float) -> None:
        visit.since = since
        self._waiting.setdefault(visit.group, ConnectionQueue()).add(visit)

    def _unqueue(self, visit: Visit) -> None:
        queue = self._waiting.get(visit.group)
        if queue is None:
            return
        queue.remove(visit)
        if not queue:
            del self._waiting[visit.group]
