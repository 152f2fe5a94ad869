"""The verb `demo`: the one place below the demo that knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence


def demo(arguments: Sequence[str]) -> int:
    """Tells the story; its exit code is not 0 when a promise broke."""
    try:
        from demo.story import main
    except ModuleNotFoundError as error:
        message = f"the demo needs {error.name}; install lastgood[demo]"
        raise CommandError(message) from error
    return main(list(arguments))
