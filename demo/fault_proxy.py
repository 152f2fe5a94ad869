"""A proxy in front of a secret store, on loopback, that misbehaves on request and counts calls.

python -m demo.fault_proxy --upstream HOST:PORT [--listen NAME=HOST:PORT]... [--control HOST:PORT]

Prints one line of JSON with the addresses it got, and ends on SIGTERM, SIGINT or with its parent.
`NAME` tells callers apart in the counts; `*` does so by their addresses. Control, HTTP with JSON:
`GET /counts`, `DELETE /counts`, `GET /fault`, `PUT /fault` with the fields of Fault. It speaks AWS
JSON 1.1 for Secrets Manager and Parameter Store, and to a request with `X-Vault-Request` Vault's
API.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from contract.spelling import suggestion

MODES = (
    "pass",
    "latency",
    "blackhole",
    "refuse",
    "access-denied",
    "throttle",
    "error-500",
    "truncated",
    "empty",
    "malformed",
)
BY_ADDRESS = "*"
HEAD_LIMIT = 64 << 10
BODY_LIMIT = 4 << 20
CONNECTIONS = 512
UPSTREAM_TIMEOUT_S = 30.0
LONGEST_S = 3600.0
VALUES = {"empty": "", "malformed": '{"password": "half'}
"""The SecretString of a bad rotation: under a new version, as if somebody had put it there."""
ERRORS = {
    "access-denied": (400, "AccessDeniedException"),
    "throttle": (400, "ThrottlingException"),
    "error-500": (500, "InternalServiceError"),
}
PHRASES = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
VAULT = "x-vault-request"
"""A header that Vault's clients send."""
VAULT_STATUSES = {"access-denied": 403, "throttle": 429, "error-500": 500}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFault:
    """What is wrong now."""

    mode: str = "pass"
    seconds: float = 1.0
    """How long `latency` waits before it passes a request on."""
    retry_after: int | None = None
    """Seconds in the Retry-After of `throttle`; None: no such header."""
    secrets: tuple[str, ...] = ()
    """The names that are hit; none: all. Of a batch, `access-denied` refuses those items alone."""

    def hits(self, names: list[str]) -> bool:
        """Whether a request for these secrets meets the fault."""
        return self.mode != "pass" and (not self.secrets or any(map(self.hits_one, names)))

    def hits_one(self, name: object) -> bool:
        return not self.secrets or name in self.secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An HTTP/1.1 request or response; header names in lower case."""

    start: str
    headers: dict[str, str]
    body: bytes

    def to_wire(self) -> bytes:
        headers = self.headers | {"content-length": str(len(self.body))}
        lines = [self.start, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


class BadMessageError(ValueError):
    """Not HTTP/1.1 with a Content-Length, or too large; ends the connection."""


async def receive(reader: asyncio.StreamReader) -> Message | None:
    """The next message; None: the other side has closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        if "transfer-encoding" in headers or not 0 <= length <= BODY_LIMIT:
            raise BadMessageError
        return Message(start=start, headers=headers, body=await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise BadMessageError from error


def answer(status: int, document: object, headers: dict[str, str] | None = None) -> Message:
    """A response as AWS JSON 1.1 has it."""
    return Message(
        start=f"HTTP/1.1 {status} {PHRASES[status]}",
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amzn-requestid": str(uuid.uuid4()),
            **(headers or {}),
        },
        body=json.dumps(document).encode(),
    )


def refusal(fault: ProxyFault, *, vault: bool = False) -> Message:
    """The error answer of a whole request."""
    status, code = ERRORS[fault.mode]
    wait = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    if vault:
        return answer(VAULT_STATUSES[fault.mode], {"errors": ["by the fault proxy"]}, wait)
    return answer(status, {"__type": code, "message": "by the fault proxy"}, wait)


