"""The arguments of `lastgood check` and `lastgood policy`."""

from __future__ import annotations

import argparse
from pathlib import Path

from cli.options import (
    Verb,
    Verbs,
    add_cluster,
    add_help,
    add_output,
    add_place,
    add_system,
    add_verb,
    duration,
)
from cli.output import JSON, TABLE, TEXT, YAML
from cli.usage import Parser
from contract.annotations import POLICY_LABEL


def add_check(verbs: Verbs, called: str) -> None:
    """`lastgood check`."""
    check = add_verb(
        verbs,
        "check",
        Verb(
            "check the installation, or with --pre what it needs",
            "Check the installation, line by line, with your own rights. Nothing is changed.\n"
            "Lines that are not ok have a hint and a page. Exit 1: a line failed.",
            ("lastgood check --wait 2m", "lastgood check --pre -o json"),
            (),
        ),
        called,
        "",
    )
    check.add_argument("--pre", action="store_true", help="check before the chart is installed")
    check.add_argument(
        "--wait",
        metavar="DURATION",
        type=duration,
        default=0.0,
        help="repeat until no line fails, up to this long: 90s, 2m",
    )
    add_cluster(check, everywhere=False, namespace="for trial objects, by dry run")
    add_system(check)
    add_output(check, (TABLE, JSON, YAML))
    add_help(check)


_POLICY = {
    "test": Verb(
        "whether a namespace may have references, and by which rule",
        "Show whether a namespace may have references, by which policy, rule and class.\n"
        "The decision is the webhook's own. Exit 1: one is not as --expect says.",
        (
            "lastgood policy test payments aws-sm:/prod/payments/db",
            "lastgood policy test shop aws-sm:/prod/db -f admin/ --expect refused",
        ),
        (TEXT, JSON, YAML),
    ),
    "lint": Verb(
        "find probable mistakes in valid policies",
        "Show probable mistakes in valid policies: patterns and rules without\n"
        "effect, accounts that do not exist, unused classes. Exit 1: errors.",
        ("lastgood policy lint -f admin/ --strict", "lastgood policy lint -o json"),
        (TABLE, JSON, YAML),
    ),
}


def add_policy(verbs: Verbs, called: str) -> None:
    """`lastgood policy` with its two acts."""
    policy = add_verb(
        verbs,
        "policy",
        Verb(
            "test and lint policies, from files or from the cluster",
            "Test and lint policies, from files or from the cluster.",
            tuple(verb.examples[0] for verb in _POLICY.values()),
            (),
        ),
        called,
        "ACT",
    )
    add_help(policy)
    acts = policy.add_subparsers(
        dest="act",
        metavar="ACT",
        required=True,
        title="acts",
        prog=f"{called} policy",
        parser_class=Parser,
    )
    for name, verb in _POLICY.items():
        takes = "NAMESPACE REFERENCE..." if name == "test" else ""
        act = add_verb(acts, name, verb, f"{called} policy", takes)
        if name == "test":
            act.add_argument("of", metavar="NAMESPACE", help="namespace of the pods")
            act.add_argument(
                "references",
                metavar="REFERENCE",
                nargs="+",
                help="provider[@account]:reference, as in annotations",
            )
            act.add_argument(
                "--label",
                metavar="KEY=VALUE",
                type=_policy_label,
                help="lastgood.dev/policy=POLICY, instead of the namespace's",
            )
            act.add_argument(
                "--expect",
                metavar="WHAT",
                choices=("allowed", "refused"),
                default="allowed",
                help="allowed or refused (default: allowed)",
            )
        else:
            act.add_argument("--strict", action="store_true", help="exit 1 on warnings too")
        act.add_argument(
            "-f",
            "--filename",
            metavar="PATH",
            dest="files",
            action="append",
            type=Path,
            help="file, folder or - (stdin); repeatable (default: cluster)",
        )
        add_place(act)
        add_output(act, verb.outputs)
        add_help(act)


def _policy_label(text: str) -> str:
    """The policy that the label names."""
    key, _, value = text.partition("=")
    if key != POLICY_LABEL or not value:
        message = f"{text!r} does not decide. Allowed: {POLICY_LABEL}=POLICY"
        raise argparse.ArgumentTypeError(message)
    return value
