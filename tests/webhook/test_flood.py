"""Floods from pods without credentials, against a real process over real sockets of loopback.

Each admission has the 5 s that the API server gives it by default, and the tests count those that
failed. That is the one time in them. It is allowed, because it is the promise itself, and because a
slow machine does not come near it: with five other test runs on two cores, where the webhook got a
fifth of a core, the slowest admission of these tests took 1.2 s.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.webhook.given import review
from tests.webhook.test_routes import POD, ROOT, running

if TYPE_CHECKING:
    from pathlib import Path

    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

RATE, SECONDS, PATIENCE_S = 50, 12, 5.0
ASKED = RATE * SECONDS
MOST_RESIDENT = 160 << 20
"""Bytes; of the container's 256 Mi."""

FLOODS: dict[str, list[str]] = {
    # The numbers of the attack: 44 unfinished bodies and 3,383 idle connections, and more of each.
    "bodies and idle connections": ["body=60@127.0.1.1", "idle=3383@127.0.1.2"],
    "every kind, each from an address of its own": [
        "body=44@127.0.1.1",
        "idle=1700@127.0.1.2",
        "idle=1683@127.0.1.3",
        "head=300@127.0.1.4",
        "hello=300@127.0.1.5",
        "answer=300@127.0.1.6",
    ],
    # Where the network hides pods behind a node's address, which the API server has too.
    "from the address of the API server": ["body=44@127.0.0.1", "idle=3383@127.0.0.1"],
}


class Admissions:
    """An API server's client: as many connections as requests in flight, of which up to 25 are
    kept, and one that the other side has closed is not used again (client-go).
    """

    def __init__(self, port: int, trust: ssl.SSLContext) -> None:
        self._port = port
        self._trust = trust
        self._kept: list[Streams] = []
        body = review(POD)
        head = f"POST /mutate?timeout=5s HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body
        self.admitted = 0
        self.failed: list[str] = []

    async def run(self) -> None:
        """RATE a second, whatever becomes of them, for SECONDS."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        asked = []
        for number in range(ASKED):
            await asyncio.sleep(max(0.0, begin + number / RATE - loop.time()))
            asked.append(asyncio.create_task(self._one()))
        await asyncio.gather(*asked)
        for _, writer in self._kept:
            writer.transport.abort()

    async def _one(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                streams = await self._connection()
                try:
                    await self._ask(*streams)
                except BaseException:
                    streams[1].transport.abort()
                    raise
        except (OSError, EOFError, TimeoutError, AssertionError) as error:
            self.failed.append(repr(error))
            return
        self.admitted += 1
        if len(self._kept) < 25:
            self._kept.append(streams)
        else:
            streams[1].transport.abort()

    async def _connection(self) -> Streams:
        while self._kept:
            reader, writer = self._kept.pop()
            if not reader.at_eof() and reader.exception() is None:
                return reader, writer
            writer.transport.abort()
        return await asyncio.open_connection("127.0.0.1", self._port, ssl=self._trust)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        assert b'"patch"' in await reader.readexactly(int(length))


def resident(pid: int) -> int:
    """The most memory that a process had, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - a line of /proc
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_p13_no_admission_fails_under_a_flood(tmp_path: Path, flood: list[str]) -> None:
    """P13: at 50 a second, beside floods that open again each connection that was closed."""
    with running(tmp_path) as webhook:
        lines = webhook.process.stdout
        assert lines is not None
        threading.Thread(target=lambda: [None for _ in lines], daemon=True).start()
        trust = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        admissions = Admissions(webhook.port, trust)
        target = f"127.0.0.1:{webhook.port}"
        command = [sys.executable, "-m", "tests.webhook.flood", target, str(SECONDS)]
        flooding = subprocess.Popen(
            [*command, *flood],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            asyncio.run(admissions.run())
            opened, _ = flooding.communicate(timeout=60)
        finally:
            flooding.kill()
            flooding.wait()
        assert admissions.failed == []
        assert admissions.admitted == ASKED
        # It was a flood: more connections were opened than may be open at once.
        assert int(opened.split()[-1]) > 512
        assert webhook.process.poll() is None
        assert resident(webhook.process.pid) < MOST_RESIDENT
