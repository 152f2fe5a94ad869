"""The verb `demo`: the one place below the demo that knows it."""

from __future__ import annotations

from cli.errors import CommandError


def demo(*, keep: bool) -> int:
    """Tells the story; its exit code is not 0 when a promise broke. `keep`: what it started runs on
    until Ctrl-C.
    """
    try:
        from demo.story import main
    except ModuleNotFoundError as error:
        message = f"the demo needs {error.name}; install lastgood[demo]"
        raise CommandError(message) from error
    return main(keep=keep)
