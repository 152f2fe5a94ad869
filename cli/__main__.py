"""`lastgood`, `kubectl lastgood` or `python -m cli`: the composition root of the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.arguments import parser
from cli.exit_codes import CommandError, Exit
from cli.settings import from_environment
from cli.terminal import Terminal, plain
from workqueue.clock import SystemClock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from cli.settings import Settings

INTERRUPTED = (
    "lastgood: interrupted. If the change was already saved, the controller will still apply it."
)
PLUGIN = "kubectl-lastgood"
"""By this name kubectl finds us."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carries out one command; returns its exit code."""
    settings = from_environment()
    called = "kubectl lastgood" if Path(sys.argv[0]).name == PLUGIN else "lastgood"
    arguments = parser(settings, called).parse_args(argv)
    try:
        return _carry_out(arguments, settings)
    except CommandError as error:
        print(plain(f"lastgood: {error}"), file=sys.stderr)
        return Exit.REFUSED
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `lastgood status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE


def _carry_out(arguments: argparse.Namespace, settings: Settings) -> int:
    clock = SystemClock()
    terminal = Terminal(stdin=sys.stdin, out=sys.stdout, err=sys.stderr)
    if arguments.verb == "demo":
        from cli.demo import demo

        return demo(
            terminal, keep=arguments.keep, output=arguments.output, pictures=arguments.pictures
        )
    if arguments.verb == "render":
        from cli.render import render

        return render(arguments, settings, clock, terminal)
    if arguments.verb == "presync":
        from cli.presync import presync

        return presync(arguments, settings, clock, terminal)
    if arguments.verb == "check":
        from cli.check import check

        return check(arguments, settings, clock, terminal)
    if arguments.verb == "policy":
        from cli.policy_verbs import policy

        return policy(arguments, settings, clock, terminal)
    if arguments.verb == "explain":
        from cli.explain import explain

        return explain(arguments, settings, clock, terminal)
    if arguments.verb == "dashboard":
        from cli.dashboard.verb import dashboard

        return dashboard(arguments, settings, clock, terminal)
    from cli.commands import carry_out
    from cli.open_cluster import opened

    with opened(arguments, settings, clock, terminal) as session:
        return carry_out(arguments, session)


if __name__ == "__main__":
    sys.exit(main())
