"""What every source must do. Run against each of them, over its own wire."""

from __future__ import annotations

import pickle
import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from contract.reasons import FetchFailure
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import known, one

if TYPE_CHECKING:
    from providers.protocol import FetchResult
    from tests.providers.harness import Store


@pytest.fixture
def name(store: Store) -> str:
    """A reference that no other test uses."""
    return f"{store.prefix}/conformance/{uuid.uuid4()}"


def material(result: FetchResult) -> Material:
    """The result, which must be a value."""
    assert isinstance(result, Material)
    return result


def test_the_current_value_is_fetched(store: Store, name: str) -> None:
    """A value arrives with all its bytes."""
    store.put(name, "pässword\n".encode())
    assert material(one(store.source, name)).value.reveal() == store.read("pässword\n".encode())


def test_a_known_version_is_not_fetched_again(store: Store, name: str) -> None:
    """The version that is held and still current is confirmed; not one of unknown incarnation."""
    store.put(name, b"one")
    held = material(one(store.source, name))
    assert one(store.source, name, **known(held)) == NotModified(
        version=held.version, incarnation=held.incarnation
    )
    unknown = one(store.source, name, known_version=held.version)
    assert isinstance(unknown, NotModified if held.incarnation is None else Material)


def test_a_rotation_is_seen(store: Store, name: str) -> None:
    """Another version is another value."""
    store.put(name, b"one")
    first = material(one(store.source, name))
    store.put(name, b"two")
    second = material(one(store.source, name, known_version=first.version))
    assert second.value.reveal() == store.read(b"two")
    assert second.version != first.version


def test_the_current_version_can_be_asked_for_by_name(store: Store, name: str) -> None:
    """A pin on what is current gives it."""
    store.put(name, b"one")
    version = material(one(store.source, name)).version
    pinned = material(one(store.source, name, version=version))
    assert (pinned.version, pinned.value.reveal()) == (version, store.read(b"one"))


def test_a_version_that_is_gone_is_no_absence(store: Store, name: str) -> None:
    """A pinned version that the provider lacks never looks as if the secret were deleted."""
    store.put(name, b"one")
    result = one(store.source, name, version=store.gone)
    assert result == Failed(reason=FetchFailure.INVALID, code="VersionNotFound")


def test_a_missing_secret_is_absent(store: Store, name: str) -> None:
    """Absence is a value."""
    result = one(store.source, name)
    assert isinstance(result, Failed)
    assert result.reason is FetchFailure.ABSENT


def test_a_deleted_secret_is_absent(store: Store, name: str) -> None:
    """Also when a version of it is held."""
    store.put(name, b"one")
    version = material(one(store.source, name)).version
    store.delete(name)
    result = one(store.source, name, known_version=version)
    assert isinstance(result, Failed)
    assert result.reason is FetchFailure.ABSENT


@pytest.mark.parametrize(
    "reference",
    ["/a/../b", "//a", "/a/", "/a%2fb", "/a?b", "", "/ä", "arn:aws:secretsmanager:x:1:secret:a"],
)
def test_p7_a_reference_that_is_not_canonical_is_not_asked_for(
    store: Store, reference: str
) -> None:
    """What policy could not have matched never goes on the wire."""
    fetched = store.source.fetch([FetchRequest(reference=reference)])
    assert fetched.results == (Failed(reason=FetchFailure.INVALID, code="ReferenceRejected"),)


def test_results_are_in_the_order_of_requests(store: Store, name: str) -> None:
    """A full batch, with one missing in its middle, keeps each result at its place."""
    names = [f"{name}/{index}" for index in range(store.source.batch_limit)]
    gone = min(7, len(names) - 1)
    for index, each in enumerate(names):
        if index != gone:
            store.put(each, b"value %d" % index)
    requests = [FetchRequest(reference=each) for each in names]
    fetched = store.source.fetch(requests)
    assert fetched.calls <= store.source.most_calls(requests)
    missing = fetched.results[gone]
    if isinstance(missing, Alone):
        missing = one(store.source, names[gone])
    assert isinstance(missing, Failed)
    assert missing.reason is FetchFailure.ABSENT
    for index, result in enumerate(fetched.results):
        if index != gone:
            assert material(result).value.reveal() == store.read(b"value %d" % index)


def test_a_batch_confirms_known_versions(store: Store, name: str) -> None:
    """Of several, those that moved are values and the others are not."""
    names = [f"{name}/{index}" for index in range(3)]
    for each in names:
        store.put(each, b"one")
    held = [known(one(store.source, each)) for each in names]
    store.put(names[1], b"two")
    requests = [
        FetchRequest(reference=each, **given) for each, given in zip(names, held, strict=True)
    ]
    size = store.source.batch_limit
    batches = [requests[at : at + size] for at in range(0, len(requests), size)]
    kinds = [type(result) for batch in batches for result in store.source.fetch(batch).results]
    assert kinds == [NotModified, Material, NotModified]


@pytest.mark.parametrize("given", ["nothing", "known_version", "version"])
def test_a_single_request_never_says_alone(store: Store, name: str, given: str) -> None:
    """Or the engine would ask for ever; and it never calls more often than was paid for."""
    store.put(name, b"one")
    words = {} if given == "nothing" else {given: store.gone}
    request = FetchRequest(reference=name, **words)
    fetched = store.source.fetch([request])
    assert not isinstance(fetched.results[0], Alone)
    assert fetched.calls <= store.source.most_calls([request])


def test_threads_share_a_source(store: Store, name: str) -> None:
    """Fetches at the same time do not mix."""
    names = [f"{name}/{index}" for index in range(8)]
    found: dict[str, bytes] = {}
    for each in names:
        store.put(each, each.encode())

    def fetch(each: str) -> None:
        found[each] = material(one(store.source, each)).value.reveal()

    threads = [threading.Thread(target=fetch, args=(each,)) for each in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {each: store.read(each.encode()) for each in names}


def test_p8_a_result_does_not_show_its_value(store: Store, name: str) -> None:
    """Neither repr, str nor pickle of a result reveals it."""
    store.put(name, b"canary-5f1d3c")
    result = one(store.source, name)
    assert "canary" not in f"{result!r} {result}"
    with pytest.raises(TypeError):
        pickle.dumps(result)
