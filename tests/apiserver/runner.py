"""Carries out one case of the table against an API server."""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from tests.apiserver.table import (
    ABSENT,
    ADMIN,
    NOBODY,
    PRESENT,
    Forgotten,
    Not,
    Some,
    Step,
    Told,
    Watching,
)
from tests.apiserver.world import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from tests.apiserver.table import Case
    from tests.apiserver.world import World

Json = dict[str, Any]
_NAME = re.compile(r"[$]([a-z_]+)")


class Carrying:
    """One case that is being carried out."""

    def __init__(self, world: World, case: Case) -> None:
        self._world = world
        self._case = case
        self._made: list[str] = []
        """Paths of cluster-scoped objects."""
        self._streams: dict[str, Stream] = {}
        suffix = secrets.token_hex(4)
        self._known: Json = {
            "ns": f"lg-table-{suffix}",
            "id": f"lg-other-{suffix}",
            "hook": world.hook,
            "hook_ca": world.hook_ca,
        }

    def run(self) -> None:
        """AssertionError names the step's number."""
        metadata = {"name": self._known["ns"], "labels": dict(self._case.labels)}
        here = f"/api/v1/namespaces/{self._known['ns']}"
        try:
            answer = self._world.admin.post("/api/v1/namespaces", json={"metadata": metadata})
            assert answer.status_code == 201, answer.text
            for number, part in enumerate(self._case.parts):
                self._do(number, part)
        finally:
            for stream in self._streams.values():
                stream.close()
            for path in [*reversed(self._made), here]:
                self._world.admin.delete(path)

    def _do(self, number: int, part: object) -> None:
        if isinstance(part, Step):
            self._step(number, part)
        elif isinstance(part, Watching):
            self._open(number, part)
        elif isinstance(part, Told):
            self._told(number, part)
        elif isinstance(part, Forgotten):
            self._world.forget()

    def _step(self, number: int, step: Step) -> None:
        deadline = time.monotonic() + self._world.patience_s
        while True:
            answer = self._sent(step)
            found = _content(answer)
            wrong = [] if answer.status_code == step.code else [f"code {answer.status_code}"]
            if step.reason and found.get("reason") != step.reason:
                wrong.append(f"reason {found.get('reason')}")
            if not wrong:
                wrong = self._differences(found, step.has)
            if not wrong:
                break
            late = not step.at_last or time.monotonic() > deadline
            assert not late, f"step {number}: {wrong}: {step}: {answer.text[:2000]}"
            time.sleep(0.1)
        for name, place in step.keep.items():
            self._known[name] = _at(found, place)
        if answer.status_code == 201 and "dryRun" not in step.query:
            self._remember(str(answer.request.url.path), found)

    def _sent(self, step: Step) -> httpx.Response:
        who = self._filled(step.who)
        client = self._world.admin if who == ADMIN else self._world.anybody
        headers = {} if who in {ADMIN, NOBODY} else {"Authorization": f"Bearer {who}"}
        content = step.body
        if content is not None:
            headers["Content-Type"] = step.kind
        if content is not None and not isinstance(content, bytes):
            content = json.dumps(self._filled(content)).encode()
        return client.request(
            step.method,
            self._filled(step.path),
            params=self._filled(dict(step.query)),
            content=content,
            headers=headers,
        )

    def _remember(self, path: str, found: Json) -> None:
        """What no namespace takes with it is deleted when the case ends."""
        name = found.get("metadata", {}).get("name")
        if name and "/namespaces/" not in path:
            self._made.append(f"{path}/{name}")

    def _open(self, number: int, watching: Watching) -> None:
        query = self._filled({"watch": "true", "timeoutSeconds": "120", **watching.query})
        admin = self._world.admin
        answer = admin.send(
            admin.build_request("GET", self._filled(watching.path), params=query), stream=True
        )
        self._streams[watching.name] = Stream(answer)
        assert answer.status_code == 200, f"step {number}, {watching}: {answer.read()!r}"

    def _told(self, number: int, told: Told) -> None:
        stream = self._streams[told.name]
        event: Json = {}
        for wanted in self._filled([list(pair) for pair in told.events]):
            event = self._next(stream, bookmarks=wanted[0] == "BOOKMARK") or {}
            found = event.get("type"), event.get("object", {}).get("metadata", {}).get("name", "")
            assert list(found) == wanted, f"step {number}, {told}: {event}"
        wrong = self._differences(event, told.has)
        assert not wrong, f"step {number}, {told}: {wrong}: {event}"
        for name, place in told.keep.items():
            self._known[name] = _at(event, place)
        if told.end:
            last = self._next(stream, bookmarks=False)
            assert last is None, f"step {number}, {told}: {last}"

    def _next(self, stream: Stream, *, bookmarks: bool) -> Json | None:
        while True:
            event = stream.event()
            if event is None or bookmarks or event["type"] != "BOOKMARK":
                return event

    def _differences(self, found: object, wanted: Mapping[str, object]) -> list[str]:
        wrong = []
        for place, given in wanted.items():
            value, expected = _at(found, self._filled(place)), self._filled(given)
            if not self._same(value, expected):
                wrong.append(f"{place} is {value!r}, not {expected!r}")
        return wrong

    def _same(self, value: object, expected: object) -> bool:
        if isinstance(expected, Not):
            return not self._same(value, self._filled(expected.value))
        if isinstance(expected, Some):
            return isinstance(value, list) and self._filled(expected.value) in value
        if expected is PRESENT:
            return value is not ABSENT
        return value == expected

    def _filled(self, given: Any) -> Any:  # noqa: ANN401 - any JSON
        """With what is known in place of its names. A text that is one name has its value."""
        if isinstance(given, str):
            whole = _NAME.fullmatch(given)
            if whole and whole[1] in self._known:
                return self._known[whole[1]]
            return _NAME.sub(lambda it: str(self._known.get(it[1], it[0])), given)
        if isinstance(given, list):
            return [self._filled(item) for item in given]
        if isinstance(given, dict):
            return {self._filled(key): self._filled(item) for key, item in given.items()}
        return given


def _at(found: Any, place: str) -> Any:  # noqa: ANN401 - any JSON
    """ABSENT: there is nothing."""
    step, _, rest = place.partition("/")
    step = step.replace("~1", "/")
    if step == "*":
        items = found if isinstance(found, list) else []
        return [_at(item, rest) if rest else item for item in items]
    if isinstance(found, list):
        inner = found[int(step)] if int(step) < len(found) else ABSENT
    else:
        inner = found.get(step, ABSENT) if isinstance(found, dict) else ABSENT
    return _at(inner, rest) if rest else inner


def _content(answer: httpx.Response) -> Json:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
