"""README says nothing that is not so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from api.policy import SecretPolicy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = dict.fromkeys(re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL))
PAGE = ROOT / "docs" / "promises.md"
ROWS = re.findall(r"^\| (P\d+) \| (.*) \| (.*?) \| (.*?) \|$", PAGE.read_text(), flags=re.MULTILINE)


def test_its_annotations_are_those_of_the_example() -> None:
    """What a team would copy works: the example is what the tests inject."""
    [block] = [block for block in BLOCKS if block.startswith("lastgood.dev/")]
    deployment = yaml.safe_load((ROOT / "examples/payments/team/deployment.yaml").read_text())
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert yaml.safe_load(block).items() <= annotations.items()


def test_its_policy_is_one() -> None:
    """What an admin would copy is accepted."""
    [block] = [block for block in BLOCKS if block.startswith("apiVersion:")]
    assert SecretPolicy.model_validate(yaml.safe_load(block)).metadata.name == "payments"


def test_its_commands_are_those_of_the_command_line() -> None:
    """Every verb is listed, and no other."""
    listed = set(re.findall(r"(?:^lastgood|·) (\w+)", README, flags=re.MULTILINE))
    command = [sys.executable, "-m", "cli", "--help"]
    help_text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    offered = set(re.findall(r"^    (\w+) ", help_text, flags=re.MULTILINE))
    assert listed == offered


def test_the_page_has_every_promise() -> None:
    """Numbered without a gap."""
    assert [name for name, *_ in ROWS] == [f"P{number}" for number in range(1, len(ROWS) + 1)]
    assert ROWS


@pytest.mark.parametrize(
    ("promise", "here", "on_a_cluster"),
    [(name, here, there) for name, _, here, there in ROWS],
    ids=[name for name, *_ in ROWS],
)
def test_every_promise_names_files_whose_tests_name_it(
    promise: str, here: str, on_a_cluster: str
) -> None:
    """A promise in the table is shown by tests that carry its number, in the column of how they
    are run.
    """
    files = _linked(here) + _linked(on_a_cluster)
    assert files
    for file in files:
        text = file.read_text()
        names = re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE)
        assert any(promise.lower() in name.split("_") for name in names), file
    assert not any("e2e" in file.parts for file in _linked(here))
    assert all("e2e" in file.parts for file in _linked(on_a_cluster))


def _linked(text: str) -> list[Path]:
    return [(PAGE.parent / link).resolve() for link in re.findall(r"\]\((.*?)\)", text)]


def test_the_readme_can_be_read_in_two_minutes() -> None:
    """What is longer stands in docs/."""
    assert len(README.splitlines()) <= 150
