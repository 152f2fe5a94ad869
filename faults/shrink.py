"""A failing scenario made small: what can be left out while the same promise is still broken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.scenario import Scenario


def shrunk(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Without each fault and deed that is not needed to fail. `fails` runs a scenario."""
    for field in ("faults", "deeds"):
        number = 0
        while number < len(getattr(scenario, field)):
            parts = getattr(scenario, field)
            less = replace(scenario, **{field: parts[:number] + parts[number + 1 :]})
            if fails(less):
                scenario = less
            else:
                number += 1
    return scenario
