"""The operations of an admission grow with the body, and no faster: counted, not timed."""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.webhook.given import CONFIG
from tests.webhook.worst import POLICIES, SHAPES, Pod
from webhook import patch
from webhook.admit import admit
from webhook.handler import checked_patch
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


SLACK = 2.4
"""From size n to 2n and on to 4n, linear work doubles its growth; quadratic work makes it 4."""


class Count:
    """Steps of Python's own machine: each comparison in a loop is some, and each of texts too."""

    def __init__(self) -> None:
        self.operations = 0

    def seen(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ANN401 - typeshed's own recursive type
        """What `sys.settrace` calls."""
        del argument
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        self.operations += event == "opcode"
        return self.seen

    def of(self, work: Callable[[], object]) -> int:
        """The operations of `work`, whose texts were made by `texts`."""
        self.operations = 0
        before = sys.gettrace()
        sys.settrace(self.seen)
        try:
            work()
        finally:
            sys.settrace(before)
        return self.operations


class Text(str):
    """A string whose comparisons are seen, as they are calls: `x in list` makes no other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def texts(document: Any) -> Any:  # noqa: ANN401 - JSON
    """A document whose strings are seen. Names of members stay plain, as there are few."""
    if isinstance(document, dict):
        return {name: texts(value) for name, value in document.items()}
    if isinstance(document, list):
        return [texts(item) for item in document]
    return Text(document) if isinstance(document, str) else document


def seen(pod: Pod) -> Pod:
    """As it comes off the wire, with texts that are seen, but for annotations."""
    copied: Pod = json.loads(json.dumps(pod))
    return {**copied, "spec": texts(copied["spec"])}


def growth(operations: Callable[[int], int], size: int) -> float:
    """How much more is added from 2n to 4n than from n to 2n."""
    operations(size)  # what is done once, such as an import, is done now
    one, two, four = (operations(factor * size) for factor in (1, 2, 4))
    return (four - two) / max(two - one, size / 4)


@pytest.mark.parametrize("case", SHAPES)
def test_p10_operations_grow_with_the_body(case: str) -> None:
    """From annotations to the checked patch, for every list and every shape of change."""

    def operations(size: int) -> int:
        pod = seen(SHAPES[case](size))

        def work() -> None:
            checked_patch(pod, admit(pod, "payments", POLICIES, CONFIG))

        return Count().of(work)

    assert growth(operations, 240) < SLACK


@pytest.mark.parametrize("case", SHAPES)
def test_p10_operations_on_one_list_copy_a_bounded_number_of_items(case: str) -> None:
    """An engine that copies a list for each of its operations copies no more than the bound."""
    size = 2200
    pod: Pod = json.loads(json.dumps(SHAPES[case](size)))
    verdict = admit(pod, "payments", POLICIES, CONFIG)
    operations = patch.diff(pod, verdict.pod) if verdict.outcome is Outcome.INJECTED else []
    per_list: dict[str, int] = {}
    for operation in operations:
        folder, _, name = operation["path"].rpartition("/")
        if name.isdecimal() and operation["op"] != "replace":
            per_list[folder] = per_list.get(folder, 0) + 1
    assert all(count * size <= patch.MOST_COPIED for count in per_list.values())


def items(count: int) -> list[Any]:
    """Named items."""
    return [{"name": f"n{at}", "value": "x"} for at in range(count)]


def shuffled(old: list[Any]) -> list[Any]:
    """The same in another order."""
    found = list(old)
    random.Random(len(old)).shuffle(found)
    return found


EDITS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "the same": lambda old: old,
    "copies": lambda old: [dict(item) for item in old],
    "all changed": lambda old: [{**item, "value": "y"} for item in old],
    "first gone": lambda old: old[1:],
    "last gone": lambda old: old[:-1],
    "every second gone": lambda old: old[::2],
    "all gone": lambda _: [],
    "one at the front": lambda old: [{"name": "z"}, *old],
    "one at the end": lambda old: [*old, {"name": "z"}],
    "one between each": lambda old: [
        new for item in old for new in (item, {"name": item["name"] + "z"})
    ],
    "reversed": lambda old: old[::-1],
    "first last": lambda old: [*old[1:], old[0]],
    "last first": lambda old: [old[-1], *old[:-1]],
    "halves swapped": lambda old: [*old[len(old) // 2 :], *old[: len(old) // 2]],
    "shuffled": shuffled,
    "all of one name": lambda old: [{**item, "name": "z"} for item in old],
    "all others": lambda old: [{"name": item["name"] + "z"} for item in old],
    "each twice": lambda old: [*old, *old],
    "scalars": lambda old: [item["name"] for item in old],
    "lists": lambda old: [[item] for item in old],
}


@pytest.mark.parametrize("case", EDITS)
def test_p10_comparing_lists_takes_operations_in_their_length(case: str) -> None:
    """Every way in which a list may change, compared, applied, and right."""

    def operations(size: int) -> int:
        old = texts(items(size))
        document = {"list": EDITS[case](old)}
        found: list[patch.Operation] = []

        def work() -> None:
            found.extend(patch.diff({"list": old}, document))
            patch.apply({"list": old}, found)

        count = Count().of(work)
        assert patch.equal(patch.apply({"list": old}, found), document)
        return count

    assert growth(operations, 300) < SLACK
