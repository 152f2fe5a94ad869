"""An API server that cases are carried out against, whichever it is."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from kube.config import load
from tests.chart.rendering import CHART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One API server."""

    admin: httpx.Client
    """With the credentials of a kubeconfig."""
    anybody: httpx.Client
    """Without."""
    hook: str
    """The URL of the tests' webhook."""
    hook_ca: str
    """Base64."""
    forget: Callable[[], None]
    """Has the server forget all changes, where it can be told to."""
    patience_s: float
    """How long it may take to notice something."""


@contextmanager
def world(
    kubeconfig: Path,
    hook: tuple[str, str],
    *,
    patience_s: float,
    forget: Callable[[], None] = lambda: None,
) -> Iterator[World]:
    """With lastgood's definitions, which go again if they were not there."""
    found = asyncio.run(load(kubeconfig))
    given = {"base_url": found.host, "timeout": 60.0, "trust_env": False}
    trusting = ssl.create_default_context(cafile=found.ssl_ca_cert)
    known = ssl.create_default_context(cafile=found.ssl_ca_cert)
    if found.cert_file:
        known.load_cert_chain(found.cert_file, found.key_file)
    settings = asyncio.run(found.auth_settings())
    headers = {part["key"]: part["value"] for part in settings.values() if part["value"]}
    with (
        httpx.Client(verify=known, headers=headers, **given) as admin,
        httpx.Client(verify=trusting, **given) as anybody,
        _definitions(admin),
    ):
        yield World(
            admin=admin,
            anybody=anybody,
            hook=hook[0],
            hook_ca=hook[1],
            forget=forget,
            patience_s=patience_s,
        )


@contextmanager
def _definitions(admin: httpx.Client) -> Iterator[None]:
    made = []
    try:
        for path in sorted((CHART / "crds").glob("*.yaml")):
            body = yaml.safe_load(path.read_text())
            here = f"{DEFINITIONS}/{body['metadata']['name']}"
            answer = admin.post(DEFINITIONS, json=body)
            assert answer.status_code in {201, 409}, answer.text
            if answer.status_code == 201:
                made.append(here)
            while not _established(admin.get(here).json()):
                time.sleep(0.1)
        yield
    finally:
        for here in made:
            admin.delete(here)


def _established(definition: Json) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(it["type"] == "Established" and it["status"] == "True" for it in conditions)


class Stream:
    """The lines of a watch."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._lines = answer.iter_lines()

    def event(self) -> Json | None:
        """The next; None: the server has ended it."""
        for line in self._lines:
            found: Json = json.loads(line)
            return found
        return None

    def close(self) -> None:
        with suppress(httpx.HTTPError):
            self._answer.close()
