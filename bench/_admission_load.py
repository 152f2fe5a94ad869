"""The load: keep-alive TLS connections that send one request after another, from a process."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOT = b"NUMBER_"
"""Stands for a number of the same length."""


async def connection(
    port: int,
    context: ssl.SSLContext,
    requests: Iterator[bytes],
    until: float,
    took_s: list[float],
) -> None:
    """Send requests and read their whole answers until that moment; note each time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    while time.perf_counter() < until:
        start = time.perf_counter()
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        took_s.append(time.perf_counter() - start)
    writer.close()


def numbered(request: bytes) -> Iterator[bytes]:
    """The request again and again; with another secret each time where it has SLOT, also other
    than in an earlier load.
    """
    if SLOT not in request:
        yield from itertools.repeat(request)
    for number in itertools.count(time.perf_counter_ns() // 1000):
        yield request.replace(SLOT, b"k%06d" % (number % 1_000_000))


async def load(
    port: int, ca_file: str, body: bytes, connections: int, seconds: float
) -> list[float]:
    """The time of each request, in seconds, from as many connections at once."""
    context = ssl.create_default_context(cafile=ca_file)
    lines = (
        "POST /mutate?timeout=5s HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    head = "\r\n".join(lines) + "\r\n\r\n"
    requests = numbered(head.encode() + body)
    took_s: list[float] = []
    until = time.perf_counter() + seconds
    work = [connection(port, context, requests, until, took_s) for _ in range(connections)]
    await asyncio.gather(*work)
    return took_s


def main() -> int:
    """Arguments: port, CA file, body file, connections, seconds. Prints {count, p50_s, p99_s}."""
    port, ca_file, body_file, connections, seconds = sys.argv[1:]
    body = Path(body_file).read_bytes()
    took_s = sorted(asyncio.run(load(int(port), ca_file, body, int(connections), float(seconds))))
    print(
        json.dumps(
            {
                "per_s": len(took_s) / float(seconds),
                "p50_s": took_s[len(took_s) // 2],
                "p99_s": took_s[len(took_s) * 99 // 100],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
