"""The payments app of the demo, as a small process of its own: `python -I -S app.py
serve|job|fetch`.

`serve` reads its password from the file that `DB_PASSWORD_FILE` names, proves to the database that
it has it, and does both again on `POST /-/reload`. `job` does it once and ends. `fetch` is the same
app as CSI drivers and injectors would start it: it asks the secret store first, again and again
until it answers. One JSON line per event, never a value.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LISTEN = ("0.0.0.0", 8080)  # noqa: S104 - all addresses of the pod; the runner gives POD_IP instead


def main(verb: str, env: Mapping[str, str]) -> int:
    """Exit code of the app: 1 where a job is refused."""
    fetched = _fetch(env) if verb == "fetch" else None

    def log_in() -> str:
        password = fetched if fetched is not None else _read(env["DB_PASSWORD_FILE"])
        return _log_in(env["DB_ADDRESS"], password)

    answer = log_in()
    _say("ready", login=answer)
    if verb == "job":
        return 0 if answer != "refused" else 1
    _serve((env.get("POD_IP", LISTEN[0]), LISTEN[1]), log_in)
    return 0


def _say(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, "at": time.time(), **facts}), flush=True)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs more than this whole app
        return file.read()


def _log_in(database: str, password: bytes) -> str:
    """The database's word: `ok <label>` or `refused`."""
    host, _, port = database.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        stream = connection.makefile("rwb")
        nonce = stream.readline().strip()
        stream.write(hmac.new(password, nonce, "sha256").hexdigest().encode() + b"\n")
        stream.flush()
        return stream.readline().decode().strip()


def _serve(address: tuple[str, int], reload: Callable[[], str]) -> None:
    """One request per connection, for ever."""
    with socket.create_server(address, backlog=16) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(5)
                request = connection.recv(4096)
                if request.startswith(b"POST /-/reload "):
                    _say("reloaded", login=reload())
                connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def _fetch(env: Mapping[str, str]) -> bytes:
    """The password from AWS Secrets Manager, retried each second as a driver's mount is."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return _get_secret_value(env["STORE_ADDRESS"], env["STORE_SECRET"], env["STORE_REGION"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            _say("fetch-failed", attempt=attempt, error=type(error).__name__)
            time.sleep(1)


def _get_secret_value(address: str, secret: str, region: str) -> bytes:
    """GetSecretValue, an AWS JSON 1.1 call. moto checks no signature, so none is made."""
    body = json.dumps({"SecretId": secret}).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n"
        "User-Agent: fetch-at-start\r\nContent-Type: application/x-amz-json-1.1\r\n"
        "X-Amz-Target: secretsmanager.GetSecretValue\r\n"
        "Authorization: AWS4-HMAC-SHA256 "
        f"Credential=demo/20260101/{region}/secretsmanager/aws4_request, "
        f"SignedHeaders=host, Signature=none\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        stream = connection.makefile("rb")
        if b" 200 " not in stream.readline():
            message = "the secret store refused"
            raise ValueError(message)
        length = 0
        while (line := stream.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        document = json.loads(stream.read(length))
    password: str = json.loads(document["SecretString"])["password"]
    return password.encode()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], os.environ))
