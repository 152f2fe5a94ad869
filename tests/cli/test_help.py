"""What `--help` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.options import duration
from tests.make.command import NO_CLUSTER, typed

if TYPE_CHECKING:
    from pathlib import Path

VERBS = (
    *("status", "history", "refresh", "pin", "unpin", "rollback", "revoke"),
    *("check", "explain", "render", "presync", "policy", "dashboard", "demo"),
)
ACTS = ("policy test", "policy lint")
COLUMNS, LINES = 80, 24


@pytest.mark.parametrize("verb", [verb for verb in (*VERBS, *ACTS) if verb != "policy"])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    """`--help` shows how it is typed, what `-o` takes, and the exit codes, on one screen."""
    shown = typed(*verb.split(), "--help", variables=NO_CLUSTER).stdout
    assert f"lastgood {verb}" in shown.split("examples:")[1]
    assert ("-o, --output FORMAT" in shown) == (verb != "dashboard")
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
        (
            ("check", "--pree"),
            'lastgood check: error: "--pree" is not valid. Did you mean "--pre"?',
        ),
        (
            ("render", "-f", "x", "--plicy=p"),
            'lastgood render: error: "--plicy" is not valid. Did you mean "--policy"?',
        ),
        (
            ("policy", "test", "a", "vault:a/b", "-x"),
            'lastgood policy test: error: "-x" is not valid. "lastgood policy test --help" lists',
        ),
        (("policy", "tst"), 'lastgood policy: error: argument ACT: "tst" is not valid'),
        (("--context", "status"), 'lastgood: error: "--context" is not valid'),
        (("history", "a", "b"), 'lastgood history: error: "b" is one argument too many'),
        *(
            (
                (*words, "--wait", "2min"),
                '"2min" is not a duration. Allowed: 0s to 1h, for example 90s, 2m',
            )
            for words in (("check",), ("refresh", "db"), ("presync", "-f", "x"))
        ),
        (("check", "--wait", "61m"), '"61m" is not a duration'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_word_names_the_nearest_one(words: tuple[str, ...], message: str) -> None:
    """Exit 2, what is allowed, and nothing on stdout."""
    done = typed(*words, variables=NO_CLUSTER)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (("render", "-f", "-"), "Without a cluster, give the policies with --policy PATH"),
        (("presync", "-f", "-"), "Without a cluster, give the policies with --policy PATH"),
        (("presync", "-f", "-", "--apply"), "Choose a cluster with --kubeconfig FILE"),
        (("policy", "lint"), "Without a cluster, give the policies with -f PATH"),
        (("policy", "test", "a", "vault:a/b"), "give the policies with -f PATH"),
        (("check",), "Choose a cluster with --kubeconfig FILE"),
        (("status",), "Choose a cluster with --kubeconfig FILE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_without_a_kubeconfig_the_way_out_is_named(
    words: tuple[str, ...], instead: str, tmp_path: Path
) -> None:
    """Files do where no cluster is needed."""
    done = typed(*words, variables={"KUBECONFIG": "", "HOME": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("lastgood: no kubeconfig found")
    assert done.stderr.endswith(f"{instead}\n")


def test_how_long_to_wait_has_units() -> None:
    """Or none."""
    given = ("0", "0.5", "90", "90s", "2m", "1m30s", "1h")
    assert [duration(text) for text in given] == [0, 0.5, 90, 90, 120, 90, 3600]