def bad_version(version: str, mode: str) -> str:
    """The version under which a bad value appears: always the same for one good version."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{mode} {version}"))


def spoiled(document: dict[str, Any], fault: ProxyFault) -> dict[str, Any]:
    """The answer as if its secrets had been rotated to the bad value of `fault.mode`. Vault's are
    objects, so none of them is malformed.
    """
    if isinstance(document.get("data"), dict) and "metadata" in document["data"]:
        return document | {"data": document["data"] | {"data": {}}}
    if "Parameter" in document:
        return document | {"Parameter": _overwritten(document["Parameter"], fault)}
    if "Parameters" in document:
        items = [_overwritten(item, fault) for item in document["Parameters"]]
        return document | {"Parameters": items}
    if "SecretValues" in document:
        items = [spoiled(item, fault) for item in document["SecretValues"]]
        return document | {"SecretValues": items}
    if not fault.hits_one(document.get("Name")):
        return document
    if "VersionIdsToStages" in document:
        stages = dict(document["VersionIdsToStages"])
        for version in [key for key, labels in stages.items() if "AWSCURRENT" in labels]:
            stages[version] = ["AWSPREVIOUS"]
            stages[bad_version(version, fault.mode)] = ["AWSCURRENT"]
        return document | {"VersionIdsToStages": stages}
    if "AWSCURRENT" not in document.get("VersionStages", ()):
        return document
    document = {name: value for name, value in document.items() if name != "SecretBinary"}
    version = bad_version(document["VersionId"], fault.mode)
    return document | {"VersionId": version, "SecretString": VALUES[fault.mode]}


def _overwritten(parameter: dict[str, Any], fault: ProxyFault) -> dict[str, Any]:
    """A parameter as if somebody had overwritten it with the bad value."""
    if not fault.hits_one(parameter.get("Name")):
        return parameter
    return parameter | {"Version": parameter["Version"] + 1, "Value": VALUES[fault.mode]}


def refused_items(document: dict[str, Any], fault: ProxyFault) -> dict[str, Any]:
    """A batch's answer in which the hit secrets are denied, each by itself."""
    values = document.get("SecretValues", [])
    denied = [
        {"SecretId": item["Name"], "ErrorCode": ERRORS[fault.mode][1], "Message": "denied"}
        for item in values
        if fault.hits_one(item["Name"])
    ]
    kept = [item for item in values if not fault.hits_one(item["Name"])]
    return document | {"SecretValues": kept, "Errors": [*document.get("Errors", []), *denied]}


