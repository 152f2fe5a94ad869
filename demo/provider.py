"""The demo's secret store: moto's server, which speaks AWS, as a process; and the proxy before it.

`python -m demo.provider` is that server. It listens on a free port of loopback, prints one line of
JSON with its address, and ends with its parent.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.processes import end, start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.secret_bytes import SecretBytes
    from demo.processes import Process

ROOT = Path(__file__).parent.parent
KEYS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo"}
"""Anything will do: moto checks no signature."""
START_S = 30.0
POLL_S = 0.02


class NotStartedError(RuntimeError):
    """A process of ours ended, or said nothing in time; the message names it and its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A running process and the first line of JSON that it printed."""

    process: Process
    said: dict[str, Any]

    def stop(self) -> None:
        """End it, and wait for that."""
        end([self.process])


def launch(module: str, *words: str, log: Path, within_s: float = START_S) -> Announced:
    """Start `python -m module words…` and wait for its line; its output goes to `log`."""
    log.unlink(missing_ok=True)
    env = {"PATH": os.defpath, "HOME": str(log.parent), **KEYS}
    process = start([sys.executable, "-m", module, *words], env=env, folder=ROOT, log=log)
    try:
        return Announced(process=process, said=_first_line(process, module, log, within_s))
    except BaseException:
        end([process])
        raise


def _first_line(process: Process, module: str, log: Path, within_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        for line in log.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                said: dict[str, Any] = json.loads(line)
                return said
        if ended:
            raise NotStartedError(f"{module} ended with {process.returncode}; see {log}")
        time.sleep(POLL_S)
    raise NotStartedError(f"{module} said nothing for {within_s:.0f} s; see {log}")


class DemoProvider:
    """The store, reached directly: what an admin does here is neither faulty nor counted."""

    def __init__(self, *, log: Path, region: str) -> None:
        self._server = launch("demo.provider", log=log)
        self.address: str = self._server.said["listen"]
        self._clients: dict[tuple[str, str], Any] = {}
        self._region = region

    def client(self, region: str | None = None, service: str = "secretsmanager") -> Any:  # noqa: ANN401 - boto3 makes its classes as it runs
        """A boto3 client; None: the store's own region."""
        import boto3

        from providers.aws.source.client import quiet_sdk

        name = region or self._region
        if (name, service) not in self._clients:
            session = boto3.session.Session("demo", "demo", region_name=name)
            self._clients[name, service] = session.client(
                service,  # type: ignore[call-overload]  # boto3's types want a literal
                endpoint_url=f"http://{self.address}",
            )
            quiet_sdk()
        return self._clients[name, service]

    def put(self, name: str, value: SecretBytes, *, region: str | None = None) -> str:
        """Create or rotate a secret: the value becomes AWSCURRENT. Returns its version."""
        client = self.client(region)
        text = value.reveal().decode()
        try:
            answer = client.put_secret_value(SecretId=name, SecretString=text)
        except client.exceptions.ResourceNotFoundException:
            answer = client.create_secret(Name=name, SecretString=text)
        version: str = answer["VersionId"]
        return version

    def put_parameter(
        self,
        name: str,
        value: SecretBytes,
        *,
        kind: str = "SecureString",
        region: str | None = None,
    ) -> str:
        """Create or overwrite a parameter of Parameter Store. Returns its version."""
        answer = self.client(region, "ssm").put_parameter(
            Name=name, Value=value.reveal().decode(), Type=kind, Overwrite=True
        )
        return str(answer["Version"])

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._server.stop()


class Proxy:
    """The fault proxy before the store, one address for each caller."""

    def __init__(self, *, log: Path, upstream: str, callers: Sequence[str] = ("default",)) -> None:
        listen = [word for caller in callers for word in ("--listen", f"{caller}=127.0.0.1:0")]
        self._server = launch("demo.fault_proxy", "--upstream", upstream, *listen, log=log)
        self.addresses: dict[str, str] = self._server.said["listen"]
        """`host:port` by caller."""
        self._control: str = self._server.said["control"]

    def set(self, mode: str, **fields: object) -> None:
        """Switch the fault, or ValueError; `fields` as in `fault_proxy.ProxyFault`."""
        self._ask("PUT", "/fault", {"mode": mode, **fields})

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests by caller and operation since the start, or since `reset`."""
        return self._ask("GET", "/counts")

    def reset(self) -> None:
        """Count from zero."""
        self._ask("DELETE", "/counts")

    def stop(self) -> None:
        self._server.stop()

    def _ask(self, verb: str, path: str, document: object = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._control, timeout=5)
        try:
            connection.request(verb, path, json.dumps(document) if document else None)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ValueError(answer["error"])
        return answer


def main() -> None:
    """Serve moto's AWS until the parent ends or a signal comes."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    parent = os.getppid()
    server = make_server(
        "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"listen": f"127.0.0.1:{server.server_port}"}), flush=True)
    while os.getppid() == parent:
        time.sleep(1)


if __name__ == "__main__":
    main()
