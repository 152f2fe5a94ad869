"""One table of cases, against the stand-in and against a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.apiserver.cases import (
    creates,
    definitions,
    deletions,
    events,
    lists,
    patches,
    rights,
    updates,
    watches,
    webhooks,
)
from tests.apiserver.runner import Carrying

if TYPE_CHECKING:
    from tests.apiserver.table import Case
    from tests.apiserver.world import World

CASES = (
    *(*lists.CASES, *watches.CASES, *creates.CASES, *updates.CASES, *patches.CASES),
    *(*deletions.CASES, *rights.CASES, *events.CASES, *definitions.CASES, *webhooks.CASES),
)
each = pytest.mark.parametrize("case", CASES, ids=lambda it: it.name)


@each
def test_the_stand_in_answers_as_the_table_says(stand_in: World, case: Case) -> None:
    """So tests that run on it say something of a real one."""
    Carrying(stand_in, case).run()


@pytest.mark.e2e
@each
def test_a_real_api_server_answers_as_the_table_says(real: World, case: Case) -> None:
    """So the stand-in can't drift."""
    Carrying(real, case).run()
