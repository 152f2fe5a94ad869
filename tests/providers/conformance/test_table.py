"""docs/providers/README.md says what the tests of the cells check, of every store and behaviour."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from contract.reasons import FetchFailure
from providers.registry import SCHEMES
from tests.make.waiting import REPOSITORY
from tests.providers.conformance import test_behaviours
from tests.providers.conformance.behaviours import BEHAVIOURS
from tests.providers.conformance.registry import STORES
from tests.providers.conformance.stage import UNCHANGED, VALUE
from tests.providers.conformance.store import NotApplicable, Says
from tests.providers.conformance.table import reported, with_tables

FOLDER = REPOSITORY / "docs" / "providers"
PAGE = FOLDER / "README.md"
WORDS = {VALUE, UNCHANGED, *FetchFailure}


def test_the_page_has_the_table_of_these_tests() -> None:
    """The page is written again by `GOLDEN=write pytest`."""
    page = PAGE.read_text()
    wanted = with_tables(page)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(wanted)
        return
    assert page == wanted, "GOLDEN=write pytest tests/providers/conformance/test_table.py"


def test_every_cell_is_a_test_that_runs() -> None:
    """None is left out, skipped, or expected to fail."""
    test: Any = test_behaviours.test_p2_p8_a_source_behaves_as_the_table_says
    marks = test.pytestmark
    assert {mark.name for mark in marks} == {"parametrize"}
    given = {mark.args[0]: list(mark.args[1]) for mark in marks}
    assert given == {"kind": list(STORES), "behaviour": list(BEHAVIOURS.values())}


def test_every_scheme_has_a_store() -> None:
    """A source that is in no table promises nothing."""
    assert {store.scheme for store in STORES} == set(SCHEMES)
    assert len({store.title for store in STORES}) == len(STORES)


@pytest.mark.parametrize("store", STORES, ids=lambda it: it.title)
def test_what_a_store_reports_is_of_the_table(store: type[Any]) -> None:
    """A row that is spelled wrong would be no exception to anything."""
    assert {*store.reports, *store.codes} - set(BEHAVIOURS) == set()
    for behaviour in BEHAVIOURS.values():
        it = reported(store, behaviour)
        text = it.why if isinstance(it, NotApplicable) else it.note
        assert re.fullmatch("[^|\n]{0,60}", text)
        assert it.word in WORDS if isinstance(it, Says) else text
        explained = text or (isinstance(it, Says) and it.word == behaviour.expects.word)
        assert explained, f"{behaviour.name}: say why it is not {behaviour.expects.word}"


def test_every_page_of_a_provider_is_in_the_index() -> None:
    """With one line."""
    pages = {path.name for path in FOLDER.glob("*.md")} - {PAGE.name}
    named = re.findall(r"^\| \[[^]]+\]\(([a-z0-9-]+[.]md)\)", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(pages)
