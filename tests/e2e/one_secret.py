"""The story of one secret of two versions, for tests of a controller as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

DB = "/prod/db"
ONE, TWO = b'{"password":"one"}', b'{"password":"two"}'


def served(world: Controlled) -> None:
    """A controller leads, and a pod's source is served."""
    world.provide(DB, ONE)
    world.pod("web-1", DB)
    world.lead()
    world.serves(DB, ONE)


def rotate(world: Controlled) -> None:
    """The provider has a second version, and it is served."""
    world.provide(DB, TWO)
    refresh(world)
    world.serves(DB, TWO)


def refresh(world: Controlled) -> None:
    """An operator asks for a fetch."""
    asked = "lastgood.dev/refresh-requested=2100-01-01T00:00:00Z"
    world.kubectl("annotate", "snap", world.snapshot(DB), asked)
