"""One JSON line per event. No value and no exception's text, which could quote one, comes here."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.clock import MachineClock

STDERR = 2


class Log:
    """Writes events to a file descriptor; a log that can't be written to stops nobody."""

    def __init__(self, clock: MachineClock, fd: int = STDERR) -> None:
        self._clock = clock
        self._fd = fd

    def __call__(self, event: str, **members: object) -> None:
        line = json.dumps({"at": round(self._clock.now(), 3), "event": event, **members}) + "\n"
        try:
            os.write(self._fd, line.encode())
        except OSError:
            return


def fault(error: BaseException) -> dict[str, object]:
    """What of an exception may be shown: its type, and of the operating system's errors the
    number's name.
    """
    shown: dict[str, object] = {"error": type(error).__name__}
    if isinstance(error, OSError) and error.errno is not None:
        shown["errno"] = errno_name(error.errno)
    return shown


def errno_name(number: int) -> str:
    """`ENOSPC` for 28."""
    import errno

    return errno.errorcode.get(number, str(number))
