"""A real OpenBao on loopback, in memory, and what the tests of Vault do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import demo.bao
from api.account import SecretAccount
from controller.accounts import opening_of
from demo.bao import ROOT, asked, binary
from providers.protocol import Again, FetchRequest
from providers.vault.source.opening import open_source
from tests.providers.conformance.store import Clock, patience

if TYPE_CHECKING:
    from pathlib import Path

    from providers.protocol import CallCounter, FetchResult, Source

__all__ = ["ROOT", "Bao", "Given", "account", "asked", "binary"]


class Bao(demo.bao.Bao):
    """With KV version 1 at `legacy`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wait()
        try:
            self.api("POST", "sys/mounts/legacy", {"type": "kv", "options": {"version": "1"}})
        except BaseException:
            self.stop()
            raise


def account(*addresses: str, **vault: Any) -> SecretAccount:  # noqa: ANN401 - as on the wire
    """An account of Vault with a token in a file, for `host:port`s or URLs."""
    block = {
        "addresses": [it if "://" in it else f"http://{it}" for it in addresses],
        "mounts": [{"path": "secret", "version": 2}, {"path": "legacy", "version": 1}],
        "auth": {"tokenFile": "token"},
    }
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": "main"},
            "spec": {
                "provider": "vault",
                "vault": block | vault,
                "budget": {"callsPerSecond": 1, "burst": 10},
            },
        }
    )


@dataclass
class Given:
    """A source of Vault, and what it said."""

    folder: Path
    account: SecretAccount
    token: str = ROOT
    """Written to the file `token`; the empty one: the test writes its files."""
    timeout_s: float = 5.0
    clock: Clock = field(default_factory=Clock)
    calls: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        if self.token:
            (self.folder / "token").write_text(self.token + "\n")
        observer: CallCounter = lambda *call: self.calls.append(call)  # noqa: E731 - typed
        opening = opening_of(
            self.account,
            "vault",
            monotonic=self.clock,
            observer=observer,
            trouble=self.troubles.append,
            folder=self.folder,
        )
        self.source = open_source(opening, patience(self.timeout_s))

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

    def asked(self) -> list[str]:
        """The operations since the last time."""
        found = [operation for operation, _ in self.calls]
        self.calls.clear()
        return found
