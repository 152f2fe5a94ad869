"""Field types of the admin's objects, each with the sentence that a wrong value gets."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from contract.quoted import MOST, shown
from contract.snapshot_format import MOST_VERSION
from schema import quantity
from schema.constraints import Text

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), as namespaces are."""

_DURATION = Text(
    pattern="([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?",
    says='a duration must have hours, minutes or seconds, for example "15m", "1h30m" or "90s"',
    least=2,
    most=21,
    never=(("^[0hms]*$", "a duration must be longer than 0s"),),
)
_PAUSE = Text(
    pattern="([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?",
    says='a duration must have hours, minutes or seconds, for example "15m", "1h30m" or "0s"',
    least=2,
    most=21,
)
_QUANTITY = Text(pattern=quantity.PATTERN, says=quantity.SENTENCE, most=32)
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
"""1 to 65535."""
_HOST = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ENDPOINT = rf"https?://({_HOST}([.]{_HOST})*|\[[0-9A-Fa-f:.]+\])(:{_PORT})?"
_MOST_ENDPOINT = 270
_SECRETIVE = frozenset("@?#")
"""A URL with these may hold a password or a token, so it is not quoted."""


def _seconds(value: object) -> float:
    return _told(_DURATION.checked(value if isinstance(value, str) else ""))


def _pause(value: object) -> float | None:
    if value is None:
        return None
    return _told(_PAUSE.checked(value if isinstance(value, str) else ""))


def _told(text: str) -> float:
    units = {"h": 3600, "m": 60, "s": 1}
    return float(sum(int(n) * units[unit] for n, unit in re.findall("([0-9]+)([hms])", text)))


def _quantity(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('a quantity must be text, for example "100m" or "32Mi"')  # noqa: TRY004 - pydantic wants ValueError
    return _QUANTITY.checked(str(value))


def endpoint(*, https: bool, example: str) -> Text:
    """Of a URL without a path. The pattern takes http:// too: where it is wrong, a rule of the
    block says so, and alone.
    """
    schemes = "https://" if https else "http:// or https://"
    allowed = f"{schemes}, a host and optionally a port"

    def helped(value: str) -> str | None:
        if set(value) & _SECRETIVE:
            return None
        scheme, given, rest = value.partition("://")
        host, path, _ = (rest if given else value).partition("/")
        origin = f"{scheme if given and not https else 'https'}://{host}"
        likely = len(origin) <= MOST and (given or "." in host)
        hint = (
            f'. Did you mean "{origin}"?'
            if likely and re.fullmatch(_ENDPOINT, origin)
            else f', for example "{example}"'
        )
        wrong = "has a path" if given and path else "is not a URL" if given else "has no https://"
        return f'"{shown(value)}" {wrong}. Allowed: {allowed}{hint}'

    return Text(
        pattern=_ENDPOINT,
        says=f'a URL must be {allowed}, without a path, for example "{example}"',
        most=_MOST_ENDPOINT,
        helped=helped,
    )


def _yes(value: object) -> bool:
    if value is not True:
        raise ValueError("must be true, or omitted")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_DURATION.schema)]
"""On the wire a duration such as "1h30m"; in the model seconds."""
Pause = Annotated[float, BeforeValidator(_pause), WithJsonSchema(_PAUSE.schema)]
"""As Seconds, and 0s too."""
Label = Annotated[
    str,
    Text(
        pattern=LABEL.pattern,
        says=(
            "must be 1 to 63 characters of a-z, 0-9 and -, and must start and end with a letter or"
            " digit"
        ),
        most=63,
    ),
]
Name = Annotated[
    str,
    Text(
        pattern="[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        says=(
            "a name must be 1 to 253 characters of a-z, 0-9, - and ., and must start and end with a"
            " letter or digit"
        ),
        most=253,
    ),
]
NamespaceGlob = Annotated[
    str,
    Text(
        pattern="[-a-z0-9*]+",
        says=("a namespace must be 1 to 63 characters of a-z, 0-9 and -, with * for any of them"),
        most=63,
    ),
]
Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 0,
            **_QUANTITY.bounds,
        }
    ),
]
Endpoint = Annotated[str, endpoint(https=False, example="https://secrets.example.com:8200")]
File = Annotated[
    str,
    Text(
        pattern="[a-z0-9A-Z_-][a-z0-9A-Z_.-]*(/[a-z0-9A-Z_-][a-z0-9A-Z_.-]*)*",
        says=(
            "a file must be a path relative to /var/run/secrets/lastgood, without a leading /,"
            ' for example "vault/token"'
        ),
        most=256,
    ),
]
"""Below `providers.open_source.FOLDER`, so that an account can name no other file."""
Version = Annotated[
    str,
    Text(
        pattern=r"[ !#-\[\]-~]+",
        says=f'a version must be 1 to {MOST_VERSION} printable ASCII characters, without " and \\',
        most=MOST_VERSION,
    ),
]
"""The provider's name of a version, as `contract.snapshot_format.is_version` has it."""
Property = Annotated[
    str,
    Text(
        pattern="[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,15}",
        says=(
            "a property must be 1 to 251 characters of A-Z a-z 0-9 _ . and -, with / between nested"
            " names"
        ),
        most=251,
    ),
]
"""A member of a JSON object, as pods name it after `#`."""
Yes = Annotated[Literal[True], BeforeValidator(_yes)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
