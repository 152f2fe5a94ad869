"""An immutable value with named fields, for the processes on the start path.

`dataclasses` and `typing` cost more to import than the whole gate may take (docs/design/001), so
the contract's values derive from this instead. To a type checker a Record is a frozen, keyword-only
dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, dataclass_transform
else:

    def dataclass_transform(**_: object):  # noqa: ANN201 - a checker sees typing's own
        """Nothing: it speaks to type checkers only."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """Fields are the annotations of the subclass, in order; a class attribute is a default."""

    def __init__(self, **given: object) -> None:
        cls = type(self)
        for name in cls.__annotations__:
            if name in given:
                value = given.pop(name)
            elif hasattr(cls, name):
                value = getattr(cls, name)
            else:
                message = f"{cls.__name__} needs {name}"
                raise TypeError(message)
            object.__setattr__(self, name, value)
        if given:
            message = f"{cls.__name__} has no {', '.join(given)}"
            raise TypeError(message)

    def replace(self, **changes: object) -> Self:
        """The same value with some fields changed."""
        return type(self)(**(self.__dict__ | changes))

    def __setattr__(self, name: str, value: object) -> None:
        message = f"{type(self).__name__} is immutable: {name} can't be set"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> None:
        message = f"{type(self).__name__} is immutable: {name} can't be deleted"
        raise AttributeError(message)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"
