"""The keys of a Secret as one JSON object."""

from __future__ import annotations

import json

import pytest

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.cluster import ExternalSecret, SecretObject
from providers.kubernetes.source.secrets import KubernetesSecrets
from providers.protocol import Failed, FetchRequest, Unversioned


class OneSecret:
    """A cluster that has it."""

    def __init__(self, **data: bytes) -> None:
        self._data = {name.replace("_", "."): SecretBytes(value) for name, value in data.items()}

    def secret(self, namespace: str, name: str) -> SecretObject | Failed:
        del namespace, name
        return SecretObject(
            kind="Opaque",
            data=self._data,
            read_at=2.0,
            created_at=1.0,
            written_at=1.0,
            managed=False,
        )

    def external_secrets(self, namespace: str, name: str) -> tuple[ExternalSecret, ...] | None:
        del namespace, name
        return ()


def fetched(**data: bytes) -> Unversioned | Failed:
    """What the source says of a Secret with these keys, `_` for a dot."""
    (result,) = KubernetesSecrets(OneSecret(**data)).fetch([FetchRequest(reference="a/b")]).results
    assert isinstance(result, (Unversioned, Failed))
    return result


def test_a_value_that_is_no_text_stands_in_base64() -> None:
    """Under a name that says so; a text may have such a name too."""
    for found in (fetched(a=b"\xff", b=b"x"), fetched(a_base64=b"/w==", b=b"x")):
        assert isinstance(found, Unversioned)
        assert json.loads(found.value.reveal()) == {"a.base64": "/w==", "b": "x"}


@pytest.mark.parametrize("other", [b"canary-5f1d3c", b"\xfe"])
def test_two_keys_of_one_name_are_no_value(other: bytes) -> None:
    """Both are named, neither is left out. No content is told."""
    found = fetched(a=b"\xff", a_base64=other, b=b"x")
    assert isinstance(found, Failed)
    assert (found.reason, found.code) == (FetchFailure.INVALID, "KeysCollide")
    assert '"a" and "a.base64"' in str(found.what_to_do)
    assert "canary" not in str(found)
