"""The verb `demo`: the one place below the demo that knows it."""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from cli.exit_codes import CommandError
from cli.output import MACHINE, written

if TYPE_CHECKING:
    from pathlib import Path

    from cli.terminal import Terminal


def demo(terminal: Terminal, *, keep: bool, output: str, pictures: Path | None) -> int:
    """Tells the story; its exit code is not 0 when a promise broke. `keep`: what it started runs on
    until Ctrl-C. For programs, progress and table go to stderr, and the rows to stdout at the end.
    `pictures`: the folder that gets the chart of the start times and its data.
    """
    try:
        from demo import start_times
        from demo.report import Row, described
        from demo.story import main
    except ModuleNotFoundError as error:
        message = f"the demo needs the Python package {error.name}. Install lastgood[demo]"
        raise CommandError(message) from error
    rows: list[Row] = []
    machine = output in MACHINE
    with redirect_stdout(terminal.err if machine else terminal.out):
        code = main(keep=keep, rows=rows)
        if pictures is not None and start_times.groups(rows):
            start_times.write(rows, pictures)
            print(f"chart of the start times: {pictures / start_times.CHART}")
    if not machine:
        return code
    terminal.out.write(written([described(row) for row in rows], output))
    return code
