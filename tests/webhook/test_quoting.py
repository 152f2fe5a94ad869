"""Denials that quote what others wrote, and what a template left in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract import annotations as keys
from tests import make
from tests.webhook.given import admitted, answered, review

DB = make.asking(db="aws-sm:/prod/payments/db#password")
HUGE = "\x1b]0;owned\x07\n\u202e\x9b" * 100_000

PODS: dict[str, dict[str, Any]] = {
    "a path": {"volumeMounts": [{"name": "d", "mountPath": "/data/" + HUGE}]},
    "a container": {"name": "app" + HUGE},
    "a variable": {"env": [{"name": "A" + HUGE, "value": "x"}]},
    "a volume": {"volumeMounts": [{"name": HUGE, "mountPath": "/data"}]},
}


@pytest.mark.parametrize("fields", PODS.values(), ids=PODS)
@pytest.mark.parametrize("wanted", ["/data", "/other"])
def test_a_megabyte_of_escape_codes_makes_no_long_answer(
    fields: dict[str, Any], wanted: str
) -> None:
    """Answer and log line are short, and no terminal obeys them."""
    container = {**make.container("app"), **fields}
    asked = DB | {keys.MOUNT_PATH: wanted, keys.CONTAINERS: "apq", keys.ENV + "A": "db"}
    status, answer, log = answered(review(make.pod("web", container, annotations=asked)))
    assert status == 200
    assert not answer["response"]["allowed"]
    message = answer["response"]["status"]["message"]
    assert all(line.isprintable() for line in message.split("\n"))
    assert len(json.dumps(answer)) < 8192
    assert len(log) < 8192
    assert log.decode().rstrip("\n").isprintable()


LEFT = {
    "a reference": (keys.SECRET + "db", "aws-sm:/prod/payments/db#password"),
    "a reference without property": (keys.SECRET + "db", "aws-sm:/prod/payments/db"),
    "a mode": (keys.MODE, "follow"),
    "a path": (keys.MOUNT_PATH, "/secrets"),
    "a reload": (keys.RELOAD, "http://127.0.0.1:80/"),
    "a signal": (keys.RELOAD, "signal:HUP"),
    "a file": (keys.FILE + "db", "x"),
    "a variable": (keys.ENV + "A", "db"),
    "a variable with the value": (keys.ENV_VALUE + "A", "db"),
    "containers": (keys.CONTAINERS, "app"),
}


@pytest.mark.parametrize(("key", "value"), LEFT.values(), ids=LEFT)
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{}\n", "ends with a newline"),
        ('"{}"', "starts with a quote"),
        ("'{}'", "starts with a quote"),
        (" {}", "starts with a space"),
    ],
)
def test_a_denial_says_what_a_template_left(key: str, value: str, written: str, said: str) -> None:
    """Where it is what is wrong; names of containers may have spaces around them."""
    verdict = admitted(make.pod(annotations=DB | {key: written.format(value)}))
    if key == keys.CONTAINERS and written.format("").isspace():
        assert verdict.allowed
        return
    (mistake,) = (item for item in verdict.mistakes if item.field == key)
    assert f". The value {said}" in mistake.message
