"""What `-o` selects: documents for programs, and names as `kubectl -o name` prints them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kube.api_resources import SECRET_SNAPSHOTS

if TYPE_CHECKING:
    from kube.api_resources import Resource

TABLE, WIDE, TEXT = "table", "wide", "text"
JSON, YAML, NAME, DIFF = "json", "yaml", "name", "diff"
MACHINE = frozenset({JSON, YAML, NAME})
"""Formats with nothing on stdout that a program could not read."""


def written(document: object, output: str) -> str:
    """A document as JSON or YAML, with a newline at its end."""
    if output == YAML:
        from cli.manifests import write

        return write([document])
    return json.dumps(document, indent=2) + "\n"


def name_of(name: str, resource: Resource = SECRET_SNAPSHOTS) -> str:
    """For example `secretsnapshot.lastgood.dev/lg-db-0123`, which kubectl accepts."""
    return f"{resource.plural.removesuffix('s')}.{resource.group}/{name}"
