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
    kind = type(old)
    if kind is dict and type(new) is dict:
        _compare_objects(old, new, path, operations)
    elif kind is list and type(new) is list:
        _compare_lists(old, new, path, operations)
    elif not equal(old, new):
        operations.append({"op": "replace", "path": path, "value": new})


def _compare_objects(
    old: Operation, new: Operation, path: str, operations: list[Operation]
) -> None:
    gone = [name for name in old if name not in new]
    operations += [{"op": "remove", "path": f"{path}/{escape(name)}"} for name in gone]
    for name, value in new.items():
        if name not in old:
            operations.append({"op": "add", "path": f"{path}/{escape(name)}", "value": value})
        elif old[name] is not value:
            _compare(old[name], value, f"{path}/{escape(name)}", operations)


def _compare_lists(
    old: list[Json], new: list[Json], path: str, operations: list[Operation]
) -> None:
    """Items of one name at the start in pairs, none that both share at the end, then the rest."""
    before = len(operations)
    start, stop = 0, min(len(old), len(new))
    while start < stop and (old[start] is new[start] or _same_name(old[start], new[start])):
        if old[start] is not new[start]:
            _compare(old[start], new[start], f"{path}/{start}", operations)
        start += 1
    end = 0
    while end < stop - start and old[-1 - end] is new[-1 - end]:
        end += 1
    gone, came = old[start : len(old) - end], new[start : len(new) - end]
    if not gone:
        for at, item in enumerate(came, start):
            operations.append({"op": "add", "path": f"{path}/{at}", "value": item})
        return
    keys = _keys(gone, came)
    if keys is not None:
        _compare_items(gone, came, path, operations, keys=keys, start=start)
        return
    del operations[before:]
    if not equal(old, new):
        operations.append({"op": "replace", "path": path, "value": new})


def _same_name(one: Json, other: Json) -> bool:
    return (
        type(one) is dict
        and type(other) is dict
        and one.get("name") == other.get("name") is not None
    )


def _keys(old: list[Json], new: list[Json]) -> tuple[list[str], list[str]] | None:
    """The items' names, or paths of mounts; None when they don't tell the items apart, or not in
    one order.
    """
    found: list[list[str]] = []
    for items in (old, new):
        keys: list[Any] = [
            item.get("mountPath") or item.get("name") if type(item) is dict else None
            for item in items
        ]
        if not all(type(key) is str for key in keys) or len(set(keys)) != len(keys):
            return None
        found.append(keys)
    one, other = found
    both = set(one) & set(other)
    if len(one) > 1 and [key for key in one if key in both] != [
        key for key in other if key in both
    ]:
        return None
    return one, other


def _compare_items(
    old: list[Json],
    new: list[Json],
    path: str,
    operations: list[Operation],
    *,
    keys: tuple[list[str], list[str]],
    start: int,
) -> None:
    """Both in the same order but for items that came or went; `start`: where they begin in their
    lists.
    """
    old_keys, new_keys = keys
    read = at = 0
    while read < len(old) or at < len(new):
        here = f"{path}/{start + at}"
        if read < len(old) and old_keys[read] not in new_keys:
            operations.append({"op": "remove", "path": here})
            read += 1
        elif new_keys[at] not in old_keys:
            operations.append({"op": "add", "path": here, "value": new[at]})
            at += 1
        else:
            _compare(old[read], new[at], here, operations)
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


def unescape(step: str) -> str:
    """A member's name from a pointer (RFC 6901 section 4)."""
    return step.replace("~1", "/").replace("~0", "~") if "~" in step else step


def apply(document: Json, operations: list[Operation]) -> Json:
    """The document after `operations`; `document` itself is left as it is. PatchError when one does
    not apply.

    What an operation changes is copied once, and then is this application's own to change.
    """
    root = [document]
    own: dict[int, Json] = {}
    last = ""
    parent: Json = root
    for operation in operations:
        path: str = operation["path"]
        folder, slash, name = path.rpartition("/")
        if not slash:
            _change(root, 0, operation)
            own.clear()
            last = ""
            continue
        if folder != last or parent is root:
            parent, last = _reach(root, folder, own), folder
        _change(parent, _index(name, path) if type(parent) is list else unescape(name), operation)
    return root[0]


def _reach(root: list[Json], folder: str, own: dict[int, Json]) -> Json:
    """What stands at a path, as a copy that is `own` to change, as is all above it."""
    parent: Json = root
    key: Json = 0
    for step in [*folder.split("/")[1:], None]:
        try:
            child = parent[key]
        except (KeyError, IndexError):
            raise PatchError(f"{folder} leads to nothing") from None
        if id(child) not in own:
            child = _copy(child, folder)
            own[id(child)] = parent[key] = child
        parent = child
        if step is not None:
            key = _index(step, folder) if type(parent) is list else unescape(step)
    return parent


def _copy(child: Json, path: str) -> Json:
    if type(child) is not dict and type(child) is not list:
        raise PatchError(f"{path} leads into a value")
    return child.copy()


def _change(parent: Json, key: Json, operation: Operation) -> None:
    kind, path = operation["op"], operation["path"]
    adds = kind == "add"
    if type(parent) is list:
        if key >= len(parent) + adds:
            raise PatchError(f"{path} leads to nothing")
        if adds and path:
            parent.insert(key, operation["value"])
            return
    elif not adds and key not in parent:
        raise PatchError(f"{path} leads to nothing")
    if kind == "remove":
        del parent[key]
    else:
        parent[key] = operation["value"]


def _index(step: str, path: str) -> int:
    if not step.isdecimal():
        raise PatchError(f"{path} leads to nothing")
    return int(step)