class FaultProxy:
    """The proxy and its counts; run its methods in one event loop."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.fault = ProxyFault()
        self.counts: Counter[tuple[str, str]] = Counter()
        self._open = 0

    async def serve(
        self, caller: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection of `caller`."""
        if caller == BY_ADDRESS:
            caller = writer.get_extra_info("peername")[0]
        if self.fault.mode == "refuse" or self._open >= CONNECTIONS:
            self.counts[caller, "refused"] += 1
            writer.transport.abort()
            return
        self._open += 1
        try:
            with suppress(BadMessageError, ConnectionError):
                while (request := await receive(reader)) is not None:
                    if not await self._respond(caller, request, reader, writer):
                        break
        finally:
            self._open -= 1
            writer.close()

    async def _respond(
        self,
        caller: str,
        request: Message,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Answer one request; False: the connection ends here."""
        operation = request.headers.get("x-amz-target", "other").rpartition(".")[2][:64]
        self.counts[caller, operation] += 1
        fault = self.fault
        if fault.hits(_names(request)):
            if fault.mode == "blackhole":
                while await reader.read(HEAD_LIMIT):
                    pass
                return False
            if fault.mode == "refuse":
                writer.transport.abort()
                return False
            if fault.mode == "latency":
                await asyncio.sleep(fault.seconds)
            response = await self._faulty(fault, operation, request)
        else:
            fault, response = ProxyFault(), await self._forward(request)
        raw = response.to_wire()
        cut = len(response.body) // 2 if fault.mode == "truncated" else 0
        writer.write(raw[: len(raw) - cut])
        await writer.drain()
        return not cut

    async def _faulty(self, fault: ProxyFault, operation: str, request: Message) -> Message:
        per_item = fault.mode == "access-denied" and bool(fault.secrets)
        if fault.mode in ERRORS and not (per_item and operation == "BatchGetSecretValue"):
            return refusal(fault, vault=VAULT in request.headers)
        response = await self._forward(request)
        if (fault.mode in VALUES or per_item) and response.start.split(" ")[1] == "200":
            edit = refused_items if per_item else spoiled
            body = json.dumps(edit(json.loads(response.body), fault)).encode()
            return replace(response, body=body)
        return response

    async def _forward(self, request: Message) -> Message:
        """The upstream's answer, on a connection of its own."""
        once = replace(request, headers=request.headers | {"connection": "close"})
        try:
            async with asyncio.timeout(UPSTREAM_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(*self.upstream, limit=HEAD_LIMIT)
                try:
                    writer.write(once.to_wire())
                    response = await receive(reader)
                finally:
                    writer.close()
        except (OSError, BadMessageError):
            response = None
        if response is None:
            return answer(503, {"__type": "ServiceUnavailable", "message": "no upstream"})
        kept = {name: text for name, text in response.headers.items() if name != "connection"}
        return replace(response, headers=kept)

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request to the control endpoint."""
        with suppress(BadMessageError, ConnectionError):
            request = await receive(reader)
            if request is not None:
                writer.write(self._controlled(request).to_wire())
                await writer.drain()
        writer.close()

    def _controlled(self, request: Message) -> Message:
        close = {"connection": "close"}
        try:
            return answer(200, self._command(request), close)
        except (ValueError, TypeError) as error:
            return answer(400, {"error": str(error)}, close)

    def _command(self, request: Message) -> object:
        """Obey, and return what is asked for or what is so now."""
        command = request.start.removesuffix(" HTTP/1.1")
        if command == "PUT /fault":
            self.fault = fault_from_wire(request.body)
        elif command == "DELETE /counts":
            self.counts.clear()
        elif command not in {"GET /fault", "GET /counts"}:
            raise ValueError("allowed are GET and PUT /fault, GET and DELETE /counts")
        if command.endswith("/fault"):
            return asdict(self.fault)
        callers: dict[str, dict[str, int]] = {}
        for (caller, operation), count in self.counts.items():
            callers.setdefault(caller, {})[operation] = count
        return callers


def fault_from_wire(raw: bytes) -> ProxyFault:
    """The fault of a JSON object with fields of Fault, or a ValueError that says what is wrong."""
    given = json.loads(raw)
    allowed = [field.name for field in fields(ProxyFault)]
    if not isinstance(given, dict):
        raise ValueError(f"a fault is a JSON object with {', '.join(allowed)}")  # noqa: TRY004 - input
    for name in set(given) - set(allowed):
        raise ValueError(f"a fault has no {name}{suggestion(name, allowed)}")
    fault = ProxyFault(**given | {"secrets": tuple(given.get("secrets", ()))})
    if fault.mode not in MODES:
        hint = suggestion(str(fault.mode), MODES)
        raise ValueError(f"{fault.mode} is no mode; allowed: {', '.join(MODES)}{hint}")
    if not isinstance(fault.seconds, (int, float)) or not 0 <= fault.seconds <= LONGEST_S:
        raise ValueError(f"seconds must be a number from 0 to {LONGEST_S:.0f}")
    return fault


def _names(request: Message) -> list[str]:
    """The secrets that a request names."""
    if VAULT in request.headers:
        path = request.start.split(" ")[1].partition("?")[0].removeprefix("/v1/")
        return [path.replace("/data/", "/", 1)]
    try:
        document = json.loads(request.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return []
    named = [document.get("SecretId"), *document.get("SecretIdList", [])]
    parameters = [document.get("Name"), *document.get("Names", [])]
    selected = [name.partition(":")[0] for name in parameters if isinstance(name, str)]
    return [*(name for name in named if isinstance(name, str)), *selected]


def address(raw: str) -> tuple[str, int]:
    """`HOST:PORT`."""
    host, _, port = raw.rpartition(":")
    return host, int(port)


async def run(proxy: FaultProxy, listen: list[str], control: str) -> None:
    """Serve until a signal comes or the parent process ends."""
    parent = os.getppid()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    got: dict[str, str] = {}
    for item in listen:
        name, _, where = item.rpartition("=")
        server = await asyncio.start_server(
            partial(proxy.serve, name or "default"), *address(where), limit=HEAD_LIMIT
        )
        got[name or "default"] = _bound(server)
    controller = await asyncio.start_server(proxy.control, *address(control), limit=HEAD_LIMIT)
    print(json.dumps({"listen": got, "control": _bound(controller)}), flush=True)
    while not stopped.is_set() and os.getppid() == parent:
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), 1.0)


def _bound(server: asyncio.Server) -> str:
    host, port = server.sockets[0].getsockname()[:2]
    return f"{host}:{port}"


def main() -> None:
    """Composition root."""
    parser = argparse.ArgumentParser(description="a fault proxy in front of a stand-in of AWS")
    parser.add_argument("--upstream", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--listen", action="append", metavar="[NAME=]HOST:PORT")
    parser.add_argument("--control", default="127.0.0.1:0", metavar="HOST:PORT")
    words = parser.parse_args()
    asyncio.run(run(FaultProxy(words.upstream), words.listen or ["127.0.0.1:0"], words.control))


if __name__ == "__main__":
    main()
