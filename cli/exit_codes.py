"""How a command ends.

CommandError            what is wrong and what is allowed, in one sentence on stderr; exit 1
└── UnreachableError    the API server, or the way to it: the same may be granted later
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same for every verb; 2 is argparse's for wrong arguments."""

    DONE = 0
    REFUSED = 1
    NOT_RUNNING = 3
    """What was asked for is recorded and will hold, but no controller is at work."""
    NOT_YET = 4
    """What was asked for is recorded, but the controller has not done it within `--wait`."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it (128 + SIGINT)."""


class CommandError(Exception):
    """A command that can't be carried out. Caught by main, which prints it and exits 1."""


class UnreachableError(CommandError):
    """Caught where a change that is recorded is waited for, until the time is over."""
