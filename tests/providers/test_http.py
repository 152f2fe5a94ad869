"""HTTP of the sources without an SDK: bounds, redirects, TLS and proxies, over real sockets."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from contract.reasons import FetchFailure
from providers.http import LIMIT_BYTES, Answer, Http, Patience, TlsSettings
from providers.protocol import Failed
from providers.proxies import NO_PROXIES, Proxies, from_environment
from tests.providers.pki import Pki
from tests.providers.vault.scripted import scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.providers.vault.scripted import Script

CANARY = "canary-5f1d3c"


@pytest.fixture
def server() -> Iterator[Script]:
    """A server that says what it is told."""
    with scripted() as script:
        yield script


def ask(
    address: str,
    *,
    tls: TlsSettings | None = None,
    proxies: Proxies = NO_PROXIES,
    patience: Patience | None = None,
) -> Answer | Failed:
    """One call that has a secret in a header."""
    http = Http(tls=tls or TlsSettings(), proxies=proxies, patience=patience)
    url = address if "://" in address else f"http://{address}/v1/a"
    found = http.ask("GET", url, headers={"X-Token": CANARY})
    http.close()
    assert CANARY not in repr(found)
    return found


def code(found: Answer | Failed) -> str:
    """Of a failure that says nothing of a secret."""
    assert isinstance(found, Failed), found
    assert found.reason is FetchFailure.UNAVAILABLE
    return found.code


def test_an_answer_is_as_it_came(server: Script) -> None:
    """Also where its status is an error's."""
    server.say("a", {"x": 1}, 418, {"Retry-After": "3"})
    found = ask(server.address)
    assert isinstance(found, Answer)
    assert (found.status, found.body, found.delay_s) == (418, b'{"x": 1}', 3.0)


def test_p7_no_redirect_is_followed(server: Script) -> None:
    """It would take the token to another host."""
    with scripted() as other:
        server.say("a", b"", 307, {"Location": f"http://{other.address}/v1/a"})
        found = ask(server.address)
        assert isinstance(found, Answer)
        assert (found.status, other.asked) == (307, [])


def test_p11_an_answer_is_bounded(server: Script) -> None:
    """The largest is taken, and one byte more is not."""
    server.say("a", b"x" * LIMIT_BYTES)
    found = ask(server.address)
    assert isinstance(found, Answer)
    assert len(found.body) == LIMIT_BYTES
    server.say("a", b"x" * (LIMIT_BYTES + 1))
    assert ask(server.address) == Failed(reason=FetchFailure.TOO_LARGE, code="TooLarge")


def test_p11_nothing_is_unpacked(server: Script) -> None:
    """It was not asked for."""
    server.say("a", gzip.compress(b"x" * 100), 200, {"Content-Encoding": "gzip"})
    assert code(ask(server.address)) == "UnreadableAnswer"
    assert server.asked[0][1]["Accept-Encoding"] == "identity"


