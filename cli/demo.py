"""The verb `demo`: the one place below the demo that knows it."""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from cli.exit_codes import CommandError
from cli.output import MACHINE, written

if TYPE_CHECKING:
    from cli.terminal import Terminal


def demo(terminal: Terminal, *, keep: bool, output: str) -> int:
    """Tells the story; its exit code is not 0 when a promise broke. `keep`: what it started runs on
    until Ctrl-C. For programs, progress and table go to stderr, and the rows to stdout at the end.
    """
    try:
        from demo.report import Row, described
        from demo.story import main
    except ModuleNotFoundError as error:
        message = f"the demo needs the Python package {error.name}. Install lastgood[demo]"
        raise CommandError(message) from error
    if output not in MACHINE:
        return main(keep=keep)
    rows: list[Row] = []
    with redirect_stdout(terminal.err):
        code = main(keep=keep, rows=rows)
    terminal.out.write(written([described(row) for row in rows], output))
    return code
