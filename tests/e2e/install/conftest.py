"""One installation for all tests of this folder; a table of what was shown closes them, and logs of
what failed are kept. Each file has pods and secrets of its own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import admissions, bystanders, evidence, world
from tests.e2e.install.settings import Settings, from_environment
from tests.e2e.install.world import BRIEF, STRICT
from tests.make.canary import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from tests.e2e.enforced import Server
    from tests.e2e.install.world import Provider

RESULTS = pytest.StashKey[list[tuple[str, str, float, str]]]()
KEEP = "LASTGOOD_E2E_KEEP"
FIRST, LAST = (
    ("test_check", "test_install"),
    ("test_refused", "test_traces", "test_uninstall", "test_quickstart"),
)
"""The age of what is refused grows while the others run; traces are looked for after all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the files of this folder."""

    def place(item: pytest.Item) -> int:
        name = item.path.stem
        if item.path.parent != Path(__file__).parent:
            return 0
        return LAST.index(name) + 1 if name in LAST else -(name in FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings; without them every test here is skipped."""
    found = from_environment()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def provider(settings: Settings) -> Iterator[Provider]:
    """The stand-in of AWS in the cluster; all that is installed goes with it."""
    if not os.environ.get(KEEP):
        world.remove()
    started = world.Provider(settings)
    started.start()
    started.fault("pass")
    try:
        yield started
    finally:
        if not os.environ.get(KEEP):
            world.remove()


@pytest.fixture(scope="module", autouse=True)
def _well(provider: Provider) -> None:
    """No file meets the outage of another one that failed."""
    provider.fault("pass")


@pytest.fixture(scope="session")
def value() -> str:
    """What is in the store; no log may have it."""
    return "first " + CANARY.decode()


@pytest.fixture(scope="session")
def installed(settings: Settings, provider: Provider, value: str) -> Provider:
    """The chart, with an account at the provider, a policy, and a namespace for a team."""
    provider.put("/e2e/db", value)
    provider.put(STRICT, value)
    provider.put(BRIEF, value)
    world.install(settings, provider)
    return provider


@pytest.fixture
def load(
    installed: Provider,
    server: Server,
    settings: Settings,
    record_property: Callable[[str, object], None],
) -> AbstractContextManager[None]:
    """While its block lasts opted-in pods are created, fifty a second, and none may fail."""
    del installed
    return admissions.none_fails(admissions.opted_in(server, settings), record_property)


@pytest.fixture(scope="session")
def attacked(installed: Provider, server: Server, settings: Settings, value: str) -> Provider:
    """A team with a pod of its own, and another namespace whose account attacks."""
    bystanders.stand(installed, settings, value)
    bystanders.let_attack(server)
    return installed


@pytest.fixture
def unharmed(
    attacked: Provider,
    server: Server,
    settings: Settings,
    record_property: Callable[[str, object], None],
) -> AbstractContextManager[None]:
    """While its block lasts the team creates pods; none fails, and nothing of ours restarts."""
    del attacked
    return bystanders.unharmed(server, settings, record_property)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers what each test of this folder showed, and keeps logs when it failed."""
    report = yield
    if Path(__file__).parent not in item.path.parents or (
        report.when != "call" and report.outcome == "passed"
    ):
        return report
    said = (getattr(item, "function").__doc__ or item.name).split("\n\n")[0]  # noqa: B009 - pytest.Item has none
    case = item.name.partition("[")[2].rstrip("]")
    line = " ".join(said.split()) + (f" ({case})" if case else "")
    results = item.config.stash.setdefault(RESULTS, [])
    shown = ", ".join(f"{name} {value}" for name, value in report.user_properties)
    results.append((line, report.outcome, report.duration, shown))
    settings = from_environment()
    if report.failed and isinstance(settings, Settings):
        evidence.keep(Path(settings.logs) / item.name)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table."""
    results = config.stash.get(RESULTS, [])
    if not results:
        return
    terminalreporter.section("shown on the cluster")
    for line, outcome, seconds, shown in results:
        figures = f" [{shown}]" if shown else ""
        terminalreporter.write_line(f"{outcome:<8} {seconds:6.1f} s  {line}{figures}")
