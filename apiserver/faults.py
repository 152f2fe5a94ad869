"""What goes wrong on request: a test says which requests, and what becomes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Fault(Enum):
    """What becomes of a request."""

    SILENCE = "silence"
    """Nothing is done and nothing answered."""
    RESET = "reset"
    """Nothing is done, and the connection is reset."""
    LOST = "lost"
    """It is done, and the connection is reset instead of an answer."""
    SLOW = "slow"
    """It is done `delay_s` later."""
    STATUS = "status"
    """It is refused with `code`."""


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """Which requests, how often, and what becomes of them."""

    fault: Fault
    method: str = ".*"
    """A pattern: `PUT|PATCH`."""
    path: str = ".*"
    """A pattern for the whole path, without the query."""
    times: float = 1
    """How many requests; infinity: all."""
    code: int = 500
    retry_after_s: int | None = None
    """The header Retry-After; None: without."""
    delay_s: float = 0.0
    met: int = field(default=0, init=False)
    """How many requests it has met."""

    def meets(self, method: str, path: str) -> bool:
        """Whether this request has the fault; it is counted."""
        if self.met >= self.times:
            return False
        if not re.fullmatch(self.method, method) or not re.fullmatch(self.path, path):
            return False
        self.met += 1
        return True


class Faults:
    """The rules that are in force; the first that meets a request decides."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called when rules are taken away, so that silent requests end."""
        self._changed = changed
        self._rules: list[FaultRule] = []

    def add(self, rule: FaultRule) -> FaultRule:
        """It is in force from now on."""
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """None is in force any more; the connections of requests that were silent are reset."""
        self._rules.clear()
        self._changed()

    def has(self, rule: FaultRule) -> bool:
        """Whether a rule is in force."""
        return rule in self._rules

    def of(self, method: str, path: str) -> FaultRule | None:
        """The rule that meets a request; None: it is served."""
        return next((rule for rule in self._rules if rule.meets(method, path)), None)
