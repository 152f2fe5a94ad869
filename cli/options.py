"""Options and forms that several verbs share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple, TypeAlias

from cli.settings import KUBECONFIG
from cli.usage import Formatter, Parser
from contract.quoted import shown

EXIT_CODES = """\
exit codes: 0 done, 1 failed, 2 wrong arguments, 3 saved but no controller
runs, 4 saved but not done within --wait, 130 Ctrl-C. Errors are on stderr."""

WAIT_S = 10.0

_DURATION = re.compile("(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - it has no public name


class Verb(NamedTuple):
    """What the help of a verb says."""

    help: str
    """For the list of verbs."""
    description: str
    examples: tuple[str, ...]
    outputs: tuple[str, ...]
    """What `-o` takes, the default first."""
    name: str | None = None
    """None, `required` or `optional`: whether it takes a snapshot."""
    version: bool = False
    waits: bool = False

    @property
    def takes(self) -> str:
        name = "[NAME]" if self.name == "optional" else "NAME"
        return f"{name} VERSION" if self.version else name


def add_verb(verbs: Verbs, name: str, verb: Verb, called: str, takes: str) -> Parser:
    """`takes`: the arguments that must not be left out, for the first line."""
    examples = "\n".join(f"  {line}" for line in verb.examples)
    return verbs.add_parser(
        name,
        usage=f"{called} {name} {takes}{' ' if takes else ''}[options]",
        help=verb.help,
        description=verb.description,
        epilog=f"examples:\n{examples}\n\n{EXIT_CODES}",
        formatter_class=Formatter,
        add_help=False,
    )


def add_help(verb: argparse.ArgumentParser, text: str = "show this help") -> None:
    """`--help`."""
    verb.add_argument("-h", "--help", action="help", help=text)


def add_cluster(
    verb: argparse.ArgumentParser, *, everywhere: bool, namespace: str = "namespace"
) -> None:
    """Cluster and namespace. `everywhere`: also all namespaces."""
    which = verb.add_mutually_exclusive_group()
    which.add_argument(
        "-n", "--namespace", metavar="NS", help=f"{namespace} (default: the context's)"
    )
    if everywhere:
        which.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    add_place(verb)
    if everywhere:
        add_system(verb)


def add_place(verb: argparse.ArgumentParser) -> None:
    """The cluster alone."""
    verb.add_argument("--context", metavar="NAME", help="kubeconfig context (default: the current)")
    verb.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help=f"kubeconfig (default: ${KUBECONFIG}, or ~/.kube/config)",
    )


def add_system(verb: argparse.ArgumentParser) -> None:
    """`--system-namespace`."""
    verb.add_argument(
        "--system-namespace", metavar="NS", help="where lastgood runs (default: looked up)"
    )


def add_output(
    verb: argparse.ArgumentParser, outputs: tuple[str, ...], default: str | None = None
) -> None:
    """The first of `outputs` is the default, unless `default` describes another one."""
    verb.add_argument(
        "-o",
        "--output",
        metavar="FORMAT",
        choices=outputs,
        default=outputs[0] if default is None else None,
        help=f"{', '.join(outputs)} (default: {default or outputs[0]})",
    )


def add_wait(verb: argparse.ArgumentParser, what: str) -> None:
    """`--wait DURATION`, for `what`."""
    verb.add_argument(
        "--wait",
        metavar="DURATION",
        type=duration,
        default=WAIT_S,
        help=f"{what} up to this long (default: %(default)gs)",
    )


def duration(text: str) -> float:
    """Seconds, at most an hour: `90`, `0.5`, `90s`, `2m`, `1m30s`, `1h`."""
    parts = _DURATION.fullmatch(text)
    try:
        if parts is None or not text:
            found = float(text)
        else:
            amounts = zip(parts.groups(), (3600, 60, 1), strict=True)
            found = float(sum(int(part or 0) * unit for part, unit in amounts))
    except (ValueError, OverflowError):
        found = -1.0
    if not 0 <= found <= 3600:  # noqa: PLR2004 - an hour
        message = f'"{shown(text)}" is not a duration. Allowed: 0s to 1h, for example 90s, 2m'
        raise argparse.ArgumentTypeError(message)
    return found


def port(text: str) -> int:
    """A TCP port; 0: any that is free."""
    if not (text.isascii() and text.isdecimal() and int(text[:6]) <= 65535):  # noqa: PLR2004 - the last port
        message = f'"{shown(text)}" is not a port. Allowed: 1 to 65535, or 0 for any free one'
        raise argparse.ArgumentTypeError(message)
    return int(text)
