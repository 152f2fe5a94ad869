"""The block `file` of a SecretAccount."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from providers.definition import Block


class File(Block):
    """Settings of provider file: a folder with one file per secret, for tests."""

    root: Annotated[str, Field(min_length=1)]
    """Path of the folder on the controller's file system."""
