"""What the engine tells the code that counts and logs. Nothing here carries a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.reasons import FetchFailure
    from refresh.model import SnapshotKey, Task
    from refresh.step_events import Alarm


class Observer:
    """Called in the engine's loop; must not block or raise. By itself it does nothing: who counts
    something overrides that method.
    """

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        """One source was asked. `reason` None: it answered, with `code` `fetched` or `unchanged`;
        else why not, with the provider's word.
        """

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        """Somebody should look at a snapshot."""

    def exhausted(self, account: str) -> None:
        """Work that is due waits for the account's budget."""

    def sink_failed(self, what: str, error: str) -> None:
        """A write failed and will be repeated; `error` is the exception's class."""


class Observers(Observer):
    """Tells each of several."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def refreshed(self, task: Task, reason: FetchFailure | None, code: str) -> None:
        for observer in self._observers:
            observer.refreshed(task, reason, code)

    def alarmed(self, key: SnapshotKey, alarm: Alarm) -> None:
        for observer in self._observers:
            observer.alarmed(key, alarm)

    def exhausted(self, account: str) -> None:
        for observer in self._observers:
            observer.exhausted(account)

    def sink_failed(self, what: str, error: str) -> None:
        for observer in self._observers:
            observer.sink_failed(what, error)
