"""Pods that others wrote, edited at random: an answer for each, and nothing of theirs is lost."""

from __future__ import annotations

import copy
import functools
import json
import random
import time
from base64 import b64decode
from io import BytesIO
from typing import TYPE_CHECKING, Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.render import Renderer
from contract import annotations as keys
from contract import layout
from schema.quantity import parse
from tests.make.strangers import STRANGERS, stranger
from tests.webhook.given import CONFIG, FixedPolicies, admitted, policies, review
from webhook.handler import Handler
from webhook.telemetry import AdmissionLog, Telemetry
from webhook.wellformed import malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = Any

EDITS = 20
"""Of each example: `make fuzz` makes 20,000."""
LONGEST_ANSWER = 64 << 10
LONGEST_LINE = 1000
"""Characters of one mistake."""

VALUES: tuple[Json, ...] = (
    *(None, [], {}, "", "x", 0, -1, 1 << 62, 1.5, True, False),
    *(["x"], [None], [{}], [[]], {"name": []}, {"name": "x"}, {"x": None}, {"limits": "x"}),
    *("x" * 100_000, "\x1b[31m\n\x9b\u202e", "windows", "lastgood-cache", "lastgood-gate"),
    [{"name": "lastgood-cache", "mountPath": "/x"}],
)
FIELDS = (
    *("securityContext", "resources", "os", "nodeSelector", "restartPolicy", "hostNetwork"),
    *("volumes", "initContainers", "containers", "shareProcessNamespace", "env", "volumeMounts"),
    *("ports", "args", "name", "runAsUser", "fsGroup", "windowsOptions", "hostProcess", "limits"),
    *("requests", "cpu", "memory", "annotations", "namespace", "mountPath", "subPath", "items"),
    "automountServiceAccountToken",
)


def places(document: Json, key: Json = None, parent: Json = None) -> Iterator[tuple[Json, Json]]:
    """Every container of a value, and the value's key there."""
    if parent is not None:
        yield parent, key
    if isinstance(document, dict):
        for name in document:
            yield from places(document[name], name, document)
    elif isinstance(document, list):
        for at, item in enumerate(document):
            yield from places(item, at, document)


def edited(pod: Json, choice: random.Random) -> None:
    """One edit: another value, none, a value more, one twice, or one that stands elsewhere."""
    every = list(places({"metadata": pod["metadata"], "spec": pod["spec"]}))[2:]
    parent, key = choice.choice(every)
    kind = choice.randrange(6)
    if kind == 0:
        parent[key] = copy.deepcopy(choice.choice(VALUES))
    elif kind == 1:
        del parent[key]
    elif kind == 2 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    elif kind == 3:
        other, where = choice.choice(every)
        parent[key] = copy.deepcopy(other[where])
    elif isinstance(parent, list):
        parent.append(copy.deepcopy(choice.choice(VALUES)))
    else:
        parent[choice.choice(FIELDS)] = copy.deepcopy(choice.choice(VALUES))


def without_ours(pod: Json, injected: Json) -> Json:
    """The injected pod without all that is ours, so that it should be `pod` again."""
    left = copy.deepcopy(injected)
    for mark in (keys.INJECTED, keys.PLAN):
        left["metadata"]["annotations"].pop(mark, None)
    for member in ("containers", "initContainers"):
        kept = [
            item for item in left["spec"].get(member) or [] if item["name"] not in layout.CONTAINERS
        ]
        put(left["spec"], pod["spec"], member, kept)
        for before, item in zip(pod["spec"].get(member) or [], kept, strict=True):
            mounts = [
                mount
                for mount in item.get("volumeMounts") or []
                if mount.get("name") not in layout.VOLUMES
            ]
            put(item, before, "volumeMounts", mounts)
            own = len(before.get("env") or [])
            variables = item.get("env") or []
            put(item, before, "env", variables[len(variables) - own :])
    volumes = [
        item for item in left["spec"].get("volumes") or [] if item["name"] not in layout.VOLUMES
    ]
    put(left["spec"], pod["spec"], "volumes", volumes)
    whole, mine = left["spec"].get("resources") or {}, pod["spec"].get("resources") or {}
    for member in ("requests", "limits"):
        amounts: Json = whole.get(member) or {}
        for name in ("cpu", "memory"):
            if amounts.get(name) is not None:
                assert parse(amounts[name]) >= parse(mine[member][name])
                amounts[name] = mine[member][name]
    return left


def put(owner: Json, before: Json, member: str, kept: list[Json]) -> None:
    """A list as it was: absent or null where nothing is left in it."""
    if kept:
        owner[member] = kept
    else:
        owner.pop(member, None)
        if member in before:
            owner[member] = before[member]


def shown(message: str) -> bool:
    """Whether a message is short and steers no terminal."""
    lines = message.split("\n")
    return all(line.isprintable() and len(line) <= LONGEST_LINE for line in lines)


@functools.cache
def telemetry() -> Telemetry:
    """One for all, because metrics take longer to make than an admission."""
    return Telemetry(AdmissionLog(BytesIO(), time.time))


def answering(log: BytesIO) -> Handler:
    """A webhook that writes to a log of its own."""
    telemetry().log = AdmissionLog(log, time.time)
    return Handler(FixedPolicies(), CONFIG, telemetry(), time.perf_counter)


def check(pod: Json) -> None:
    """What holds for every pod, be it one or not."""
    log = BytesIO()
    reply = answering(log).handle(review(pod))
    status, answer = reply.status, json.loads(reply.body)
    assert status in {200, 400}, log.getvalue()
    assert len(log.getvalue()) < LONGEST_ANSWER
    assert len(json.dumps(answer)) < LONGEST_ANSWER or "patch" in answer["response"]
    if status == 400:
        assert malformed(pod) is not None
        assert shown(answer["message"])
        return
    response = answer["response"]
    if not response["allowed"]:
        assert shown(response["status"]["message"]), response["status"]["message"]
        return
    assert all(map(shown, response.get("warnings", ())))
    if "patch" in response and malformed(pod) is None:
        operations = json.loads(b64decode(response["patch"]))
        injected = jsonpatch.apply_patch(copy.deepcopy(pod), operations)
        assert without_ours(pod, injected) == pod


def rendered(pod: Json) -> None:
    """The same as a manifest that no API server has read: a sentence or an injected template."""
    template = {"metadata": pod["metadata"], "spec": pod["spec"]}
    body = {"selector": {}, "template": template}
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": body}
    renderer = Renderer(policies(), CONFIG, "payments", strict=False)
    renderer.render("pods.yaml", [{**manifest, "metadata": {"name": "web"}}])
    assert all(map(shown, renderer.denials + renderer.warnings)), renderer.denials


@pytest.mark.parametrize("name", [name for name in STRANGERS if name != "windows"])
def test_each_stranger_is_injected_and_keeps_all_that_it_has(name: str) -> None:
    """So that an edit of it reaches all of the webhook."""
    assert admitted(stranger(name)).plan is not None
    check(stranger(name))


@pytest.mark.slow
@given(st.sampled_from(sorted(STRANGERS)), st.integers(0, 1 << 32), st.integers(1, 3))
def test_p10_edits_of_foreign_pods(name: str, seed: int, together: int) -> None:
    """No 500, no traceback, nothing of the user's lost, and every sentence is short and printable.

    One to three edits at a time, so that most of the pod is still one.
    """
    choice = random.Random(seed)
    for _ in range(EDITS):
        pod = stranger(name)
        for _ in range(together):
            edited(pod, choice)
        pod = json.loads(json.dumps(pod))
        check(pod)
        rendered(pod)
