"""`make demo` as a user runs it: its whole story, and Ctrl-C in the middle of it."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiserver.client import IdentityClient
from demo.story import MEMORY, STEPS
from kube.api_resources import PODS
from kube.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LASTGOOD = [sys.executable, "-m", "cli"]


@contextmanager
def _demo(output: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as log:
        process = subprocess.Popen([*LASTGOOD, "demo", *words], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _children(parent: int) -> dict[int, str]:
    """The processes that `parent` started, with when each began, so that no other takes its id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (began := _began(int(folder.name), parent)) is not None:
            found[int(folder.name)] = began
    return found


def _began(pid: int, parent: int | None = None) -> str | None:
    """Start time of a process, in ticks as the kernel writes it; None: it is gone or another's."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[19] if parent in {None, int(fields[1])} else None


def _until_says(
    output: Path, process: subprocess.Popen[bytes], word: str, within_s: float = 90
) -> None:
    deadline = time.monotonic() + within_s
    while word not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)


def _steps(text: str) -> list[str]:
    """The first column of the table in a text, which an empty line or a fence ends."""
    lines = text[text.index("\nstep ") :].splitlines()[4:]
    rows = itertools.takewhile(lambda line: line.strip("`\n "), lines)
    return [line[:34].rstrip() for line in rows]


def _shown(output: Path) -> list[list[str]]:
    """The words of the `lastgood` commands that the end of the story shows."""
    lines = output.read_text().partition("export KUBECONFIG=")[2].splitlines()
    commands = (line.split() for line in lines if "lastgood " in line)
    return [words[1:] for words in commands]


def _typed(output: Path, words: list[str]) -> str:
    """What a command says, with the kubeconfig that is shown."""
    kubeconfig = output.read_text().partition("export KUBECONFIG=")[2].split()[0]
    done = subprocess.run(
        [*LASTGOOD, *words],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": kubeconfig},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _delete_a_pod(output: Path) -> None:
    """As `kubectl delete pod` does, which waits until it is gone."""
    found = re.search(r"export KUBECONFIG=(\S+)", output.read_text())
    assert found is not None
    content = json.loads(Path(found[1]).read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    client = IdentityClient(
        cluster["server"], Path(cluster["certificate-authority"]), user["token"]
    )
    names = [pod["metadata"]["name"] for pod in client.call("GET", PODS.path("payments"))["items"]]
    path = PODS.path("payments", names[0])
    client.call("DELETE", path)
    with suppress(NotFoundError):
        while client.call("GET", path):
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_p1_p2_p4_p5_p8_p12_the_story_is_told_to_its_end(tmp_path: Path) -> None:
    """Every step has its row, as in the README, and every promise was kept. With --keep everything
    is there afterwards, the commands that are shown work, and a pod that is deleted goes. Ctrl-C
    is a good end then.
    """
    output = tmp_path / "output"
    with _demo(output, "--keep") as process:
        _until_says(output, process, "Ctrl-C ends it", 200)
        answers = {words[0]: _typed(output, words) for words in _shown(output)}
        _delete_a_pod(output)
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    said = output.read_text()
    assert code == 0, said
    assert "has passed its gate" in answers["explain"]
    assert "aws-sm:/prod/payments/db" in answers["status"]
    assert "served" in answers["history"]
    assert "rolled back" in answers["rollback"]
    assert "every promise was kept" in said
    assert f"{len(STEPS)}/{len(STEPS)} " in said
    assert "BROKEN" not in said
    assert _steps(said) == _steps((ROOT / "README.md").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "number"),
    [
        pytest.param("starting", signal.SIGINT, id="Ctrl-C while it starts"),
        pytest.param("2/", signal.SIGINT, id="Ctrl-C among many pods"),
        pytest.param("2/", signal.SIGTERM, id="SIGTERM among many pods"),
    ],
)
def test_an_interrupt_leaves_nothing_behind(
    tmp_path: Path, word: str, number: signal.Signals
) -> None:
    """No process that the demo started is alive, and its folder in memory is gone."""
    output = tmp_path / "output"
    with _demo(output) as process:
        folder = f"lastgood-demo-*-{process.pid}"
        _until_says(output, process, word)
        time.sleep(1.5)
        started = _children(process.pid)
        assert list(MEMORY.glob(folder))
        process.send_signal(number)
        code = process.wait(60)
    assert code == 130, output.read_text()
    assert started
    assert {pid for pid, began in started.items() if _began(pid) == began} == set()
    assert list(MEMORY.glob(folder)) == []
