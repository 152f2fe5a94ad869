"""Admissions at an even rate, whatever becomes of them, and what became of each that failed."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from contract.annotations import INJECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.enforced import Answer

BARE = "let in without its secrets"
_THREADS = 24
_PATIENCE_S = 40.0
"""For the last answers: the API server waits for a webhook for 30 s at most."""


@dataclass(frozen=True, slots=True)
class Failed:
    """One admission."""

    at: float
    """When it was asked for, in seconds since the load began."""
    message: str


class Load:
    """`create` asks for a pod; it is called from several threads."""

    def __init__(self, create: Callable[[], Answer], rate: float, *, opted_in: bool = True) -> None:
        """`rate`: a second. `opted_in`: the pod has to be injected; else it has not to be."""
        self._create = create
        self._rate = rate
        self._opted_in = opted_in
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._begin = 0.0
        self._asked_s = 0.0
        self.admitted = 0
        self.failed: list[Failed] = []
        self.slowest_s = 0.0
        """Until an answer."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends, and a last second of it is answered."""
        self._begin = time.monotonic()
        threads = [threading.Thread(target=self._go_on, daemon=True) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        try:
            yield
            time.sleep(1)
        finally:
            self._stop.set()
            self._asked_s = time.monotonic() - self._begin
            for thread in threads:
                thread.join(timeout=_PATIENCE_S)

    @property
    def now(self) -> float:
        """Seconds since the load began, as `Failed.at`."""
        return time.monotonic() - self._begin

    @property
    def asked(self) -> int:
        """How many pods were answered for."""
        return self.admitted + len(self.failed)

    @property
    def reached(self) -> float:
        """Which part of the wanted rate was reached, when the load is over."""
        return self.asked / (self._rate * self._asked_s)

    def _go_on(self) -> None:
        while True:
            with self._lock:
                turn = next(self._turns)
            at = turn / self._rate
            if self._stop.wait(max(0.0, self._begin + at - time.monotonic())):
                return
            began = time.monotonic()
            problem = self._one()
            with self._lock:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                if problem is None:
                    self.admitted += 1
                else:
                    self.failed.append(Failed(at, problem))

    def _one(self) -> str | None:
        """What failed."""
        try:
            answer = self._create()
        except httpx.HTTPError as error:
            return f"no answer: {type(error).__name__}"
        if answer.status != 201:
            return answer.message
        injected = INJECTED in answer.body["metadata"].get("annotations", {})
        if injected == self._opted_in:
            return None
        return BARE if self._opted_in else "injected, though it did not opt in"
