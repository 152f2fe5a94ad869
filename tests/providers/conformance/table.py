"""The table of sources and behaviours, as docs/providers/README.md has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.providers.conformance.behaviours import Behaviour
    from tests.providers.conformance.store import Reports, Store


def reported(store: type[Store], behaviour: Behaviour) -> Reports:
    """What the table says in one cell, and its test checks."""
    return store.reports.get(behaviour.name, behaviour.expects)
