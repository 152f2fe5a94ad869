"""The one type in which secret values travel. It can be compared and measured, and revealed on
purpose only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class SecretBytes:
    """A secret value of 0 or more bytes that does not print, format, pickle, copy to a buffer or
    JSON-encode.
    """

    __slots__ = ("__value",)

    def __init__(self, value: bytes) -> None:
        if type(value) is not bytes:
            message = f"a secret value is bytes, not {type(value).__name__}"
            del value  # a traceback may show local variables
            raise TypeError(message)
        self.__value = value

    def reveal(self) -> bytes:
        """The value itself. Each call is a place to review what happens to the bytes next."""
        return self.__value

    def __len__(self) -> int:
        return len(self.__value)

    def __eq__(self, other: object) -> bool:
        return self.__value == other.__value if isinstance(other, SecretBytes) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a value must never become a dictionary key that is listed somewhere

    def __repr__(self) -> str:
        return f"<secret {len(self.__value)} bytes>"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)

    def __dir__(self) -> list[str]:
        """Without the slot, so that who reads every attribute of a value does not find it."""
        return [name for name in super().__dir__() if not name.endswith("__value")]

    def __reduce_ex__(self, _: object) -> NoReturn:
        message = "a secret value can't be pickled or copied"
        raise TypeError(message)

    def __reduce__(self) -> NoReturn:
        self.__reduce_ex__(2)

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(2)
