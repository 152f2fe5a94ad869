"""An event loop whose time is simulated: it stands still while anything can run, and then jumps to
the next timer. No thread may take part, so the same callbacks run in the same order each time.
"""

from __future__ import annotations

import asyncio
import selectors
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context
    from typing import TypeVarTuple

    Ts = TypeVarTuple("Ts")

START = 1_800_000_000.0
"""Seconds since the epoch at which each simulation begins."""


TURN_S = 1e-6
"""What each turn of the loop takes. Without it, who waits for a time that rounding put a hair ahead
would wait for ever.
"""


class StuckError(RuntimeError):
    """Nothing can run, and no timer will ever change that."""


class VirtualSelector(selectors.DefaultSelector):
    """Waits for nothing: where no file is ready, time has gone by."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        """Seconds since the start."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        self.elapsed += TURN_S
        if found or timeout == 0:
            return found
        if timeout is None:
            raise StuckError("every task waits, and there is no timer")
        self.elapsed += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is the simulation's. Sockets between parts of one loop work: what was sent on a Unix
    socket can be read at once.
    """

    def __init__(self) -> None:
        self.selector = VirtualSelector()
        super().__init__(self.selector)
        self.set_task_factory(counted)

    def time(self) -> float:
        return self.selector.elapsed

    def run_in_executor(
        self, executor: object, func: Callable[..., Any], *args: object
    ) -> asyncio.Future[Any]:
        """Runs it at once."""
        del executor
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            done.set_exception(error)
        return done


class Life:
    """One process: every task that is begun by one of its tasks. It ends as a whole."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    async def end(self) -> None:
        """Nothing of it runs any more when this returns."""
        while left := [task for task in self.tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


LIFE: ContextVar[Life | None] = ContextVar("LIFE", default=None)
"""Of the process that runs now."""


def counted(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    *,
    context: Context | None = None,
    name: str | None = None,
) -> asyncio.Task[Any]:
    """A task, noted in the life that begins it."""
    task: asyncio.Task[Any] = asyncio.Task(
        cast("Coroutine[Any, Any, Any]", coroutine), loop=loop, name=name, context=context
    )
    life = LIFE.get()
    if life is not None:
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
    return task


class VirtualClock:
    """One process's clocks. Only `now` is moved by `offset_s`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset_s = 0.0
        """How wrong its wall clock is."""

    def now(self) -> float:
        """Seconds since the epoch, as this process believes."""
        return START + self._loop.time() + self.offset_s

    def monotonic(self) -> float:
        return self._loop.time()

    def sleep(self, seconds: float, /) -> None:
        """Nobody may block the loop."""
        raise StuckError(f"a task blocks for {seconds} s")
