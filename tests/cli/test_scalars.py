"""YAML is read as kubectl reads it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli import manifests
from cli.exit_codes import CommandError
from policy.load import PolicyError, load_texts
from policy.scalars import resolve
from tests import make
from tests.cli.golden_scalars import REFUSED, ask_kubectl, key, rows, value

if TYPE_CHECKING:
    from pathlib import Path

TABLE = [
    (made(text), want)
    for part, made in (("values", value), ("keys", key))
    for text, want in rows()[part]
]
BOTH_WAYS = [text for text, _ in rows()["values"]]


def same(ours: object, kubectls: object) -> bool:
    """As JSON, where a number beyond 64 bits is a double; a truth value is no number."""
    if isinstance(ours, dict) and isinstance(kubectls, dict):
        return ours.keys() == kubectls.keys() and all(same(ours[it], kubectls[it]) for it in ours)
    if isinstance(ours, list) and isinstance(kubectls, list):
        return len(ours) == len(kubectls) and all(map(same, ours, kubectls))
    if isinstance(ours, float) and isinstance(kubectls, int | float):
        return ours == float(kubectls)
    return type(ours) is type(kubectls) and ours == kubectls


@pytest.mark.parametrize(("lines", "want"), TABLE, ids=[ascii(lines.strip()) for lines, _ in TABLE])
def test_a_scalar_is_what_kubectl_reads(lines: str, want: object) -> None:
    """By a table that kubectl made."""
    try:
        found = manifests.read(lines)[0]["v"]
    except yaml.YAMLError:
        found = REFUSED
    assert same(found, want), found


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_the_table_is_kubectls() -> None:
    """The kubectl that is here reads all that the table says is read, and each the same."""
    taken = [(lines, want) for lines, want in TABLE if want != REFUSED]
    whole = "".join(lines.replace("  v:", f"  v{at}:", 1) for at, (lines, _) in enumerate(taken))
    assert ask_kubectl(whole) == {f"v{at}": want for at, (_, want) in enumerate(taken)}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_what_is_written_is_read_back_by_kubectl() -> None:
    """Each text of the table as text, and each value as it was read."""
    values = [want for _, want in TABLE if want != REFUSED]
    spec = {f"v{at}": item for at, item in enumerate([*BOTH_WAYS, *values])}
    written = manifests.write([{"spec": spec}]).removeprefix("spec:\n")
    found = ask_kubectl(written)
    assert {name: item for name, item in spec.items() if not same(item, found[name])} == {}


TOKENS = st.text("0123456789abefnoxyOXTN._+-~:eE", max_size=8)


@given(text=TOKENS)
def test_text_stays_text_whatever_it_looks_like(text: str) -> None:
    """What we write as text is read as text, by the rules of kubectl and by PyYAML's."""
    written = manifests.write([{"v": text}])
    assert manifests.read(written) == [{"v": text}]
    assert yaml.safe_load(written) == {"v": text}


@given(text=TOKENS)
def test_a_plain_scalar_becomes_what_json_has(text: str) -> None:
    """Or is refused."""
    found = resolve(text)
    assert isinstance(found, str | int | float | None)
    try:
        read = manifests.read(f"v: !!str '{text}'\nw: [{{}}, {json.dumps(text)}]\n")
    except yaml.YAMLError:
        return
    assert read == [{"v": text, "w": [{}, text]}]


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "a: .inf": "line 1: this is not YAML: JSON has no inf",
        "a:\n  ~: 1": "line 2: this is not YAML: this cannot be a key",
        "a: !!int b": "line 1: this is not YAML: this is not of type int",
        "a: !!binary é": "line 1: this is not YAML: this is not base64",
    }.items(),
)
def test_what_json_can_not_have_is_named(text: str, said: str, tmp_path: Path) -> None:
    """By line."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=said):
        manifests.load(str(path), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["0o17", "017", "0x0f", "1_5", "15.0"])
def test_policies_in_a_folder_are_read_so_too(written: str) -> None:
    """As those that kubectl applies."""
    text = make.as_file(make.account("prod")).replace("burst: ", f"burst: {written} # ")
    assert load_texts({"a.yaml": text}).accounts["prod"].spec.budget.burst == 15
    with pytest.raises(PolicyError):
        load_texts({"a.yaml": text.replace(written, "12:30")})
