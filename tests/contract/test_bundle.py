"""The bundle: what a form carries is read back by all its readers, and nothing else is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract import bundle
from contract.plan import BUNDLES, DOTENV, JSON
from contract.secret_bytes import SecretBytes
from tests.contract.env_file import SHELLS, by_docker, by_docker_client, by_shell
from tests.properties.strategies import secret_names

SIGNS = "".join(map(chr, range(0x21, 0x7F)))
HOSTILE = (
    *(b"'quoted'", b'"quoted"', b"$HOME", b"`id`", b"$(id)", b"a b", b" a", b"a ", b"a\tb", b"#x"),
    *(b"a #x", b"a#x", b"a\nB=c", b"a\n", b"\r", b"a\\", b"a\\n", b"~", b"~/x", b"a:~", b"a;b"),
    *(b"a&b", b"a|b", b"<x", b">x", b"(x)", b"!x", b"*", b"?", b"[a]", b"{a,b}", b"=ls", b"a=b"),
    *(
        b"a:=ls",
        b"a==",
        b"-n",
        b"+x",
        b"%41",
        b"^x^y",
        b"\x00",
        b"\x7f",
        b"\xff",
        b"\x81",
        b"\xc2\xa0x",
    ),
    *(b"a:=ls", b":=ls"),
    *("\u2028".encode(), "é".encode(), "\ufeffx".encode(), b"\x1b[31m", b"export X=y", b"@", b"_"),
    *(b"x" * 65_000, b"x" * 70_000, b'{"a":"b"}', b"1.50", b"-----BEGIN X-----\nMTIz\n"),
)
values = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(SIGNS, max_size=12).map(str.encode),
    st.text(max_size=12).map(str.encode),
    st.binary(max_size=12),
)
secrets = st.dictionaries(secret_names, values, min_size=1, max_size=4)


def as_secrets(found: dict[str, bytes]) -> dict[str, SecretBytes]:
    """As they travel."""
    return {name: SecretBytes(raw) for name, raw in found.items()}


@given(found=secrets)
def test_json_is_read_back_by_json(found: dict[str, bytes]) -> None:
    """Either the value does not fit, or it is a text under the secret's name, exactly."""
    fitting = {
        name: raw for name, raw in found.items() if bundle.fits(JSON, name, SecretBytes(raw))
    }
    for name, raw in found.items():
        lone = bundle.encode(JSON, {name: SecretBytes(raw)})
        assert (lone is None) == (name not in fitting)
    content = bundle.encode(JSON, as_secrets(fitting))
    assert content is not None
    text = content.reveal().decode()
    assert {name: item.encode() for name, item in json.loads(text).items()} == fitting
    most = [len(raw) for raw in fitting.values()]
    assert len(content) <= bundle.room(JSON, most)


@pytest.mark.parametrize("shell", SHELLS)
@given(found=secrets)
@example(found={"a": SIGNS.translate({ord(sign): None for sign in "\"#$&'();<>\\`|~"}).encode()})
@example(found={"a-b": b"1", "a.c": b"2"})
def test_dotenv_is_read_back_by_shells_and_docker(shell: str, found: dict[str, bytes]) -> None:
    """Either a value does not fit, or each reader finds it under its variable, exactly."""
    given_ = {
        name: raw for name, raw in found.items() if bundle.fits(DOTENV, name, SecretBytes(raw))
    }
    for name in bundle.faults(DOTENV, given_):
        del given_[name]
    content = bundle.encode(DOTENV, as_secrets(given_))
    assert content is not None
    wanted = {bundle.variable(name): raw.decode() for name, raw in given_.items()}
    assert by_docker(content.reveal(), quotes=False) == wanted
    assert by_docker(content.reveal(), quotes=True) == wanted
    assert len(content) <= bundle.room(DOTENV, [len(raw) for raw in given_.values()])
    with tempfile.NamedTemporaryFile() as file:
        file.write(content.reveal())
        file.flush()
        assert by_shell(shell, Path(file.name)) == wanted


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker client on this machine")
def test_dotenv_is_read_back_by_the_real_docker_client(tmp_path: Path) -> None:
    """Every sign that fits, first, inside and last, and the longest line."""
    found = {f"s{at}": raw for at, raw in enumerate(HOSTILE)}
    found |= {f"t{at}": f"{sign}x{sign}y{sign}".encode() for at, sign in enumerate(SIGNS)}
    found["long"] = b"x" * (bundle.MOST_LINE - len("LONG="))
    fitting = {
        name: raw for name, raw in found.items() if bundle.fits(DOTENV, name, SecretBytes(raw))
    }
    content = bundle.encode(DOTENV, as_secrets(fitting))
    assert content is not None
    file = tmp_path / BUNDLES[DOTENV]
    file.write_bytes(content.reveal())
    read = by_docker_client(file)
    assert read == {bundle.variable(name): raw.decode() for name, raw in fitting.items()}
    assert "LONG" in read
    for shell in SHELLS:
        assert by_shell(shell, file) == read


