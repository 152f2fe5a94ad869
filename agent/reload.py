"""Tells the app that its files changed: an HTTP POST to loopback, or a signal to the containers'
main processes.
"""

from __future__ import annotations

import os

from agent import backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.clock import MachineClock
    from agent.log import Log
    from contract.plan import Reload

TIMEOUT_S = 2.0
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 60.0
"""Between two tries, until one succeeds or the files change again."""
LOGGED_FIRST = 7
"""So many failed tries are logged, and then one of LOGGED_EACH and each new reason."""
LOGGED_EACH = 60
MOST_HEAD_BYTES = 1024
IPV4_PARTS = 4
PROC = "/proc"


class NotReloaded(Exception):  # noqa: N818 - an outcome
    """The app could not be told; the argument is one word for the log and the metric. Caught by the
    Reloader.
    """


class Reloader:
    """Reloads that are asked for, tried when due, and counted by result. A reload ends as `ok`, or
    as `superseded` by the next change; a try that fails ends nothing.
    """

    def __init__(self, how: Reload | None, clock: MachineClock, log: Log) -> None:
        self._how = how
        self._clock = clock
        self._log = log
        self._due: float | None = None
        self._failures = 0
        self._why: str | None = None
        self.results = {"ok": 0, "failed": 0, "superseded": 0}

    @property
    def pending(self) -> bool:
        """Whether the app has not taken the last change yet."""
        return self._due is not None

    def ask(self) -> None:
        """The files changed: reload now, and forget the failures of the reload before."""
        if self._how is None:
            return
        if self._due is not None:
            self._count("superseded", self._failures)
        self._due, self._failures, self._why = self._clock.monotonic(), 0, None

    def work(self) -> None:
        """Try, if that is due. Takes TIMEOUT_S at most, and raises nothing."""
        if self._how is None or self._due is None or self._clock.monotonic() < self._due:
            return
        try:
            self._try(self._how)
        except Exception as error:  # noqa: BLE001 - whatever fails here must end neither the agent nor its other work
            self._failed(_why(error))
        else:
            self._due = None
            self._count("ok", self._failures + 1)

    def _try(self, how: Reload) -> None:
        if how.http is not None:
            post(how.http, self._clock)
        elif how.signal is not None:
            send_signal(how.signal, PROC)

    def _failed(self, why: str) -> None:
        self._failures += 1
        delay_s = backoff.delay_s(self._failures, first_s=RETRY_FIRST_S, most_s=RETRY_MOST_S)
        self._due = self._clock.monotonic() + delay_s
        often = self._failures > LOGGED_FIRST and self._failures % LOGGED_EACH
        quiet = bool(often) and why == self._why
        self._why = why
        self._count("failed", self._failures, quiet=quiet, why=why, retry_in_s=delay_s)

    def _count(self, result: str, tries: int, *, quiet: bool = False, **members: object) -> None:
        self.results[result] += 1
        if not quiet:
            self._log("agent.reload", result=result, tries=tries, **members)


def post(url: str, clock: MachineClock) -> None:
    """POST to a loopback URL, answered by 2xx within TIMEOUT_S; else OSError or NotReloaded.
    Redirects are not followed.
    """
    import socket

    host, port, path = split(url)
    deadline = clock.monotonic() + TIMEOUT_S
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as connection:
        request = (
            f"POST {path} HTTP/1.1\r\nHost: {url.split('/')[2]}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(request.encode("ascii"))
        head = b""
        while b"\r\n" not in head and len(head) < MOST_HEAD_BYTES:
            left = deadline - clock.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            part = connection.recv(MOST_HEAD_BYTES)
            if not part:
                break
            head += part
    version, _, rest = head.partition(b" ")
    status = rest[:3]
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise NotReloaded("not-http")
    if not status.startswith(b"2"):
        raise NotReloaded(f"status-{status.decode()}")


def split(url: str) -> tuple[str, int, str]:
    """Host, port and path of `http://127.0.0.1:PORT/PATH`, or with `[::1]`; NotReloaded if it is
    not loopback.
    """
    authority, slash, path = url.removeprefix("http://").partition("/")
    host, _, port = authority.rpartition(":")
    if (
        not url.startswith("http://")
        or not _loopback(host)
        or not (port.isascii() and port.isdigit())
    ):
        raise NotReloaded("not-loopback")
    return host.strip("[]"), int(port), slash + path or "/"


def send_signal(name: str, proc: str) -> None:
    """The signal to every process of the pod whose parent is outside the pod; NotReloaded when none
    could get it.

    In a shared process namespace PID 1 is the pod's own, and the main process of each container has
    the parent 0.
    """
    import signal

    number = getattr(signal, "SIG" + name, None)
    if not isinstance(number, signal.Signals):
        raise NotReloaded("unknown-signal")
    found = [int(pid) for pid in os.listdir(proc) if pid.isdigit()]
    mains = [pid for pid in found if pid not in (1, os.getpid()) and _parent(pid, proc) == 0]
    reached = 0
    for pid in mains:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
        reached += 1
    if not reached:
        raise NotReloaded("no-process" if not mains else "not-permitted")


def _parent(pid: int, proc: str) -> int | None:
    """The parent's number, as proc(5) has it in `stat` behind the command's name, which may itself
    hold `)`.
    """
    try:
        fd = os.open(f"{proc}/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return int(os.read(fd, 4096).rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
    finally:
        os.close(fd)


def _loopback(host: str) -> bool:
    parts = host.split(".")
    address = parts[0] == "127" and len(parts) == IPV4_PARTS and all(map(str.isdigit, parts))
    return host in ("localhost", "[::1]") or address


def _why(error: Exception) -> str:
    """One word that quotes nothing."""
    if isinstance(error, NotReloaded):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        from agent.log import errno_name

        return errno_name(error.errno)
    return type(error).__name__
