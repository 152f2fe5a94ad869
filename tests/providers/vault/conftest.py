from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.vault.bao import Given, account
from tests.providers.vault.scripted import scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.providers.vault.bao import Bao
    from tests.providers.vault.scripted import Script


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Given]]:
    """Sources that are closed at the end: `opened(account(...), token=...)`."""
    found: list[Given] = []

    def open_it(*words: object, **given: object) -> Given:
        folder = tmp_path / str(len(found))
        folder.mkdir()
        found.append(Given(folder, *words, **given))  # type: ignore[arg-type]
        return found[-1]

    yield open_it
    for given in found:
        given.source.close()


@pytest.fixture
def given(bao: Bao, opened: Callable[..., Given]) -> Given:
    """An account of the real server, with its root token."""
    return opened(account(bao.address))


@pytest.fixture
def second() -> Iterator[Script]:
    """Another server that says what it is told."""
    with scripted() as script:
        yield script


@pytest.fixture
def server() -> Iterator[Script]:
    """A server that says what it is told."""
    with scripted() as script:
        yield script
