"""What `--help` says."""

from __future__ import annotations

import pytest

from tests.make.command import NO_CLUSTER, typed


@pytest.mark.parametrize(
    "verb",
    ["render", "status", "refresh", "pin", "unpin", "rollback", "revoke", "history", "demo"],
)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    """`--help` shows how it is typed, and the exit codes."""
    shown = typed(verb, "--help", variables=NO_CLUSTER).stdout
    assert f"lastgood {verb}" in shown.split("examples:")[1]
    assert "exit codes: 0 done; 1 refused" in shown
