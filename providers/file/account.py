"""The block `file` of a SecretAccount."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from providers.definition import Block


class File(Block):
    """A folder of files, for tests."""

    root: Annotated[str, Field(min_length=1)]
    """The folder's path, on the controller's own file system."""