@contextmanager
def raw(*pieces: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """A server that writes pieces after each request, and then closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause_s)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "nothing": (b"",),
    "no HTTP": (b"SSH-2.0-x\r\n",),
    "half a head": (HEAD + b"Content-Le",),
    "no end": (HEAD + b"\r\n{}",),
    "half a body": (HEAD + b"Content-Length: 10\r\n\r\n12345",),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12",),
    "no last chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",),
    "a chunk of no size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n1",),
    "a head without end": (HEAD + b"A: " + b"b" * 200_000,),
    "a thousand headers": (HEAD + b"A: b\r\n" * 1000 + b"\r\n",),
}


def test_p8_the_client_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It would log the URL, and the part of a head that it can't read."""
    caplog.set_level("DEBUG")
    with raw(HEAD + f"{CANARY}\r\n\r\n".encode()) as address:
        ask(address)
    assert caplog.records == []


@pytest.mark.parametrize("pieces", BROKEN.values(), ids=BROKEN)
def test_p2_half_an_answer_is_none(pieces: tuple[bytes, ...]) -> None:
    """Whatever is cut off."""
    with raw(*pieces) as address:
        assert code(ask(address)) != "ok"


def test_a_silent_server_ends_the_call() -> None:
    """By the read time-out; and where nobody listens, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert code(ask(address, patience=Patience(read_s=0.1))) == "ReadTimeoutError"
    assert code(ask(address)) == "NewConnectionError"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A CA of this test."""
    return Pki(tmp_path)


def test_p7_a_server_is_known_by_its_certificate(pki: Pki) -> None:
    """By a file or a bundle; of another CA or another name it is not asked."""
    with scripted(pki.server("vault.example")) as server:
        server.say("a", {})
        url = f"https://{server.address}/v1/a"
        for tls in (TlsSettings(ca_file=pki.folder / "ca.crt"), TlsSettings(ca_bundle=pki.bundle)):
            assert code(ask(url, tls=tls)) == "SSLError"
            named = TlsSettings(
                ca_file=tls.ca_file, ca_bundle=tls.ca_bundle, server_name="vault.example"
            )
            assert isinstance(ask(url, tls=named), Answer)
        assert code(ask(url, tls=TlsSettings(server_name="vault.example"))) == "SSLError"
        assert (
            code(ask(url, tls=TlsSettings(ca_bundle=pki.bundle, server_name="other"))) == "SSLError"
        )
        assert len(server.asked) == 2


def test_a_client_certificate_is_shown(pki: Pki) -> None:
    """Without it the server hangs up; a new one is used when the files change."""
    with scripted(pki.server("vault.example", clients=True)) as server:
        server.say("a", {})
        url = f"https://{server.address}/v1/a"
        bare = TlsSettings(ca_file=pki.folder / "ca.crt", server_name="vault.example")
        assert isinstance(ask(url, tls=bare), Failed)
        certificate, key = pki.leaf("lastgood")
        tls = TlsSettings(
            ca_file=bare.ca_file,
            server_name="vault.example",
            certificate_file=certificate,
            key_file=key,
        )
        http = Http(tls=tls, proxies=NO_PROXIES)
        assert isinstance(http.ask("GET", url, headers={}), Answer)
        good = certificate.read_bytes()
        certificate.write_bytes(b"half")
        assert code(http.ask("GET", url, headers={})) == "TlsFiles"
        certificate.write_bytes(good)
        assert isinstance(http.ask("GET", url, headers={}), Answer)
        certificate.unlink()
        assert code(http.ask("GET", url, headers={})) == "TlsFiles"
        http.close()


def test_an_encrypted_key_is_an_error_and_no_question(pki: Pki) -> None:
    """OpenSSL would ask at the terminal."""
    certificate, _ = pki.leaf("lastgood")
    secret = pki.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    key = pki.write("encrypted.key", secret)
    tls = TlsSettings(certificate_file=certificate, key_file=key)
    assert code(ask("https://127.0.0.1:1/", tls=tls)) == "TlsFiles"


def test_a_proxy_is_used_and_can_be_gone_round(server: Script) -> None:
    """It is asked for the whole URL, as HTTP_PROXY has it."""
    server.say("http://vault.example:8200/v1/a", {"by": "proxy"})
    proxies = Proxies(http=f"http://{server.address}", never=("direct.example",))
    found = ask("http://vault.example:8200/v1/a", proxies=proxies)
    assert isinstance(found, Answer)
    assert found.body == b'{"by": "proxy"}'
    assert isinstance(ask("http://direct.example:1/v1/a", proxies=proxies), Failed)
    assert len(server.asked) == 1


def test_p7_a_proxy_that_is_away_is_not_gone_round() -> None:
    """An https address is asked for through a tunnel only."""
    proxies = Proxies(https="http://127.0.0.1:1")
    assert code(ask("https://vault.example:8200/v1/a", proxies=proxies)) == "ProxyError"


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{CANARY}#x@127.0.0.1:1",
        f"http://user:1#{CANARY}@127.0.0.1:1",
        f"http://user:{CANARY}/x@127.0.0.1:1",
        f"http://user:1/{CANARY}@127.0.0.1:1",
        f"http://user:1?{CANARY}@127.0.0.1:1",
        f"http://user:{CANARY}[@127.0.0.1:1",
        f"http://user:{CANARY}\udcff@127.0.0.1:1",
        f"socks5://user:{CANARY}@127.0.0.1:1",
        f"http://user:{CANARY}@127.0.0.1:99999",
        f"http://user:{CANARY}@127.0.0.1:0",
        f"http://user:{CANARY}@127.0.0.1:x",
        f"http://user:{CANARY}@a b:1",
        f"http://user:{CANARY}@",
    ],
)
def test_p8_a_proxy_whose_url_is_none_is_told_from_missing_files(
    proxy: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its password is in no result and no log."""
    caplog.set_level("DEBUG")
    proxies = from_environment({"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy})
    for url in ("https://vault.example/v1/a", "http://vault.example/v1/a"):
        assert code(ask(url, proxies=proxies)) == "ProxyAddress"
    assert caplog.records == []


@pytest.mark.parametrize("url", ["https://vault.example:99999/v1/a", "https://[::::]/v1/a"])
def test_an_address_that_is_none_is_told_from_missing_files(url: str) -> None:
    """The controller's own schema refuses the first one."""
    assert ask(url) == Failed(reason=FetchFailure.INVALID, code="LocationParseError")


NEVER = {
    "its name": ("vault.example", True),
    "below it": ("example", True),
    "with a dot": (".example", True),
    "with a star": ("*.example", True),
    "another case": ("VAULT.Example", True),
    "its port": ("vault.example:8200", True),
    "another port": ("vault.example:443", False),
    "only the end of a name": ("ault.example", False),
    "another": ("vault.example.org", False),
    "everything": ("*", True),
    "a CIDR of others": ("10.0.0.0/8", False),
}


@pytest.mark.parametrize(("item", "direct"), NEVER.values(), ids=NEVER)
def test_which_hosts_are_reached_directly(item: str, direct: bool) -> None:  # noqa: FBT001 - a table
    """As Go and curl read NO_PROXY."""
    proxies = Proxies(https="http://proxy", never=(item,))
    assert (proxies.of("https://vault.example:8200/v1") is None) == direct


@pytest.mark.parametrize(
    ("url", "item"),
    [
        ("https://10.1.2.3:8200", "10.0.0.0/8"),
        ("https://10.1.2.3:8200", "10.1.2.3"),
        ("https://[fd00::1]:8200", "fd00::/8"),
    ],
)
def test_addresses_are_reached_directly_by_cidr(url: str, item: str) -> None:
    """IPv4 and IPv6."""
    assert Proxies(https="http://proxy", never=(item,)).of(url) is None


def test_the_environment_names_proxies() -> None:
    """Lower case goes before upper case; what is empty is not there."""
    given = {
        "https_proxy": "http://lower:1",
        "HTTPS_PROXY": "http://upper:1",
        "HTTP_PROXY": "plain:3128",
        "NO_PROXY": " a.example , ,10.0.0.0/8",
    }
    assert from_environment(given) == Proxies(
        https="http://lower:1", http="http://plain:3128", never=("a.example", "10.0.0.0/8")
    )
    assert from_environment({"HTTPS_PROXY": ""}) == NO_PROXIES
