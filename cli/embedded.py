"""The embedded store as the verbs need it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.errors import CommandError
from contract.wire import WireError
from controller.store import StoreRefusedError, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cli.clock import Clock
    from controller.objects import Name, Spec, Status
    from controller.store import Store


class Embedded:
    """A store; its statuses have the names of pods."""

    poll_s = 0.05

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.notes: list[str] = []

    def statuses(self) -> dict[Name, Status]:
        return self._store.statuses()

    def status(self, name: Name) -> Status | None:
        return self._store.status(name)

    def named(self, name: Name, status: Status) -> Status:  # noqa: ARG002 - they are named already
        return status

    def amend(self, name: Name, change: Callable[[Spec], Spec]) -> Spec:
        return self._store.amend(name, change)

    def controlled(self) -> bool:
        return self._store.controlled()

    def now(self) -> float:
        return self._clock.now()


@contextmanager
def opened(root: Path, clock: Clock) -> Iterator[Embedded]:
    """The store at `root`; what is wrong with it inside the block is a CommandError."""
    try:
        yield Embedded(open_store(root), clock)
    except StoreRefusedError as error:
        raise CommandError(str(error)) from error
    except WireError as error:
        message = (
            f"{error}; nothing was changed. What it asked for can't be known: mend the file, or"
            f" remove it to go on from what the snapshot has recorded ({root}/snapshots)"
        )
        raise CommandError(message) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        message = f"{error.filename or root}: {error.strerror}"
        raise CommandError(message) from error
