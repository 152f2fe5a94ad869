"""What the controller is told at its start."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Read once."""

    store: Path
    """A folder on tmpfs; made when it is not there."""
    host: str
    port: int
    """Of /metrics and /healthz; 0: any free one, which the log names."""
    poll_s: float = 0.2
    """How often folders are looked at, in seconds: an operator's wish is seen within it."""


def from_arguments(argv: Sequence[str] | None) -> Settings:
    """The settings of a command line; ends the process with a message when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m controller",
        description="Keeps the snapshots of an embedded store fresh.",
        epilog="example: python -m controller --store /dev/shm/lastgood --listen 127.0.0.1:9466",
    )
    parser.add_argument(
        "--store", metavar="DIR", type=Path, required=True, help="a folder on tmpfs; made if needed"
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_address,
        default=("127.0.0.1", 9466),
        help="where /metrics and /healthz are served; port 0 is any free one; "
        "default: 127.0.0.1:9466",
    )
    arguments = parser.parse_args(argv)
    host, port = arguments.listen
    return Settings(store=arguments.store, host=host, port=port)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - TCP
        message = f"{text!r} is not HOST:PORT, for example 127.0.0.1:9466"
        raise argparse.ArgumentTypeError(message)
    return host.strip("[]"), int(port)
