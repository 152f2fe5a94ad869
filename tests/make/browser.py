"""A real browser, Debian's Chromium without a window, and a page of `lastgood dashboard` in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.make.waiting import PATIENCE_S, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DESKTOP, PHONE = (1280, 800), (390, 844)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. RuntimeError: there is none here; the message says what is needed."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing
    except ModuleNotFoundError as error:
        message = f"the Python package {error.name} is needed: make setup"
        raise RuntimeError(message) from error
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        message = "Chromium is needed: apt-get install chromium"
        raise RuntimeError(message)
    with sync_playwright() as playwright:
        # As root Chromium starts without its sandbox only; it sees our own page alone.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def dashboard(kubeconfig: Path, *words: str) -> Iterator[str]:
    """The verb as a process; the address that it prints."""
    command = [sys.executable, "-m", "cli", "dashboard", "--no-open", "--kubeconfig"]
    process = subprocess.Popen(
        [*command, str(kubeconfig), *words], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def looking(
    browser: Browser, url: str, size: tuple[int, int] = DESKTOP, *, scheme: str = "light"
) -> Iterator[Page]:
    """A page at `url`, whose every request stays on this machine and whose console is empty."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(PATIENCE_S * 1000)
    try:
        page.goto(url)
        page.locator("h1").wait_for()
        yield page
        origin = url.partition("#")[0]
        assert [item for item in asked if not item.startswith(origin)] == []
        # What the server refuses is told there too, and the page shows it.
        assert [item for item in said if not item.startswith("Failed to load resource")] == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: while it is open, no other event loop can run in this thread."""
    with_browser = chromium()
    try:
        found = with_browser.__enter__()
    except RuntimeError as reason:
        pytest.skip(str(reason))
    try:
        yield found
    finally:
        with_browser.__exit__(None, None, None)
