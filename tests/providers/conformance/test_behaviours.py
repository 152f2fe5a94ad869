"""Each cell of the table in docs/providers/README.md."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import pytest

from providers.protocol import Failed
from tests.make import leaks
from tests.providers.conformance.behaviours import BEHAVIOURS
from tests.providers.conformance.registry import STORES
from tests.providers.conformance.stage import Stage
from tests.providers.conformance.store import Given, NotApplicable
from tests.providers.conformance.table import reported

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.conformance.behaviour import Behaviour
    from tests.providers.conformance.store import Servers, Store


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=lambda it: it.name.replace(" ", "-"))
@pytest.mark.parametrize("kind", STORES, ids=lambda it: it.title.replace(" ", "-"))
def test_p2_p8_a_source_behaves_as_the_table_says(
    *,
    servers: Servers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: type[Store],
    behaviour: Behaviour,
) -> None:
    """P2, P8: over the source's own wire. What it is told goes nowhere else."""
    expected = reported(kind, behaviour)
    if isinstance(expected, NotApplicable):
        assert not behaviour.can_run(kind), "the store supports it, so it is applicable"
        return
    assert behaviour.can_run(kind), "the store does not support it: say why it is not applicable"
    caplog.set_level(logging.DEBUG)
    given = Given(servers=servers, folder=tmp_path, impatient=behaviour.impatient)
    store = kind(given)  # type: ignore[call-arg]  # each store takes it
    try:
        stage = Stage(store, given, uuid.uuid4().hex)
        found = behaviour.run(stage)
        results = found if isinstance(found, list) else [found]
        assert {stage.word(it) for it in results} == {expected.word}, results
        codes = " ".join(dict.fromkeys(it.code for it in results if isinstance(it, Failed)))
        assert codes == kind.codes.get(behaviour.name, codes)
    finally:
        store.close()
    told = (results, given.calls, given.troubles, caplog.records, caplog.text, capfd.readouterr())
    assert not leaks(repr(told))
