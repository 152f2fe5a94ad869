"""What `--help` says."""

from __future__ import annotations

import pytest

from tests.make.command import NO_CLUSTER, typed

VERBS = (
    *("status", "history", "refresh", "pin", "unpin", "rollback", "revoke"),
    *("check", "explain", "render", "presync", "policy", "demo"),
)
ACTS = ("policy test", "policy lint")
COLUMNS, LINES = 80, 24


@pytest.mark.parametrize("verb", [verb for verb in (*VERBS, *ACTS) if verb != "policy"])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    """`--help` shows how it is typed, what `-o` takes, and the exit codes, on one screen."""
    shown = typed(*verb.split(), "--help", variables=NO_CLUSTER).stdout
    assert f"lastgood {verb}" in shown.split("examples:")[1]
    assert "-o, --output FORMAT" in shown
    assert "exit codes: 0 done, 1 failed" in shown
    _fits(shown)


def test_the_verbs_fit_a_screen() -> None:
    """Each with a line, and where to read on."""
    shown = typed("--help", variables=NO_CLUSTER).stdout
    assert all(f"\n    {verb} " in shown for verb in VERBS)
    assert '"lastgood VERB --help"' in shown
    _fits(shown)


def _fits(shown: str) -> None:
    lines = shown.splitlines()
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > COLUMNS] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("statis",), 'Did you mean "status"?'),
        (("status", "-o", "jsn"), "Allowed: table, wide, json, yaml, name. Did you mean"),
        (("render", "-f", "x", "--run-as", "pods"), 'Did you mean "pod"?'),
        (("explain", "web", "-o", "name"), "Allowed: text, json, yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_names_the_nearest_one(words: tuple[str, ...], message: str) -> None:
    """Exit 2, what is allowed, and nothing on stdout."""
    done = typed(*words, variables=NO_CLUSTER)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
