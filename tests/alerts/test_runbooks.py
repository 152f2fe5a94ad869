"""Alerts and the sections of docs/runbooks.md, both ways."""

from __future__ import annotations

import re

import pytest

from tests.alerts.test_rules import ALERTS, ROOT

PAGE = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
SECTIONS = {
    section.partition("\n")[0]: section.partition("\n")[2] for section in PAGE.split("\n## ")[1:]
}
PARTS = ["Do pods still start?", "Meaning.", "Look.", "Do.", "When to worry."]
LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    """In the order of the rule file."""
    assert list(SECTIONS) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_has_all_parts_and_the_alerts_command(name: str) -> None:
    """In one order, none empty."""
    section = SECTIONS[name]
    assert re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE) == PARTS
    command = ALERTS[name]["annotations"]["description"].partition("Look: ")[2]
    shown = LABEL.sub(lambda found: found[1].upper(), command)
    assert f"**Look.**\n\n```sh\n{shown}\n" in section
