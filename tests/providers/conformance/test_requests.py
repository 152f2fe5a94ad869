"""What every source must do. Run against each of them, over its own wire."""

from __future__ import annotations

import pickle
import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified, Unversioned
from tests.make import CANARY, leaks
from tests.providers.conformance.registry import STORES
from tests.providers.conformance.stage import Stage
from tests.providers.conformance.store import Given, HttpStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from providers.protocol import FetchResult
    from tests.providers.conformance.store import Servers


@pytest.fixture(params=STORES, ids=lambda it: it.title.replace(" ", "-"))
def it(servers: Servers, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A secret's name at each store."""
    given = Given(servers=servers, folder=tmp_path)
    store = request.param(given)
    yield Stage(store, given, uuid.uuid4().hex)
    store.close()


def value(result: FetchResult) -> bytes:
    """Of a result that must have one."""
    assert isinstance(result, Material | Unversioned), result
    return result.value.reveal()


def test_the_current_version_can_be_asked_for_by_name(it: Stage) -> None:
    """A pin on what is current gives it, where there are versions."""
    words = it.hold()
    if isinstance(it.held, Material):
        pinned = it.ask(version=words["known_version"])
        assert isinstance(pinned, Material)
        assert (pinned.version, value(pinned)) == (it.held.version, it.store.read(CANARY))


def test_a_version_of_unknown_incarnation_is_not_confirmed(it: Stage) -> None:
    """Unless the provider has none."""
    words = it.hold()
    if isinstance(it.held, Material):
        result = it.ask(known_version=words["known_version"])
        assert isinstance(result, NotModified if it.held.incarnation is None else Material)


@pytest.mark.parametrize(
    "reference",
    ["/a/../b", "//a", "/a/", "/a%2fb", "/a?b", "", "/ä", "arn:aws:secretsmanager:x:1:secret:a"],
)
def test_p7_a_reference_that_is_not_canonical_is_not_asked_for(it: Stage, reference: str) -> None:
    """What policy could not have matched never goes on the wire."""
    rejected = Failed(reason=FetchFailure.INVALID, code="ReferenceRejected")
    assert it.ask_all([FetchRequest(reference=reference)]) == [rejected]
    if isinstance(it.store, HttpStore):
        assert not any(asked.names(reference) for asked in it.wire.asked if reference)


def test_results_are_in_the_order_of_requests(it: Stage) -> None:
    """A full batch, with one missing in its middle, keeps each result at its place."""
    names = [it.reference(str(index)) for index in range(it.store.source.batch_limit)]
    gone = min(7, len(names) - 1)
    for index, each in enumerate(names):
        if index != gone:
            it.store.put(each, b"value %d" % index)
    results = it.ask_all([FetchRequest(reference=each) for each in names])
    for index, result in enumerate(results):
        if index == gone:
            assert isinstance(result, Failed)
            assert result.reason is FetchFailure.ABSENT
        else:
            assert value(result) == it.store.read(b"value %d" % index)


def test_a_batch_confirms_known_versions(it: Stage) -> None:
    """Of several, those that moved are values and the others are not."""
    names = [it.reference(str(index)) for index in range(3)]
    held = [it.hold(CANARY, each) for each in names]
    it.store.put(names[1], b"two")
    requests = [
        FetchRequest(reference=each, **words) for each, words in zip(names, held, strict=True)
    ]
    results = it.ask_all(requests)
    assert value(results[1]) == it.store.read(b"two")
    for result in (results[0], results[2]):
        assert isinstance(result, NotModified | Unversioned)


@pytest.mark.parametrize("given", ["nothing", "known_version", "version"])
def test_a_single_request_never_says_alone(it: Stage, given: str) -> None:
    """Or the engine would ask for ever."""
    it.store.put(it.name, CANARY)
    words = {} if given == "nothing" else {given: it.store.gone}
    assert not isinstance(it.ask(**words), Alone)


def test_threads_share_a_source(it: Stage) -> None:
    """Fetches at the same time do not mix."""
    names = [it.reference(str(index)) for index in range(8)]
    found: dict[str, FetchResult] = {}
    for each in names:
        it.store.put(each, each.encode())
    it.ask(names[0])

    def fetch(each: str) -> None:
        [found[each]] = it.store.source.fetch([FetchRequest(reference=each)]).results

    threads = [threading.Thread(target=fetch, args=(each,)) for each in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = {each: value(result) for each, result in found.items()}
    assert values == {each: it.store.read(each.encode()) for each in names}


def test_p8_a_result_does_not_show_its_value(it: Stage) -> None:
    """Neither repr, str nor pickle of a result reveals it."""
    it.store.put(it.name, CANARY)
    result = it.ask()
    assert value(result) == it.store.read(CANARY)
    assert not leaks(f"{result!r} {result}")
    with pytest.raises(TypeError):
        pickle.dumps(result)
