"""What the tests of sources share: ways to open and to ask them, and a server that says what it is
told.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from controller.accounts import opening_of
from providers.aws.source.client import Access, Keys, open_clients, open_ssm
from providers.aws.source.opening import open_source as open_aws
from providers.aws.source.parameter_store import AwsParameterStore
from providers.aws.source.secrets_manager import AwsSecretsManager
from providers.open_source import open_source
from providers.protocol import FetchRequest, Material, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.account import SecretAccount
    from providers.protocol import CallCounter, FetchResult

REGION = "ap-southeast-2"
CANARY = "canary-5f1d3c"


def aws_source(
    address: str,
    *,
    regions: tuple[str, ...] = (REGION,),
    timeout_s: float = 5.0,
    observer: CallCounter | None = None,
) -> AwsSecretsManager:
    """A source whose endpoint is `address`, `host:port`."""
    access = Access(
        regions=regions,
        endpoint=f"http://{address}",
        keys=Keys(access_key="test", secret_key="test"),
        connect_timeout_s=timeout_s,
        read_timeout_s=timeout_s,
    )
    return AwsSecretsManager(open_clients(access), observer=observer)


def ssm_source(
    address: str,
    *,
    regions: tuple[str, ...] = (REGION,),
    mirrors: bool = False,
    timeout_s: float = 5.0,
    observer: CallCounter | None = None,
) -> AwsParameterStore:
    """A source of Parameter Store whose endpoint is `address`, `host:port`."""
    access = Access(
        regions=regions,
        ssm_endpoint=f"http://{address}",
        keys=Keys(access_key="test", secret_key="test"),
        connect_timeout_s=timeout_s,
        read_timeout_s=timeout_s,
    )
    return AwsParameterStore(open_ssm(access), mirrors=mirrors, observer=observer)


def source_of(
    account: SecretAccount,
    scheme: str = "aws-sm",
    *,
    keys: Keys | None = None,
    **given: Any,  # noqa: ANN401 - as `opening_of` takes it
) -> Source:
    """The source behind an account as the controller opens it; `keys` instead of its identity."""
    opening = opening_of(account, scheme, **({"monotonic": time.monotonic} | given))
    if keys is not None and account.spec.provider == "aws":
        return open_aws(opening, keys)
    return open_source(account.spec.provider, opening)


def one(source: Source, reference: str, **given: str) -> FetchResult:
    """The result of one request alone."""
    [result] = source.fetch([FetchRequest(reference=reference, **given)]).results
    return result


def known(held: FetchResult) -> dict[str, str]:
    """What a request says of a value that is held."""
    assert isinstance(held, Material)
    given = {"known_version": held.version}
    mark = held.incarnation
    return given if mark is None else given | {"known_incarnation": mark}


@dataclass
class Scripted:
    """A server of HTTP whose answers a test writes, by operation; it counts what it is asked."""

    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    """Operation, request body and User-Agent of each request."""
    signed: list[str] = field(default_factory=list)
    """The access key that signed each request."""
    before: Callable[[str], None] = lambda _: None
    """Called with the operation before it is answered, in a thread of the server."""
    address: str = ""

    def say(
        self, operation: str, body: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer an operation with bytes, or with anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[operation] = (status, raw, headers or {})


def _read(target: str | None, body: bytes) -> tuple[str, dict[str, Any]]:
    """Operation and arguments: JSON of Secrets Manager, or a form of STS."""
    if target is not None:
        return target.rpartition(".")[2], json.loads(body)
    form: dict[str, Any] = dict(parse_qsl(body.decode()))
    return form["Action"], form


def scripted_server() -> Iterator[Scripted]:
    """For a fixture: a Scripted on a free port of loopback."""
    script = Scripted()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        """Head and body in one segment."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation, asked = _read(self.headers["X-Amz-Target"], body)
            script.asked.append((operation, asked, self.headers["User-Agent"]))
            script.signed.append(self.headers["Authorization"].split("=")[1].split("/")[0])
            script.before(operation)
            status, body, headers = script.answers[operation]
            self.send_response_only(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    script.address = f"127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    server.server_close()
    thread.join()
