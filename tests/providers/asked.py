"""Asking a source as the engine does, for tests that have one behind a fake of a cloud."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from controller.accounts import opening_of
from providers.protocol import Again, FetchRequest

if TYPE_CHECKING:
    from pathlib import Path

    from api.account import SecretAccount
    from providers.extra_ca import ExtraCa
    from providers.open_source import Opening
    from providers.protocol import FetchResult, Source
    from tests.providers.conformance.store import Clock


class Asked:
    """The questions, and what the source is opened with. The fields are those of the dataclass."""

    folder: Path
    account: SecretAccount
    direct: tuple[str, ...]
    extra_ca: ExtraCa | None
    clock: Clock
    calls: list[tuple[str, str]]
    troubles: list[str]
    source: Source

    def opening(self, scheme: str, cloud: Any) -> Opening:  # noqa: ANN401 - either cloud's fake
        """With the cloud's CA and a pod's token in files of the account."""
        (self.folder / "ca.crt").write_bytes(cloud.ca_file.read_bytes())
        (self.folder / "token").write_text("header.token-of-the-pod.signature")
        return opening_of(
            self.account,
            scheme,
            monotonic=self.clock,
            observer=lambda *call: self.calls.append(call),
            trouble=self.troubles.append,
            folder=self.folder,
            extra_ca=self.extra_ca,
            proxies=replace(cloud.proxies, never=self.direct),
        )

    def once(self, reference: str, **given: str) -> FetchResult:
        """One fetch."""
        request = FetchRequest(reference=reference, **given)
        fetched = self.source.fetch([request])
        assert fetched.calls <= self.source.most_calls([request])
        return fetched.results[0]

    def ask(self, reference: str, **given: str) -> FetchResult:
        """Fetches until there is a result, as the engine does."""
        for _ in range(4):
            result = self.once(reference, **given)
            if result != Again():
                return result
        raise AssertionError(self.calls)
