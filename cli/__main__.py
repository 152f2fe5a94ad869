"""`lastgood`, or `python -m cli`: the composition root of the command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cli.arguments import IMAGE_VARIABLE, STORE_VARIABLE, parser
from cli.clock import Clock
from cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Carries out one command; returns its exit code."""
    defaults = (os.environ.get(name) for name in (STORE_VARIABLE, IMAGE_VARIABLE))
    arguments = parser(*defaults).parse_args(argv)
    try:
        if arguments.verb == "render":
            from cli.render import render

            return render(arguments, sys.stdin, sys.stdout, sys.stderr)
        if arguments.verb == "demo":
            from cli.demo import demo

            return demo(arguments.rest)
        from cli.verbs import run

        return run(arguments, Clock(), sys.stdout, sys.stderr)
    except CommandError as error:
        print(f"lastgood: {error}", file=sys.stderr)
        return Exit.REFUSED
    except KeyboardInterrupt:
        print("lastgood: interrupted; a wish that was recorded holds", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `lastgood status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
