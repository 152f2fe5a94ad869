"""Who the page's server answers, and with what."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from cli.dashboard.server import TOKEN
from tests.make.command import typed

if TYPE_CHECKING:
    from tests.cli.dashboard.prepared import Fleet


def _asked(
    url: str, path: str, method: str = "GET", *, token: bool = True, **headers: str
) -> tuple[int, dict[str, str], str]:
    address = urlsplit(url)
    key = {TOKEN: address.fragment.removeprefix("token=")} if token else {}
    connection = HTTPConnection("127.0.0.1", address.port or 0, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers={**key, **given})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()


def test_only_our_own_page_is_answered(fleet: Fleet, url: str) -> None:
    """Not without the token, not by another name (DNS rebinding), not for another site's page."""
    fleet.calm()
    port = urlsplit(url).port
    assert _asked(url, "/data/fleet")[0] == 200
    assert _asked(url, "/data/fleet", token=False)[0] == 401
    assert _asked(url, "/data/fleet", token=False, X_Lastgood_Token="x")[0] == 401
    for name in (f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.:{port}"):
        assert _asked(url, "/data/fleet", Host=name)[0] == 403, name
    assert _asked(url, "/data/fleet", Host=f"localhost:{port}")[0] == 200
    assert _asked(url, "/data/fleet", Origin="http://evil.example")[0] == 403
    assert _asked(url, "/data/fleet", Origin="null")[0] == 403
    assert _asked(url, "/page.js", token=False, Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_only_get_is_answered(url: str, method: str) -> None:
    """Nothing can be changed by it, and no preflight of another site succeeds."""
    assert _asked(url, "/data/fleet", method)[0] == 405


def test_every_answer_forbids_what_the_page_does_not_need(url: str) -> None:
    """No script or request elsewhere, no frame, no cache, no CORS."""
    for path in ("/", "/page.js", "/data/fleet", "/nothing"):
        _, headers, _ = _asked(url, path)
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert not [name for name in headers if name.startswith("Access-Control")]


def test_it_listens_on_this_machine_only(url: str) -> None:
    """No other address of this machine answers."""
    port = urlsplit(url).port or 0
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    listening = {row[1] for row in rows if row[3] == "0A"}
    assert [item for item in listening if item.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_paths_and_questions_that_are_none(url: str) -> None:
    """Nothing but the page's files is served, and a wrong question is told what is missing."""
    for path in ("/../server.py", "/%2e%2e/server.py", "//etc/passwd", "/data/secrets"):
        assert _asked(url, path)[0] == 404, path
    status, _, body = _asked(url, "/data/snapshot?namespace=payments")
    assert (status, "needs namespace, name" in body) == (400, True)
    status, _, body = _asked(url, "/data/snapshot?namespace=payments&name=..%2F..%2Fsecrets")
    assert (status, json.loads(body)["error"]["kind"]) == (403, "refused")


def test_no_value_reaches_the_page(fleet: Fleet, url: str) -> None:
    """Nor does a request for one: a Secret is never asked for."""
    fleet.outage()
    bodies = [_asked(url, f"/data/{path}")[2] for path in _paths(url)]
    assert all("error" not in json.loads(body) for body in bodies)
    asked = [item.path for item in fleet.server.seen() if item.agent.startswith("lastgood-cli")]
    assert asked
    assert [path for path in asked if "secrets" in path.split("/")] == []


def _paths(url: str) -> list[str]:
    found: dict[str, Any] = json.loads(_asked(url, "/data/fleet")[2])
    row = next(item for item in found["snapshots"] if item["namespace"] == "payments")
    name = f"namespace=payments&name={row['snapshot']}"
    return [
        "fleet",
        f"snapshot?{name}",
        "pods?namespace=payments",
        "pod?namespace=payments&name=api-7d4b9c-1",
    ]


def test_a_port_that_is_taken_or_none_is_named(fleet: Fleet) -> None:
    """One sentence, and what to do."""
    config = {"KUBECONFIG": str(fleet.server.kubeconfig("operator"))}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = typed("dashboard", "--port", str(port), variables=config)
    assert done.returncode == 1
    assert f"lastgood: port {port} of 127.0.0.1 is in use. Choose another one" in done.stderr
    for wrong in ("70000", "http", "-1", "8o80"):
        done = typed("dashboard", f"--port={wrong}", variables=config)
        assert done.returncode == 2
        assert f'"{wrong}" is not a port. Allowed: 1 to 65535' in done.stderr
