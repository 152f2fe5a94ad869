"""The worst bodies that anybody can send to the webhook: the slowest, and ten at once in memory.

Each shape of tests/webhook/worst.py is tried in several sizes, and some bodies that no API server
sends. Each is filled up to 3 MiB with a text that takes four bytes a character in memory. The
webhook is a process of its own on one core. The yardsticks are 300 ms and 160 MiB.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
import time
from pathlib import Path

from bench.admission import prepare, serving
from tests import make
from tests.webhook.given import answered, review
from tests.webhook.worst import SET, SHAPES, WRITTEN
from webhook.cost import MOST_VALUES
from webhook.routes import BODY_LIMIT

SIZES = (33_000, 19_000, 12_000, 5_000, 2_000, 1_000, 400, 200, 60)
AT_ONCE = 10
SLOWEST_S, PEAK_MIB = 0.3, 160
WIDE = "\U0001f600"
"""One such character makes each of its text take four bytes."""
REPEATED = {
    "empty objects": (b"{}", 2),
    "objects of one member": (b'{"":0}', 3),
    "fractions": (b"1.5", 1),
    "lists in lists": (b"[" * 900 + b"]" * 900, 901),
    "short wide texts": f'"{WIDE}aaaaaaaaaaaaaaaaaaaa"'.encode(),
}


def filled(body: bytes) -> bytes:
    """A review with a text that makes it as long as a body may be."""
    room = BODY_LIMIT - len(body) - len(b'"options":"",') - len(WIDE.encode())
    if room <= 0:
        return body
    text = b"x" * room + WIDE.encode()
    return body.replace(b'"request": {', b'"request": {"options":"%b",' % text, 1)


def repeated() -> dict[str, bytes]:
    """Bodies just within the limit of values, of what takes most memory per byte."""
    found = {}
    whole = review(make.pod(annotations=SET, tolerations=["HERE"]))
    for name, what in REPEATED.items():
        item, values = what if isinstance(what, tuple) else (what, 1)
        count = min((MOST_VALUES - 200) // values, (BODY_LIMIT - len(whole)) // (len(item) + 1))
        found[name] = filled(whole.replace(b'"HERE"', b",".join([item] * count)))
    unread = b"{}," * (BODY_LIMIT // 3 - len(whole)) + b"{}"
    return {
        **found,
        "too many values": whole.replace(b'"HERE"', unread),
        "spaces": b" " * BODY_LIMIT,
    }


def slowest_of(name: str) -> bytes:
    """The size of a shape that takes longest, in this process."""
    best, found = 0.0, b""
    for size in SIZES:
        body = review(SHAPES[name](size))
        if len(body) > BODY_LIMIT:
            continue
        start = time.perf_counter()
        answered(body)
        took_s = time.perf_counter() - start
        if took_s > best:
            best, found = took_s, body
    return filled(found)


async def send(port: int, context: ssl.SSLContext, body: bytes) -> float:
    """The time of a review on a connection of its own, which is open already."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    took_s = await ask(reader, writer, body)
    writer.close()
    return took_s


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> float:
    """Seconds from the request's first byte to the answer's last."""
    head = f"POST /mutate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    start = time.perf_counter()
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return time.perf_counter() - start


async def beside(
    port: int, context: ssl.SSLContext, work: asyncio.Future[list[float]]
) -> list[float]:
    """The times of usual reviews, one after another on a kept connection, while `work` runs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    body, took_s = review(make.pod()), []
    while not work.done():
        took_s.append(await ask(reader, writer, body))
    writer.close()
    return sorted(took_s)


async def measure(port: int, pid: int, ca_file: Path, bodies: dict[str, bytes]) -> None:
    """Each by itself, the slowest at once, and the longest that a usual review waits for them."""
    context = ssl.create_default_context(cafile=ca_file)
    alone = {name: await send(port, context, body) for name, body in bodies.items()}
    ranked = sorted(alone, key=alone.__getitem__, reverse=True)
    at_once = (bodies[ranked[at % len(ranked)]] for at in range(AT_ONCE))
    work = asyncio.ensure_future(asyncio.gather(*(send(port, context, body) for body in at_once)))
    usual_s = await beside(port, context, work)
    together = work.result()
    widest = [bodies[name] for name in ("short wide texts", "objects of one member")] * 5
    await asyncio.gather(*(send(port, context, body) for body in widest))
    line("worst-body-time", alone[ranked[0]] / SLOWEST_S)
    line("worst-bodies-memory", peak_mib(pid) / PEAK_MIB)
    for name in ranked[:AT_ONCE]:
        print(f"  {alone[name] * 1000:.0f} ms: {name}, {len(bodies[name])} bytes")
    print(f"  {AT_ONCE} at once: the last answered after {max(together) * 1000:.0f} ms;", end=" ")
    print(f"peak memory {peak_mib(pid):.0f} MiB")
    middle_s, last_s = usual_s[len(usual_s) // 2], usual_s[-1]
    print(f"  {len(usual_s)} usual reviews beside them: median {middle_s * 1000:.1f} ms,", end=" ")
    print(f"slowest {last_s * 1000:.0f} ms")


def line(name: str, ratio: float) -> None:
    """As every bench prints it."""
    print(f"bench {name} {ratio:.2f} aim 1.00 {'ok' if ratio <= 1 else 'short'}")


def peak_mib(pid: int) -> float:
    """The most memory that a process had resident."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> int:
    """Exit code 0 when it ran to its end."""
    bodies = {name: slowest_of(name) for name in SHAPES} | repeated()
    with tempfile.TemporaryDirectory(prefix="lastgood-bench-") as created:
        folder = Path(created)
        environment = prepare(folder)
        (folder / "policy/policy.yaml").write_text(WRITTEN, encoding="utf-8")
        with serving(["webhook"], folder / "webhook.log", environment) as (port, pid):
            asyncio.run(measure(port, pid, folder / "ca.crt", bodies))
    return 0


if __name__ == "__main__":
    sys.exit(main())
