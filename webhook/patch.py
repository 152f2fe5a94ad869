"""The difference of two JSON documents as an RFC 6902 patch, and our own small application of it.
Pure.

The documents share what they have in common, so identity ends most of the comparison
(docs/design/003).
"""

from __future__ import annotations

from typing import Any

Json = Any
Operation = dict[str, Any]


class PatchError(ValueError):
    """A patch that does not apply. Caught by nobody: the answer is an internal error, never a risky
    patch.
    """


def diff(old: Json, new: Json) -> list[Operation]:
    """Operations that make `new` of `old`, in order; empty when they are equal."""
    operations: list[Operation] = []
    _compare(old, new, "", operations)
    return operations


def _compare(old: Json, new: Json, path: str, operations: list[Operation]) -> None:
    if old is new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        _compare_objects(old, new, path, operations)
    elif isinstance(old, list) and isinstance(new, list) and (keys := _keys(old, new)) is not None:
        _compare_lists(old, new, path, operations, keys)
    elif not equal(old, new):
        operations.append({"op": "replace", "path": path, "value": new})


def _compare_objects(
    old: Operation, new: Operation, path: str, operations: list[Operation]
) -> None:
    operations.extend(
        {"op": "remove", "path": f"{path}/{escape(name)}"} for name in old if name not in new
    )
    for name, value in new.items():
        here = f"{path}/{escape(name)}"
        if name in old:
            _compare(old[name], value, here, operations)
        else:
            operations.append({"op": "add", "path": here, "value": value})


def _keys(old: list[Json], new: list[Json]) -> tuple[list[Json], list[Json]] | None:
    """What tells the items apart, or None when something does not: then the list is replaced as a
    whole.
    """
    found = []
    for items in (old, new):
        keys = [
            (item.get("name"), item.get("mountPath")) if type(item) is dict else None
            for item in items
        ]
        try:
            if None in keys or (None, None) in keys or len(set(keys)) != len(keys):
                return None
        except TypeError:
            return None
        found.append(keys)
    common = set(found[0]) & set(found[1])
    if [key for key in found[0] if key in common] != [key for key in found[1] if key in common]:
        return None
    return found[0], found[1]


def _compare_lists(
    old: list[Json],
    new: list[Json],
    path: str,
    operations: list[Operation],
    keys: tuple[list[Json], list[Json]],
) -> None:
    """Both in the same order but for items that came or went. While this runs, `at` items of the
    result stand.
    """
    old_keys, new_keys = keys
    known, kept = set(old_keys), set(new_keys)
    read = at = 0
    while read < len(old) or at < len(new):
        if read < len(old) and old_keys[read] not in kept:
            operations.append({"op": "remove", "path": f"{path}/{at}"})
            read += 1
        elif new_keys[at] not in known:
            operations.append({"op": "add", "path": f"{path}/{at}", "value": new[at]})
            at += 1
        else:
            _compare(old[read], new[at], f"{path}/{at}", operations)
            read, at = read + 1, at + 1


def equal(old: Json, new: Json) -> bool:
    """Equality of JSON: 1, 1.0 and true are different, as they are on the wire."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(
            equal(value, new[name]) for name, value in old.items()
        )
    if isinstance(old, list):
        return len(old) == len(new) and all(map(equal, old, new))
    return bool(old == new)


def escape(name: str) -> str:
    """A member's name in a pointer (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def apply(document: Json, operations: list[Operation]) -> Json:
    """The document after `operations`; `document` itself is left as it is. PatchError when one does
    not apply.
    """
    for operation in operations:
        steps = [
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]
        ]
        document = _applied(document, steps, operation)
    return document


def _applied(document: Json, steps: list[str], operation: Operation) -> Json:
    if not steps:
        if operation["op"] == "remove":
            raise PatchError("the whole document can't be removed")
        return operation["value"]
    if isinstance(document, dict):
        return _applied_to_object(document, steps, operation)
    if isinstance(document, list):
        return _applied_to_list(document, steps, operation)
    raise PatchError(f"{operation['path']} leads into a value")


def _applied_to_object(document: Operation, steps: list[str], operation: Operation) -> Json:
    name, *rest = steps
    copy = dict(document)
    if rest or operation["op"] != "add":
        if name not in copy:
            raise PatchError(f"{operation['path']} leads to nothing")
    elif operation["op"] == "add":
        copy[name] = operation["value"]
        return copy
    if not rest and operation["op"] == "remove":
        del copy[name]
    else:
        copy[name] = _applied(copy[name], rest, operation)
    return copy


def _applied_to_list(document: list[Json], steps: list[str], operation: Operation) -> Json:
    at, *rest = steps
    copy = list(document)
    adds = not rest and operation["op"] == "add"
    if not at.isdecimal() or int(at) >= len(copy) + adds:
        raise PatchError(f"{operation['path']} leads to nothing")
    if adds:
        copy.insert(int(at), operation["value"])
    elif not rest and operation["op"] == "remove":
        del copy[int(at)]
    else:
        copy[int(at)] = _applied(copy[int(at)], rest, operation)
    return copy