@pytest.mark.parametrize("form", BUNDLES)
@pytest.mark.parametrize(
    ("raw", "forms"),
    [
        (b"s3cret", {JSON, DOTENV}),
        (b"YWJj+/==", {JSON, DOTENV}),
        (b"postgres://app:p%40ss@db.prod:5432/app?sslmode=require", {JSON, DOTENV}),
        (b"*?[a]{b,c}!^_-.,:@", {JSON, DOTENV}),
        *((f"a{sign}b".encode(), {JSON}) for sign in "\"#$&'();<>\\`|~ \t\n\r"),
        (b"=x", {JSON}),
        (b"app:=ls", {JSON}),
        (b"app=:x", {JSON, DOTENV}),
        ("é".encode(), {JSON}),
        (b"line\n", {JSON}),
        (b"\x00", {JSON}),
        (b"\x01" * 30, set()),
        (b"\xff", set()),
        (b"", set()),
    ],
)
def test_what_a_form_carries(form: str, raw: bytes, forms: set[str]) -> None:
    """What readers of a line could read in two ways is not written in any."""
    assert bundle.fits(form, "db", SecretBytes(raw)) == (form in forms)
    assert (bundle.encode(form, {"db": SecretBytes(raw)}) is not None) == (form in forms)


def test_the_files() -> None:
    """As the docs show them: by name, and the same bytes for the same values."""
    found = as_secrets({"db-password": b"s3cret", "api.key": b"k"})
    shown = {form: bundle.encode(form, found) for form in BUNDLES}
    assert {form: item.reveal() for form, item in shown.items() if item is not None} == {
        JSON: b'{"api.key":"k",\n "db-password":"s3cret"}\n',
        DOTENV: b"API_KEY=k\nDB_PASSWORD=s3cret\n",
    }
    assert str(shown) == "{'json': <secret 41 bytes>, 'dotenv': <secret 29 bytes>}"


@pytest.mark.parametrize(
    ("names", "faulty"),
    [
        (("a-b", "a.b"), {"a.b": "the bundle's variable A_B is also that of a-b"}),
        (("1x",), {"1x": "the bundle's variable 1X would start with a digit"}),
        (
            ("path", "uid", "bash-env", "lc-x", "gid", "pgrp", "zsh-x"),
            dict.fromkeys(
                ("path", "uid", "bash-env", "lc-x", "gid", "pgrp", "zsh-x"), "is reserved by shells"
            ),
        ),
        (("ld-sdk-key", "user", "username", "host", "hostname", "token"), {}),
    ],
)
def test_names_that_are_no_variables(names: tuple[str, ...], faulty: dict[str, str]) -> None:
    """Known before any value, so the webhook denies them. A JSON member may have any name."""
    found = bundle.faults(DOTENV, names)
    assert found.keys() == faulty.keys()
    assert all(found[name].endswith(why) for name, why in faulty.items())
    assert bundle.faults(JSON, names) == {}
    content = bundle.encode(DOTENV, {name: SecretBytes(b"x") for name in names})
    assert (content is None) == bool(faulty)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_no_variable_of_bash_is_a_secrets() -> None:
    """All that bash sets by itself, or does not read back as it was written, is denied by name."""
    listed = subprocess.run(
        ["bash", "--norc", "-ic", "compgen -v"], env={}, capture_output=True, check=True, timeout=60
    )
    known = [name for name in listed.stdout.decode().split() if name != "_"]
    assert "UID" in known
    script = 'eval "$1=lastgood" && eval "printf %s \\"\\$$1\\""'
    for name in known:
        ran = subprocess.run(
            ["bash", "-c", script, "bash", name],
            env={},
            capture_output=True,
            check=False,
            timeout=60,
        )
        if ran.returncode or ran.stdout != b"lastgood" or ran.stderr:
            assert bundle.faults(DOTENV, [name.lower().replace("_", "-")]), name
