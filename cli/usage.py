"""How `--help` is laid out, and what a wrong word on the command line is answered with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from contract.quoted import shown
from contract.spelling import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 80
"""Columns of `--help`, so that it is the same everywhere."""
_COLUMN = 26
"""Where the help of an option starts, at most."""
_VERBS_COLUMN = 13
"""As many columns as the indented name of a verb needs."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """`-n, --namespace NS` on one line, and the same width everywhere."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=_COLUMN, width=WIDTH)
        self._action_max_length = _VERBS_COLUMN  # argparse forgets that verbs are indented

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar}"


class Parser(argparse.ArgumentParser):
    """Names the nearest valid spelling of a wrong verb, option or format."""

    def parse_known_args(  # type: ignore[override]  # it has overloads; nobody gives a class of their own
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Nothing is left over for the parser above, which knows neither verb nor options."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown))
        return found, unknown

    def _unknown(self, words: list[str]) -> str:
        word = next((word for word in words if word.startswith("-")), None)
        if word is None:
            return f'"{shown(words[0])}" is one argument too many'
        option = word.partition("=")[0]
        options = [text for text in self._option_string_actions if text.startswith("--")]
        hint = suggestion(option, options) or f'. "{self.prog} --help" lists the options'
        return f'"{shown(option)}" is not valid{hint}'

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is None or value in action.choices:
            return
        allowed = [str(choice) for choice in action.choices]
        message = f'"{shown(str(value))}" is not valid. Allowed: {", ".join(allowed)}'
        raise argparse.ArgumentError(action, message + suggestion(str(value), allowed))
