"""The README's quick start and the removal of docs/install.md, line by line. In place of what
is the reader's: the images are those of these tests, AWS is moto, and the app's image is one that
the node has.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chart.rendering import helm
from tests.e2e.install import world
from tests.e2e.install.kubectl import run
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## On a cluster\n")[2].partition("\n## ")[0]
REMOVAL = (
    (ROOT / "docs" / "install.md").read_text(encoding="utf-8").partition("\n## Upgrade and")[2]
)
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", SECTION + REMOVAL, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
APP = "examples/quickstart/hello.yaml"
LOOK = "kubectl get secretsnapshots --all-namespaces"
"""A line that is there twice: while all is well, and while AWS is out of reach."""
SAID_S = 60.0
"""Until the second look says so, as the README promises."""


class Reader:
    """Follows the README, one line after another."""

    def __init__(self, settings: Settings, provider: Provider, folder: Path) -> None:
        self._settings = settings
        self._provider = provider
        self._folder = folder

    def type(self, line: str) -> str:
        """The output of a line; it has to succeed."""
        program, *words = shlex.split(line)
        if program == "make":
            return run("make", "--directory", str(ROOT), "--dry-run", *words)
        if program == "aws":
            return self._create_secret(words)
        if program == "helm":
            return self._helm(words)
        assert program == "kubectl", line
        command = [program, *(str(self._app()) if word == APP else word for word in words)]
        if "logs" in words:  # a pod that is Ready may not have said its first line yet
            return until("a line of the app", partial(run, *command))
        return run(*command)

    def _create_secret(self, words: list[str]) -> str:
        assert words[:2] == ["secretsmanager", "create-secret"]
        name, value = words[words.index("--name") + 1], words[words.index("--secret-string") + 1]
        return self._provider.put(name, value)

    def _helm(self, words: list[str]) -> str:
        file = self._folder / "ours.json"
        file.write_text(json.dumps(self._ours()), encoding="utf-8")
        more = ["--values", str(file)] if words[0] in {"install", "upgrade"} else []
        paths = [str(ROOT / word) if (ROOT / word).exists() else word for word in words]
        return run(helm() or "helm", *paths, *more)

    def _ours(self) -> Json:
        """What takes the place of the reader's registry and account."""
        keys = {"AWS_ACCESS_KEY_ID": "e2e", "AWS_SECRET_ACCESS_KEY": "e2e"}
        found: Json = {
            name: {
                "image": {
                    "repository": f"{self._settings.repository}{name}",
                    "tag": self._settings.tag,
                    "pullPolicy": "IfNotPresent",
                }
            }
            for name in ("agent", "webhook", "controller")
        }
        found["controller"]["extraEnv"] = [{"name": key, "value": keys[key]} for key in keys]
        endpoint = f"http://{self._provider.address}"
        found["accounts"] = {"aws-prod": {"aws": {"regions": ["us-east-1"], "endpoint": endpoint}}}
        return found

    def _app(self) -> Path:
        text = (ROOT / APP).read_text(encoding="utf-8")
        image, found = re.subn(
            r"image: busybox:\S+", f"image: {self._settings.image('provider')}", text
        )
        assert found == 1
        file = self._folder / "hello.yaml"
        file.write_text(image, encoding="utf-8")
        return file


def unconfirmed(table: str) -> str:
    """What the only row has in that column."""
    head, row = table.splitlines()
    return row[head.index("UNCONFIRMED") : head.index("VERSION")].strip()


def test_p1_the_readmes_quick_start(
    settings: Settings,
    provider: Provider,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """From `helm install` on a cluster that is new to us to ten pods, and eight with AWS out of
    reach, which the snapshot tells within a minute; nothing stays.
    """
    world.forget()
    reader = Reader(settings, provider, tmp_path)
    first, second = (at for at, line in enumerate(LINES) if line == LOOK)
    said = [reader.type(line) for line in LINES[: second + 1]]
    began = time.monotonic()
    age = until("the outage to be told", lambda: unconfirmed(reader.type(LOOK)), SAID_S)
    record_property("outage told after s", round(time.monotonic() - began))
    assert re.fullmatch(r"(\d+[ms])+", age)
    said += [reader.type(line) for line in LINES[second + 1 :]]
    (told,) = (text for line, text in zip(LINES, said, strict=True) if " logs " in line)
    assert "the password has 13 bytes" in told
    tables = said[first], said[second]
    assert [
        len(re.findall(r"payments .*aws-sm:/prod/payments/db +steady +Fresh", text))
        for text in tables
    ] == [1, 1]
    assert unconfirmed(tables[0]) == ""
    assert re.search(r"steady +Fresh .* 10\b", tables[1]), "ten consumers"
    left = run("kubectl", "api-resources", "--cached=false", "-o", "name")
    assert "lastgood.dev" not in left
