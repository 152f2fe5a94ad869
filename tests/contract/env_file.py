"""How others read a `KEY=value` file: real shells, the real docker client, and its reader."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = tuple(
    name
    for name in ("sh", "dash", "bash", "busybox", "zsh", "ksh", "mksh", "yash")
    if shutil.which(name)
)
MOST_TOKEN = 64 * 1024
"""bufio.MaxScanTokenSize, with the line's end."""


def by_shell(shell: str, file: Path) -> dict[str, str]:
    """What `set -a; . FILE` adds to an environment. CalledProcessError: the shell could not."""
    own = _environment(shell, "/dev/null").keys()
    return {name: text for name, text in _environment(shell, str(file)).items() if name not in own}


def _environment(shell: str, file: str) -> dict[str, str]:
    """All of the environment after it."""
    words = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else [])]
    script = 'set -eau; . "$1"; exec /usr/bin/env -0'
    ran = subprocess.run(
        [*words, "-c", script, shell, file],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert not ran.stderr
    pairs = (item.split(b"=", 1) for item in ran.stdout.split(b"\0") if item)
    return {name.decode(): value.decode(errors="surrogateescape") for name, value in pairs}


def by_docker(raw: bytes, *, quotes: bool) -> dict[str, str]:
    """As docker/cli's pkg/kvfile. `quotes`: newer versions take a pair of them away. ValueError: it
    would refuse the file.
    """
    found = {}
    for line in raw.split(b"\n"):
        if len(line) >= MOST_TOKEN:
            raise ValueError("token too long")
        text = line.decode().removesuffix("\r").lstrip()
        if not text or text.startswith("#"):
            continue
        key, has_value, value = text.partition("=")
        if not key or set(key) & set(" \t"):
            raise ValueError("no variable name")
        if quotes and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if has_value:
            found[key] = value
    return found


def by_docker_client(file: Path) -> dict[str, str]:
    """What the real client of this machine asks a daemon for; the daemon is a listener of ours."""
    asked: list[list[str]] = []

    class Daemon(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(json.loads(body)["Env"])
            self._answer(201, {"Id": "0" * 64, "Warnings": []})

        def do_GET(self) -> None:
            self._answer(200, {})

        def do_HEAD(self) -> None:
            self._answer(200, {})

        def _answer(self, status: int, document: dict[str, object]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Api-Version", "1.41")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Daemon)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        subprocess.run(
            ["docker", "create", "--pull", "never", "--env-file", str(file), "image"],
            env={
                "DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}",
                "DOCKER_CONFIG": str(file.parent),
                "PATH": "/usr/local/bin:/usr/bin:/bin",
            },
            capture_output=True,
            check=True,
            timeout=60,
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return dict(item.split("=", 1) for item in asked[0])
