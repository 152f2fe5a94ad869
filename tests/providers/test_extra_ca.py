"""An admin's CA certificates: what counts as some, and what a change of the file does."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING

import pytest

from certs.dev_ca import CA_FILE, KEY_FILE, write_pair
from providers.aws.source.opening import SDK_CA_BUNDLE
from providers.extra_ca import MOST_BYTES, ExtraCa, ExtraCaError

if TYPE_CHECKING:
    from pathlib import Path


def pem(folder: Path) -> str:
    """A new CA's certificate."""
    folder.mkdir(exist_ok=True)
    write_pair(folder, ["a.example.com"], dt.datetime.now(dt.UTC))
    return (folder / CA_FILE).read_text()


def trusted(path: Path) -> int:
    """How many certificates OpenSSL reads in a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(path))
    return context.cert_store_stats()["x509"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nbm8=\n",
        "-----BEGIN CERTIFICATE-----\n\x00\xff\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n",
        "x" * (MOST_BYTES + 1),
    ],
    ids=["empty", "text", "no DER", "cut off", "binary", "a key", "too large"],
)
def test_p8_what_is_no_certificate_is_refused_without_a_word_of_it(
    tmp_path: Path, text: str
) -> None:
    """At the start; the message names the file."""
    file = tmp_path / "ca.pem"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ExtraCaError, match=r"ca\.pem") as caught:
        ExtraCa(file, lambda _: None)
    assert "Y2Fu" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As a folder is."""
    for name in ("missing", "."):
        with pytest.raises(ExtraCaError, match=str(tmp_path)):
            ExtraCa(tmp_path / name, lambda _: None)


def test_p8_only_certificates_are_copied(tmp_path: Path) -> None:
    """A file with a key beside them is a mistake that goes no further."""
    ca, key = pem(tmp_path / "tls"), (tmp_path / "tls" / KEY_FILE).read_text()
    file = tmp_path / "ca.pem"
    file.write_text(key + ca)
    extra = ExtraCa(file, lambda _: None)
    assert trusted(extra.path) == 1
    assert "PRIVATE" not in extra.path.read_text() + extra.beside(SDK_CA_BUNDLE).read_text()
    extra.close()


def test_p2_a_change_is_followed_and_a_mistake_is_not(tmp_path: Path) -> None:
    """Both copies are those of the newest good file, and a mistake is told once."""
    file, said = tmp_path / "ca.pem", list[str]()
    file.write_text(pem(tmp_path / "one"))
    extra = ExtraCa(file, said.append)
    whole = extra.beside(SDK_CA_BUNDLE)
    by_itself = trusted(SDK_CA_BUNDLE)
    assert (trusted(extra.path), trusted(whole)) == (1, by_itself + 1)
    file.write_text(pem(tmp_path / "one") + pem(tmp_path / "two"))
    extra.renew()
    assert (trusted(extra.path), trusted(whole)) == (2, by_itself + 2)
    file.write_text("no certificate at all")
    for _ in range(3):
        extra.renew()
    assert len(said) == 1
    file.unlink()
    extra.renew()
    assert (trusted(extra.path), trusted(whole)) == (2, by_itself + 2)
    extra.close()
