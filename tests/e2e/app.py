"""The app of these tests, sent as an argument to a container with nothing but Python.

One line of JSON per event: `started`, `changed` when what it reads became other, `reload` for a
POST to port 8080, `signal` for a SIGHUP. It names values by their SHA-256. With ONCE set it ends
after its first line.
"""

# ruff: noqa: D101, D103, PTH110, PTH112, PTH116, PTH118, PTH123, PTH208 - a script that starts fast

import hashlib
import http.server
import json
import os
import signal
import stat
import sys
import threading
import time

FOLDER = os.environ.get("FOLDER", "/var/run/secrets-cache")
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def say(event: str, **members: object) -> None:
    line = json.dumps({"event": event, "at": time.time(), "pid": os.getpid(), **members})
    os.write(1, line.encode() + b"\n")


def seen(path: str) -> dict[str, object]:
    try:
        found = os.stat(path)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        return {"error": error.strerror}
    mode = oct(stat.S_IMODE(found.st_mode))
    return {"mode": mode, "uid": found.st_uid, "gid": found.st_gid, "digest": digest}


def files() -> dict[str, object]:
    try:
        names = [name for name in os.listdir(FOLDER) if not name.startswith("..")]
    except OSError as error:
        return {"": {"error": error.strerror}}
    paths = {name: os.path.join(FOLDER, name) for name in sorted(names)}
    return {name: seen(path) for name, path in paths.items() if not os.path.isdir(path)}


def values() -> dict[str, object]:
    return {name: item for name, item in files().items() if name != "status.json"}


def refusal() -> str | None:
    """Why the folder can't be written to; None: it can."""
    try:
        os.close(os.open(FOLDER + "/mine", os.O_CREAT | os.O_WRONLY))
    except OSError as error:
        return error.strerror
    return None


def text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        return str(error.strerror)


class Reload(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        say("reload", path=self.path, files=values())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, lambda *_: say("signal", files=values()))
    before = values()
    folder = os.stat(FOLDER)
    say(
        "started",
        files=files(),
        folder={"mode": oct(stat.S_IMODE(folder.st_mode)), "uid": folder.st_uid},
        uid=os.getuid(),
        variables={name: path for name, path in os.environ.items() if name.startswith("DB_")},
        write=refusal(),
        token=os.path.exists(TOKEN),
        mounts=text("/proc/mounts"),
        protected_symlinks=text("/proc/sys/fs/protected_symlinks"),
    )
    if os.environ.get("ONCE"):
        sys.exit(0)
    if os.environ.get("LISTEN"):
        server = http.server.HTTPServer(("127.0.0.1", 8080), Reload)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(0.1)
        if (now := values()) != before:
            before = now
            say("changed", files=now)


main()
