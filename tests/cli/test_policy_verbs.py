"""`lastgood policy test` and `lastgood policy lint` on files."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from cli.arguments import parser
from cli.exit_codes import CommandError
from cli.policy_verbs import policy as run
from cli.settings import Settings
from cli.terminal import Terminal
from policy.lint import LintRule
from tests import make
from tests.make.waiting import REPOSITORY
from tests.policy.given import account, namespace, policy, source
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(image=None, kubeconfigs=())
DOCS = REPOSITORY / "docs" / "check.md"
TEAM = policy(
    source("aws-sm:/prod/{namespace}/*", "aws-sm:/prod/**"),
    source("aws-sm:/shared/*", rules="critical"),
    source("aws-sm:/shared/*", account="test", rules="critical"),
)
TEAM_ONLY = (source("aws-sm:/a"), source("aws-sm:/b", rules="critical"))
CLUSTER = [account(), account("test"), TEAM, namespace("pay"), namespace("pay-roll", None)]


def _typed(*words: str, stdin: str = "") -> tuple[int, str, str]:
    terminal = Terminal(stdin=io.StringIO(stdin), out=io.StringIO(), err=io.StringIO())
    arguments = parser(SETTINGS, "lastgood").parse_args(["policy", *words])
    code = run(arguments, SETTINGS, SystemClock(), terminal)
    assert isinstance(terminal.out, io.StringIO)
    assert isinstance(terminal.err, io.StringIO)
    return code, terminal.out.getvalue(), terminal.err.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder with one file for each object."""
    for number, item in enumerate(CLUSTER):
        (tmp_path / f"{number}.yaml").write_text(make.as_file(item))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pay", "aws-sm:/prod/pay/db"), 0, "spec.sources[0], pattern aws-sm:/prod/pay/*\n"),
        (("pay", "aws-sm:/prod/pay/db#password"), 0, "less specific: spec.sources[0], pattern"),
        (("pay", "aws-sm:/prod/other/db"), 0, "spec.sources[0], pattern aws-sm:/prod/**\n"),
        (("pay", "aws-sm:/shared/a"), 1, "ambiguous-account: policy team allows it from"),
        (("pay", "aws-sm@test:/shared/a"), 0, "spec.sources[2], pattern aws-sm:/shared/*\n"),
        (("pay", "aws-sm:/dev/db"), 1, "not-allowed: policy team does not allow"),
        (("pay", "aws-sm:arn:aws"), 1, "bad-reference"),
        (("pay", "/prod/pay/db"), 1, "bad-reference"),
        (("pay-roll", "aws-sm:/prod/pay-roll/db"), 1, "no-policy"),
        (("elsewhere", "aws-sm:/prod/db"), 1, "no-policy"),
        (
            ("pay-roll", "aws-sm:/prod/pay-roll/db", "--label", "lastgood.dev/policy=team"),
            0,
            "allowed  pay-roll",
        ),
        (
            ("pay", "aws-sm:/prod/pay/db", "--label", "lastgood.dev/policy=steam"),
            1,
            "unknown-policy",
        ),
        (("pay", "aws-sm:/dev/db", "--expect", "refused"), 0, "refused  pay: aws-sm:/dev/db"),
        (("pay", "aws-sm:/prod/db", "--expect", "refused"), 1, "allowed  pay: aws-sm:/prod/db"),
        (("pay", "aws-sm:/prod/db", "aws-sm:/dev/db"), 1, "refused  pay: aws-sm:/dev/db"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_test(words: tuple[str, ...], code: int, said: str, folder: str) -> None:
    """The decision, by which rule, and an exit code for CI."""
    found = _typed("test", *words, "-f", folder)
    assert found[0] == code, found
    assert said in found[1]


OF_NAMESPACE = (
    account("cluster", provider="kubernetes", kubernetes={}, aws=None),
    policy(source("k8s:{namespace}/*", account="cluster")),
    namespace("pay"),
)


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [
        ("k8s:payments-db-secret#password", 0, "pattern k8s:pay/*\n"),
        ("k8s@cluster:payments-db-secret", 0, "account  cluster\n"),
        ("k8s:orders/db", 1, 'bad-reference: "orders/db" contains a /'),
    ],
)
def test_a_reference_of_the_namespace_is_decided_as_in_an_annotation(
    reference: str, code: int, said: str
) -> None:
    """The namespace is put in, as the webhook does it."""
    stdin = make.as_file(*OF_NAMESPACE)
    found = _typed("test", "pay", reference, "-f", "-", stdin=stdin)
    assert found[0] == code, found
    assert said in found[1]


def test_test_for_programs(folder: str) -> None:
    """Every pattern that matches, the deciding one first."""
    _, out, _ = _typed("test", "pay", "aws-sm:/prod/pay/db", "-f", folder, "-o", "json")
    (found,) = json.loads(out)
    assert found == {
        "namespace": "pay",
        "reference": "aws-sm:/prod/pay/db",
        "allowed": True,
        "matches": [
            {"field": "spec.sources[0]", "pattern": "aws-sm:/prod/pay/*"},
            {"field": "spec.sources[0]", "pattern": "aws-sm:/prod/**"},
        ],
        "policy": "team",
        "account": "prod",
        "class": "steady",
    }


def _lint(*objects: Any, strict: bool = False) -> tuple[int, str, str]:  # noqa: ANN401 - manifests
    words = ["--strict"] if strict else []
    return _typed("lint", "-f", "-", *words, stdin=make.as_file(*objects))


def test_lint_has_exit_codes_for_ci() -> None:
    """Warnings are an error only with --strict, and nothing to say is said."""
    code, out, err = _lint(*CLUSTER)
    assert code == 0
    assert "ambiguous-accounts  SecretPolicy team  spec.sources[2].allow[0]" in out
    assert err == "see docs/check.md#ambiguous-accounts\n"
    assert _lint(*CLUSTER, strict=True)[0] == 1
    well = [account(), policy(source("aws-sm:/a"), source("aws-sm:/b", rules="critical"))]
    assert _lint(*well, strict=True) == (0, "1 policies: nothing found\n", "")
    assert _lint(*well, namespace("orders"))[0] == 1


def test_lint_of_what_cannot_be_read() -> None:
    """It is an error, with the rest checked."""
    code, out, _ = _lint(*CLUSTER, policy(source("aws-sm:/a"), name="b", spel=1))
    assert code == 1
    assert "error  stdin, document 6: spec.spel" in out


def test_lint_without_accounts() -> None:
    """A repository with policies alone is linted, which is said."""
    code, _, err = _lint(TEAM)
    assert code == 0
    assert "note: the files have no SecretAccount, so accounts were not checked" in err


def test_what_follows_from_an_object_that_cannot_be_read_is_not_said() -> None:
    """Its mistake is, and once."""
    broken = (account(spel=1), policy(*TEAM_ONLY), namespace("pay"))
    code, out, err = _lint(*broken)
    assert code == 1
    assert "error  stdin, document 1: spec.spel" in out
    assert "unknown-account" not in out
    assert "no SecretAccount" not in err
    stdin = make.as_file(account(), policy(*TEAM_ONLY, spel=1), namespace("pay"))
    _, out, _ = _typed("test", "pay", "aws-sm:/a", "-f", "-", stdin=stdin)
    assert "unreadable-policy: SecretPolicy team cannot be read" in out
    stdin = make.as_file(*broken)
    _, out, _ = _typed("test", "pay", "aws-sm:/a", "-f", "-", stdin=stdin)
    assert "unreadable-policy: SecretAccount prod cannot be read" in out


@pytest.mark.parametrize(
    ("namespace", "label"),
    [("pay", "team"), ("pay-roll", "team"), ("orders", "POLICY")],
)
def test_files_without_the_namespace(namespace: str, label: str) -> None:
    """What is missing is named, with the option that stands for it, and that helps."""
    stdin = make.as_file(account(), policy(*TEAM_ONLY))
    _, out, _ = _typed("test", namespace, "aws-sm:/a", "-f", "-", stdin=stdin)
    option = f"--label lastgood.dev/policy={label}"
    says = f". The files have no Namespace {namespace}: add it, or give {option}\n"
    assert out.endswith(says)
    given = ("--label", f"lastgood.dev/policy={label}")
    code, out, _ = _typed("test", namespace, "aws-sm:/a", "-f", "-", *given, stdin=stdin)
    assert (code == 0) == (label == "team")
    assert "The files have no" not in out


def test_a_file_that_is_not_there() -> None:
    """One sentence."""
    with pytest.raises(CommandError, match=r"none\.yaml cannot be read: No such file"):
        _typed("lint", "-f", "none.yaml")


def test_another_label_decides_nothing(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused, so that nobody believes it was looked at."""
    with pytest.raises(SystemExit) as ended:
        _typed("test", "pay", "aws-sm:/a", "--label", "team=a", "-f", folder)
    assert ended.value.code == 2
    assert "Allowed: lastgood.dev/policy=POLICY" in capsys.readouterr().err


def test_each_rule_is_documented() -> None:
    """Its name is a heading, so that the link leads there."""
    headings = {line.lstrip("# ") for line in DOCS.read_text().splitlines() if line[:1] == "#"}
    assert {rule.value for rule in LintRule} <= headings
