"""How the app is told, one way at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.clock import MachineClock
from agent.log import Log
from agent.reload import (
    LOGGED_FIRST,
    RETRY_FIRST_S,
    RETRY_MOST_S,
    NotReloaded,
    Reloader,
    post,
    send_signal,
    split,
)
from contract.plan import Reload
from tests.agent.pod import until

ROOT = Path(__file__).parents[2]
UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


class QuickClock(MachineClock):
    """The machine's clock, on which waiting takes no time."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped_s


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:80/-/reload", ("127.0.0.1", 80, "/-/reload")),
        ("http://127.0.0.1:8080", ("127.0.0.1", 8080, "/")),
        ("http://localhost:1/a/b?c=d", ("localhost", 1, "/a/b?c=d")),
        ("http://127.4.5.6:80/", ("127.4.5.6", 80, "/")),
        ("http://[::1]:80/r", ("::1", 80, "/r")),
    ],
)
def test_a_loopback_url_is_split(url: str, parts: tuple[str, int, str]) -> None:
    """Host, port and path; the port is always written."""
    assert split(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1:80/", "http://10.0.0.1:80/", "http://127.0.0.1/", "127.0.0.1:80"),
        *("http://127.evil.example:80/", "http://127.0.0.1.evil:80/", "http://u@127.0.0.1:80/"),
        *("http://127.0.0.1:8x/", "http://:80/", "", "http://::1:80/", "http://[::2]:80/"),
        *("http://[::1]/", "http://[::1%25eth0]:80/", "http://[::ffff:127.0.0.1]:80/"),
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    """The agent calls nothing outside its pod."""
    with pytest.raises(NotReloaded, match="not-loopback"):
        split(url)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.0 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", "status-302"),
        (b"HTTP/1.1 500 canary\r\n\r\n", "status-500"),
        (b"SSH-2.0-x\r\n", "not-http"),
        (b"", "not-http"),
    ],
    ids=["204", "200", "302", "500", "another protocol", "nothing"],
)
def test_only_2xx_is_a_reload(answer: bytes, why: str | None) -> None:
    """Redirects are not followed, and what the app says is not quoted."""
    with socket.create_server(("127.0.0.1", 0)) as app:
        thread = threading.Thread(target=_answer, args=(app, answer))
        thread.start()
        url = f"http://127.0.0.1:{app.getsockname()[1]}/r"
        if why is None:
            post(url, MachineClock())
        else:
            with pytest.raises(NotReloaded, match=f"^{why}$"):
                post(url, MachineClock())
        thread.join()


@pytest.mark.usefixtures("ipv6")
def test_an_app_on_ipv6_loopback_alone_is_reloaded() -> None:
    """As in a pod of an IPv6-only cluster; the request names the host as the URL does."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as app:
        heard: list[bytes] = []
        thread = threading.Thread(target=_answer, args=(app, b"HTTP/1.1 200 OK\r\n\r\n", heard))
        thread.start()
        port = app.getsockname()[1]
        post(f"http://[::1]:{port}/r", MachineClock())
        thread.join()
    assert heard[0].startswith(f"POST /r HTTP/1.1\r\nHost: [::1]:{port}\r\n".encode())


def test_an_app_that_does_not_answer_is_given_up_on_after_a_while() -> None:
    """A reload has a time-out, and its failure is a word, not an exception."""
    with socket.create_server(("127.0.0.1", 0)) as app, pytest.raises(TimeoutError):
        post(f"http://127.0.0.1:{app.getsockname()[1]}/r", MachineClock())


def test_tries_go_on_slowly_until_the_app_listens(tmp_path: Path) -> None:
    """An app may listen long after its start. The pace is bounded, and so is the log."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    clock, log = QuickClock(), tmp_path / "log"
    reloader = Reloader(Reload(http=f"http://127.0.0.1:{port}/r"), clock, _log(clock, log))
    reloader.work()
    assert sum(reloader.results.values()) == 0
    reloader.ask()
    hours = 5
    for _ in range(hours * 60):
        reloader.work()
        reloader.work()
        clock.skipped_s += RETRY_MOST_S
    assert reloader.results == {"ok": 0, "failed": hours * 60, "superseded": 0}
    assert len(log.read_text().splitlines()) == LOGGED_FIRST + hours
    assert reloader.pending
    with socket.create_server(("127.0.0.1", port)) as app:
        thread = threading.Thread(target=_answer, args=(app, b"HTTP/1.1 200 OK\r\n\r\n"))
        thread.start()
        reloader.work()
        thread.join()
    assert reloader.results == {"ok": 1, "failed": hours * 60, "superseded": 0}
    assert not reloader.pending
    clock.skipped_s += 10 * RETRY_MOST_S
    reloader.work()
    assert sum(reloader.results.values()) == hours * 60 + 1


