"""A call ends in time, whatever a server drips; over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from providers.http import Answer, Http, Patience, TlsSettings
from providers.proxies import NO_PROXIES, Proxies
from tests.providers.test_http import HEAD, ask, code, raw
from tests.providers.vault.scripted import scripted

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "other answers before it": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a status": (b"HTTP/1.1 200 ", b"x"),
    "a header": (HEAD + b"A: ", b"b"),
    "a body": (HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
    "the size of a chunk": (CHUNKED, b"0"),
    "an extension of a chunk": (CHUNKED + b"2;", b"x"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"A: b\r\n"),
}


@pytest.mark.parametrize(("start", "piece"), ENDLESS.values(), ids=ENDLESS)
def test_p11_an_answer_that_drips_in_ends(start: bytes, piece: bytes) -> None:
    """Each piece comes within the longest silence, and the whole does not end."""
    with raw(start, *(piece,) * 1000, pause_s=0.02) as address:
        patience = Patience(read_s=5.0, whole_s=0.1)
        assert code(ask(address, patience=patience)) == "ReadTimeoutError"


def test_p11_a_proxy_that_drips_its_answer_ends() -> None:
    """To CONNECT, before there is TLS."""
    with raw(HEAD + b"A: ", *(b"b",) * 1000, pause_s=0.02) as address:
        found = ask(
            "https://vault.example/v1/a",
            proxies=Proxies(https=f"http://{address}"),
            patience=Patience(read_s=5.0, whole_s=0.1),
        )
        assert code(found) == "ReadTimeoutError"


def test_p11_a_handshake_that_drips_in_ends() -> None:
    """Of TLS: an alert that never ends, byte by byte."""
    with raw(b"\x16\x03\x03\x40\x00", *(b"\x02",) * 1000, pause_s=0.02) as address:
        patience = Patience(connect_s=5.0, read_s=5.0, whole_s=0.1)
        assert code(ask(f"https://{address}/v1/a", patience=patience)) == "ReadTimeoutError"


def test_p11_a_call_leaves_neither_thread_nor_file_handle() -> None:
    """Of its deadline; also on a connection that was kept, which that bounds again."""
    with scripted() as server:
        server.say("a", {})
        http = Http(tls=TlsSettings(), proxies=NO_PROXIES)
        url = f"http://{server.address}/v1/a"
        assert isinstance(http.ask("GET", url, headers={}), Answer)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            assert isinstance(http.ask("GET", url, headers={}), Answer)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        for thread in threading.enumerate():
            if thread.name == "deadline":
                thread.join()
        http.close()


def test_p11_a_kept_connection_is_bounded_again() -> None:
    """The second answer on it drips in."""
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(whole)
                connection.recv(65536)
                for _ in range(1000):
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    time.sleep(0.02)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        http = Http(
            tls=TlsSettings(), proxies=NO_PROXIES, patience=Patience(read_s=5.0, whole_s=1.0)
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/a"
        assert isinstance(http.ask("GET", url, headers={}), Answer)
        assert code(http.ask("GET", url, headers={})) == "ReadTimeoutError"
        http.close()
        thread.join()
