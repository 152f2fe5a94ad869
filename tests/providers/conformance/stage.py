"""One store with one secret's name, asked as the engine asks, and what came in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.credentials import AGAIN_S
from providers.protocol import (
    Again,
    Alone,
    Failed,
    FetchRequest,
    Material,
    NotModified,
    Unversioned,
)
from refresh.model import Checks
from refresh.validate import check
from tests.make import CANARY
from tests.providers.conformance.store import HttpStore

if TYPE_CHECKING:
    from providers.protocol import FetchResult
    from tests.providers.conformance.store import Given, Store
    from tests.providers.conformance.wire import Wire

CHECKS = Checks(max_bytes=64 << 10)
"""Of a policy that says nothing else."""
MOST_ASKS = 5
VALUE, UNCHANGED = "value", "unchanged"


class Stage:
    """What a behaviour works with. `name` is a reference that no other test uses."""

    def __init__(self, store: Store, given: Given, unique: str) -> None:
        self.store = store
        self.given = given
        self._unique = unique
        self.name = self.reference("a")
        self.other = self.reference("b")
        self.held: FetchResult | None = None
        """What `hold` found last."""

    def reference(self, word: str) -> str:
        """Of another secret of this test."""
        return self.store.reference(f"conformance/{self._unique}/{word}")

    @property
    def wire(self) -> Wire:
        """Of a store that has one."""
        assert isinstance(self.store, HttpStore)
        return self.store.wire

    def ask(self, reference: str | None = None, **words: str) -> FetchResult:
        """Asks for one until there is a result."""
        [result] = self.ask_all([FetchRequest(reference=reference or self.name, **words)])
        return result

    def ask_all(self, requests: list[FetchRequest]) -> list[FetchResult]:
        """Asks in batches, and alone for what a batch says nothing of."""
        size = self.store.source.batch_limit
        found: list[FetchResult] = []
        for at in range(0, len(requests), size):
            found += self._once_known(requests[at : at + size])
        return [
            self._once_known([request])[0] if result == Alone() else result
            for request, result in zip(requests, found, strict=True)
        ]

    def hold(self, value: bytes = CANARY, reference: str | None = None) -> dict[str, str]:
        """Puts a value, fetches it, and gives the words of a request that holds it."""
        self.store.put(reference or self.name, value)
        result = self.ask_patiently(reference)
        if reference is None:
            self.held = result
        return self.known(result)

    def ask_patiently(self, reference: str | None = None) -> FetchResult:
        """As `ask`, where the server is not at fault. A busy machine may be slower than a source
        that loses patience.
        """
        result = self.ask(reference)
        for _ in range(MOST_ASKS * 2 if self.given.impatient else 0):
            if not isinstance(result, Failed):
                break
            self.given.clock.now += AGAIN_S
            result = self.ask(reference)
        return result

    def known(self, result: FetchResult) -> dict[str, str]:
        """What a request says of a value that is held."""
        if isinstance(result, Unversioned):
            return {"known_version": "20261126T054201Z"}
        assert isinstance(result, Material), result
        words = {"known_version": result.version}
        mark = result.incarnation
        return words if mark is None else words | {"known_incarnation": mark}

    def ways(self) -> list[FetchResult]:
        """Each kind of request: alone, with what is held, and in a batch with others."""
        words = self.known(self.held) if self.held is not None else {"known_version": "x"}
        one = FetchRequest(reference=self.name)
        two = FetchRequest(reference=self.other)
        return [
            *self.ask_all([one]),
            *self.ask_all([FetchRequest(reference=self.name, **words)]),
            self.ask_all([one, two])[0],
        ]

    def ways_and_recovers(self) -> list[FetchResult]:
        """What each kind of request says of a fault; afterwards nothing of it is left."""
        results = self.ways()
        self.wire.reset()
        result = self.ask()
        assert isinstance(result, Material | Unversioned), result
        return results

    def word(self, result: FetchResult) -> str:
        """What is reported of a result, after the checks that every value has to pass."""
        if isinstance(result, Failed):
            return result.reason
        if isinstance(result, NotModified):
            return UNCHANGED
        assert isinstance(result, Material | Unversioned), result
        rejection = check(result.value, CHECKS, frozenset(), object_needed=False)
        if rejection is not None:
            return rejection.reason
        # The engine compares the bytes of a source without versions (docs/design/025).
        same = isinstance(self.held, Unversioned) and self.held == result
        return UNCHANGED if same else VALUE

    def _once_known(self, requests: list[FetchRequest]) -> list[FetchResult]:
        """Asks again where the calls went into a login, as the engine does."""
        for _ in range(MOST_ASKS):
            before = len(self.wire.asked) if isinstance(self.store, HttpStore) else 0
            fetched = self.store.source.fetch(requests)
            assert len(fetched.results) == len(requests)
            assert fetched.calls <= self.store.source.most_calls(requests)
            if isinstance(self.store, HttpStore):
                assert len(self.wire.asked) - before == fetched.calls, "calls that it does not say"
            if Again() not in fetched.results:
                return list(fetched.results)
        raise AssertionError(self.given.calls)
