"""A secret value comes out by `reveal` and by no accident."""

from __future__ import annotations

import copy
import inspect
import io
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import asdict, dataclass
from string import Template
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given

from contract.frozen import Record
from contract.secret_bytes import SecretBytes
from tests import make
from tests.properties import strategies

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = f"<secret {len(make.CANARY)} bytes>"


class Holder(Record):
    """A value of ours with a secret in it."""

    secret: SecretBytes


@dataclass(frozen=True, slots=True)
class Slotted:
    """The same outside the start path."""

    secret: SecretBytes


def _printed(secret: SecretBytes) -> str:
    sink = io.StringIO()
    print(secret, "and", secret, file=sink)
    return sink.getvalue()


TEXTS: dict[str, Callable[[Any], str]] = {
    "print": _printed,
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": format,
    "format with a width": lambda secret: format(secret, ">80"),
    "f-string": lambda secret: f"{secret}",
    "f-string with a name": lambda secret: f"{secret=}",
    "f-string of its repr": lambda secret: f"{secret!r:.100}",
    "str.format": "{0} {0!s} {0!r}".format,
    "percent s": lambda secret: "%s" % (secret,),  # noqa: UP031 - the old way is the point
    "percent r": lambda secret: "%r" % (secret,),  # noqa: UP031 - the old way is the point
    "template": lambda secret: Template("$x").substitute(x=secret),
    "in a list": lambda secret: str([secret, (secret,), {"password": secret}]),
    "in a record": lambda secret: repr(Holder(secret=secret)),
    "in a dataclass": lambda secret: repr(Slotted(secret)),
    "in an exception": lambda secret: repr(ValueError("bad value", secret)),
    "pretty": lambda secret: pprint.pformat({"password": secret}),
    "json with default str": lambda secret: json.dumps(secret, default=str),
    "json with default repr": lambda secret: json.dumps({"password": secret}, default=repr),
    "orjson with default str": lambda secret: orjson.dumps([secret], default=str).decode(),
    "its public attributes": lambda secret: str(
        {name: getattr(secret, name) for name in dir(secret) if name != "reveal"}
    ),
    "inspect": lambda secret: str(inspect.getmembers(secret)),
    "its slots": lambda secret: str(
        [SHOWN, *(getattr(secret, name, None) for name in secret.__slots__)]
    ),
}


@pytest.mark.parametrize("way", TEXTS.values(), ids=TEXTS)
def test_p8_no_text_of_it_shows_the_value(canary: SecretBytes, way: Callable[[Any], str]) -> None:
    """What can be shown is that it is a secret and its length."""
    text = way(canary)
    assert make.leaks(text) == []
    assert SHOWN in text


REFUSED: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "pickle, protocol 0": lambda secret: pickle.dumps(secret, protocol=0),
    "pickle in a record": lambda secret: pickle.dumps(Holder(secret=secret)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda secret: copy.deepcopy([secret]),
    "asdict": lambda secret: asdict(Slotted(secret)),
    "reduce": lambda secret: secret.__reduce__(),
    "getstate": lambda secret: secret.__getstate__(),
    "json": json.dumps,
    "json in a dict": lambda secret: json.dumps({"password": secret}),
    "json as a key": lambda secret: json.dumps({secret: 1}),
    "json with default vars": lambda secret: json.dumps(secret, default=vars),
    "orjson": orjson.dumps,
    "vars": vars,
    "as a key": lambda secret: {secret: 1},
    "in a set": lambda secret: {secret},
    "hash": hash,
    "hash in a record": lambda secret: hash(Holder(secret=secret)),
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "list": list,
    "iterate": iter,
    "index": lambda secret: secret[0],
    "slice": lambda secret: secret[:],
    "join": lambda secret: b"".join([secret]),
    "join texts": lambda secret: "".join(iter([secret])),
    "add": lambda secret: b"" + secret,
    "add text": lambda secret: "" + secret,
    "percent b": lambda secret: b"%b" % secret,
    "percent d": lambda secret: "%d" % secret,  # noqa: UP031 - the old way is the point
    "write": lambda secret: io.BytesIO().write(secret),
    "in": lambda secret: b"c" in secret,
    "compare": lambda secret: secret < secret,  # noqa: PLR0124 - whether it can be sorted
    "int": int,
}


@pytest.mark.parametrize("way", REFUSED.values(), ids=REFUSED)
def test_p8_what_would_take_the_value_is_refused(
    canary: SecretBytes, way: Callable[[Any], object]
) -> None:
    """A type error whose text and whose traceback, local variables included, show no value."""
    with pytest.raises(TypeError) as refused:
        way(canary)
    shown = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    assert make.leaks("".join(shown.format())) == []


def test_p8_logging_shows_no_value(canary: SecretBytes, caplog: pytest.LogCaptureFixture) -> None:
    """At every level, as message, as argument and as an attribute of the record."""
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger(__name__)
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        log.log(level, canary)
        log.log(level, "got %s and %r", canary, [canary], extra={"password": canary})
    written = [caplog.text, *(str(vars(record)) for record in caplog.records)]
    assert make.leaks("\n".join(written)) == []
    assert caplog.text.count(SHOWN) == 9


def test_p8_a_traceback_with_locals_shows_no_value(canary: SecretBytes) -> None:
    """Where a crash reporter prints the variables of each frame."""
    held = Holder(secret=canary)
    try:
        held.secret.missing  # type: ignore[attr-defined]  # noqa: B018 - raises
    except AttributeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    assert "held" in text
    assert SHOWN in text
    assert make.leaks(text) == []


@pytest.mark.parametrize("value", [make.CANARY.decode(), bytearray(make.CANARY), None, 7])
def test_only_bytes_are_a_value(value: Any) -> None:  # noqa: ANN401 - of a wrong type
    """The refusal names the type; what was given is in no frame of ours."""
    with pytest.raises(TypeError) as refused:
        SecretBytes(value)
    assert str(refused.value) == f"a secret value is bytes, not {type(value).__name__}"
    assert "value" not in refused.traceback[-1].frame.f_locals


@given(secret=strategies.secrets)
def test_it_is_compared_measured_and_revealed(secret: SecretBytes) -> None:
    """What our own code may do with it."""
    value = secret.reveal()
    assert secret == SecretBytes(value)
    assert secret != SecretBytes(value + b"x")
    assert secret != value
    assert len(secret) == len(value)
    assert bool(secret) == bool(value)
    assert repr(secret) == f"<secret {len(value)} bytes>"


def test_the_search_for_the_canary_finds_it() -> None:
    """Otherwise the tests that lean on it would show nothing."""
    text = make.CANARY.decode()
    for sink in (make.CANARY, text, repr(make.CANARY), json.dumps([text]), make.CANARY.hex()):
        assert make.leaks(sink) != []
    assert make.leaks(SHOWN) == []