def test_the_pace_grows_to_its_bound(tmp_path: Path) -> None:
    """Each failed try says when the next is due, and none comes earlier."""
    clock, log = QuickClock(), tmp_path / "log"
    reloader = Reloader(Reload(signal="NOPE"), clock, _log(clock, log))
    reloader.ask()
    expected = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, RETRY_MOST_S]
    for delay_s in (*expected, RETRY_MOST_S):
        reloader.work()
        tried = reloader.results["failed"]
        clock.skipped_s += delay_s - 0.9
        reloader.work()
        assert reloader.results["failed"] == tried
        clock.skipped_s += 0.9
    delays = [json.loads(line)["retry_in_s"] for line in log.read_text().splitlines()]
    assert delays == expected


def test_a_change_of_the_files_ends_a_reload_that_fails(tmp_path: Path) -> None:
    """The tries start again from the shortest pace, and the reload before counts as superseded."""
    clock = QuickClock()
    reloader = Reloader(Reload(signal="NOPE"), clock, _log(clock, tmp_path / "log"))
    reloader.ask()
    for _ in range(20):
        reloader.work()
        clock.skipped_s += RETRY_MOST_S
    reloader.ask()
    reloader.work()
    assert reloader.results == {"ok": 0, "failed": 21, "superseded": 1}
    clock.skipped_s += RETRY_FIRST_S
    reloader.work()
    assert reloader.results["failed"] == 22


def test_a_new_reason_is_logged_at_the_slow_pace_too(tmp_path: Path) -> None:
    """Nothing but the repetition of one failure is kept out of the log."""
    clock, log = QuickClock(), tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as app:
        port = app.getsockname()[1]
    reloader = Reloader(Reload(http=f"http://127.0.0.1:{port}/r"), clock, _log(clock, log))
    reloader.ask()
    for _ in range(LOGGED_FIRST + 3):
        reloader.work()
        clock.skipped_s += RETRY_MOST_S
    with socket.create_server(("127.0.0.1", port)) as app:
        thread = threading.Thread(target=_answer, args=(app, b"HTTP/1.1 503 x\r\n\r\n"))
        thread.start()
        reloader.work()
        thread.join()
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["why"], last["tries"]) == ("status-503", LOGGED_FIRST + 4)


def test_a_signal_reaches_the_main_process_of_each_container(tmp_path: Path) -> None:
    """In a shared process namespace: processes whose parent is outside, but PID 1 and ourselves."""
    enter = shutil.which("nsenter")
    if enter is None or subprocess.run([*UNSHARE, "true"], check=False).returncode:
        pytest.skip("a process namespace needs the right to make one")
    pause = _notes(UNSHARE, tmp_path / "pause")
    started: list[subprocess.Popen[bytes]] = [pause]
    try:
        inner = until(lambda: _child(pause.pid))
        main = (enter, "--target", str(inner), "--pid", "--mount")
        started += [_notes(main, tmp_path / name) for name in ("a", "b")]
        names = ("pause", "a", "b")
        until(lambda: all((tmp_path / name).read_text() == "up\n" for name in names))
        code = "from agent.reload import send_signal; send_signal('HUP', '/proc')"
        agent = [*main, sys.executable, "-c", code]
        subprocess.run(agent, check=True, timeout=20, env={"PYTHONPATH": str(ROOT)})
        until(lambda: all("hup" in (tmp_path / name).read_text() for name in ("a", "b")))
        os.kill(int(inner), signal.SIGUSR1)
        until(lambda: "usr1" in (tmp_path / "pause").read_text())
        assert "hup" not in (tmp_path / "pause").read_text()
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("name", "why"), [("NOPE", "unknown-signal"), ("_IGN", "unknown-signal"), ("HUP", "no-process")]
)
def test_a_signal_that_can_reach_nobody_is_a_failure(tmp_path: Path, name: str, why: str) -> None:
    """Where no process namespace is shared there is no such process."""
    with pytest.raises(NotReloaded, match=why):
        send_signal(name, str(tmp_path))


def _log(clock: MachineClock, sink: Path) -> Log:
    return Log(clock, os.open(sink, os.O_WRONLY | os.O_CREAT | os.O_APPEND))


def _answer(app: socket.socket, answer: bytes, heard: list[bytes] | None = None) -> None:
    connection, _ = app.accept()
    with connection:
        request = connection.recv(4096)
        if heard is not None:
            heard.append(request)
        connection.sendall(answer)


def _child(pid: int) -> str:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return children[0] if children else ""


def _notes(main: tuple[str, ...], sink: Path) -> subprocess.Popen[bytes]:
    traps = f"trap 'echo hup >> {sink}' HUP; trap 'echo usr1 >> {sink}' USR1"
    script = f"{traps}; echo up > {sink}; while :; do sleep 0.05; done"
    # A shell can't trap what its parent ignores, as under nohup.
    return subprocess.Popen([*main, "env", "--default-signal=HUP", "sh", "-c", script])
