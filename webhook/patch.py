"""The difference of two JSON documents as an RFC 6902 patch, and our own small application of it.
Pure.

The documents share what they have in common, so identity ends most of the comparison
(docs/design/003).
"""

from __future__ import annotations

from typing import Any

Json = Any
Operation = dict[str, Any]

MOST_COPIED = 1 << 20
"""Items that the operations on one list may copy: the API server's engine copies the list for each
item that comes or goes (evanphx/json-patch, partialArray.add).
"""


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
    """Items of one name at the start in pairs, none that both share at the end, then the rest.

    The list is replaced as a whole where nothing in it is known again, and where single operations
    would copy more items than MOST_COPIED.
    """
    before = len(operations)
    start, stop = 0, min(len(old), len(new))
    while start < stop and (old[start] is new[start] or _same_name(old[start], new[start])):
        if old[start] is not new[start]:
            _compare(old[start], new[start], f"{path}/{start}", operations)
        start += 1
    end = 0
    while end < stop - start and old[-1 - end] is new[-1 - end]:
        end += 1
    if not _edited(old, new, path, operations, start=start, end=end):
        del operations[before:]
        if not equal(old, new):
            operations.append({"op": "replace", "path": path, "value": new})


def _edited(
    old: list[Json],
    new: list[Json],
    path: str,
    operations: list[Operation],
    *,
    start: int,
    end: int,
) -> bool:
    """Whether single operations make one of the other; they are appended. `start` and `end`: items
    there that both share.
    """
    if start + end == len(old):
        came = range(start, len(new) - end)
        if len(came) * len(new) > MOST_COPIED:
            return False
        operations += [{"op": "add", "path": f"{path}/{at}", "value": new[at]} for at in came]
        return True
    rest = _Rest(old[start : len(old) - end], new[start : len(new) - end], start=start, end=end)
    if rest.nothing_known and start + end == 0:
        return False
    return rest.edit(path, operations)


def _same_name(one: Json, other: Json) -> bool:
    return (
        type(one) is dict
        and type(other) is dict
        and one.get("name") == other.get("name") is not None
    )


class _Rest:
    """The parts of two lists between what they share at start and end."""

    def __init__(self, old: list[Json], new: list[Json], *, start: int, end: int) -> None:
        """`start`: items before these parts; `end`: items after them."""
        self._old, self._new = old, new
        self._start, self._end = start, end
        self._from: list[int | None] = [None] * len(new)
        """Where an item of `new` is in `old`; None: nowhere, or taken from there already."""
        self._to: list[int | None] = [None] * len(old)
        self._pair()
        self.nothing_known = bool(old and new) and not any(at is not None for at in self._from)

    def _pair(self) -> None:
        """Pairs items that are the same object, then those of one name that no other item has."""
        places = {id(item): at for at, item in enumerate(self._old)}
        for at, item in enumerate(self._new):
            self._match(places.pop(id(item), None), at)
        old, new = _names(self._old, self._to), _names(self._new, self._from)
        for name, at_new in new.items():
            self._match(old.get(name), at_new)

    def _match(self, old: int | None, new: int | None) -> None:
        if old is not None and new is not None:
            self._to[old], self._from[new] = new, old

    def edit(self, path: str, operations: list[Operation]) -> bool:
        """Appends what makes one of the other, each item looked at once. False: it would copy more
        than MOST_COPIED items.

        Where two pairs cross, the item that moves less is left where it is.
        """
        old, new = self._old, self._new
        length = max(len(old), len(new)) + self._start + self._end
        read = at = copied = 0
        while read < len(old) or at < len(new):
            comes = self._from[at] if at < len(new) else None
            if comes is not None and comes == read:
                if old[read] is not new[at]:
                    _compare(old[read], new[at], f"{path}/{self._start + at}", operations)
                read, at = read + 1, at + 1
                continue
            copied += length
            if copied > MOST_COPIED:
                return False
            if self._removes(read, at):
                operations.append({"op": "remove", "path": f"{path}/{self._start + at}"})
                read += 1
            else:
                here = f"{path}/{self._start + at}"
                operations.append({"op": "add", "path": here, "value": new[at]})
                at += 1
        return True

    def _removes(self, read: int, at: int) -> bool:
        """Whether the item of `old` is removed here, or else that of `new` added. A pair that is
        taken apart so is a pair no more.
        """
        goes = self._to[read] if read < len(self._old) else None
        comes = self._from[at] if at < len(self._new) else None
        if goes is None or comes is None:
            return goes is None and read < len(self._old)
        if goes - at > comes - read:
            self._from[goes] = None
            return True
        self._to[comes] = None
        return False


def _names(items: list[Json], matched: list[int | None]) -> dict[str, int | None]:
    """The paths of mounts, or names, of items that have no match yet; None for one that is there
    twice.
    """
    found: dict[str, int | None] = {}
    for at, item in enumerate(items):
        if matched[at] is None and type(item) is dict:
            name = item.get("mountPath") or item.get("name")
            if isinstance(name, str):
                found[name] = None if name in found else at
    return found


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
