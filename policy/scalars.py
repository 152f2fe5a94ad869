"""YAML as kubectl and the API server read it, into what JSON has.

They read it with sigs.k8s.io/yaml, which resolves a plain scalar by YAML 1.1 as go-yaml version 2
does: `0o17` and `017` are 15, `y` and `on` are true, `12:30` and dates are text. PyYAML differs in
each of these. tests/cli/golden/scalars.json has what kubectl made of a few hundred.
"""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import ConstructorError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_PLAIN = "!lastgood-plain"
"""Of a scalar without quotes and without a tag. No document can name it: it has no place to."""

_WORDS: dict[str, object] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEAST, _MOST, _MOST_UNSIGNED = -(2**63), 2**63 - 1, 2**64 - 1
_TYPES: dict[str, tuple[type, ...]] = {
    _TAG + "int": (int,),
    _TAG + "float": (int, float),
    _TAG + "bool": (bool,),
    _TAG + "null": (type(None),),
}


def resolve(text: str) -> object:
    """What a plain scalar stands for: text, a number, a truth value or None."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _as_float(text, text)
    if text[0] not in "+-0123456789":
        return text
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        number = _as_integer(digits)
        signed = digits[0] in "+-"
        if _LEAST <= number <= (_MOST if signed else _MOST_UNSIGNED):
            return number
    return _as_float(digits, text)


def _as_integer(digits: str) -> int:
    octal = re.fullmatch("([-+]?)0([0-7]+)", digits)
    return int(octal[1] + octal[2], 8) if octal else int(digits, 0)


def _as_float(digits: str, text: str) -> object:
    """Text where it is none, or too large for one."""
    if not _FLOAT.fullmatch(digits):
        return text
    number = float(digits)
    return number if isfinite(number) else text


def _in_json(value: object, node: yaml.Node) -> object:
    """A number as the API server has it after a way through JSON: a whole one is an integer where
    64 bits hold the digits that Go writes, the fewest that tell it from others.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if not isfinite(value):
        raise ConstructorError(None, None, f"JSON has no {value}", node.start_mark)
    whole = int(Decimal(repr(value)))
    return whole if value == int(value) and _LEAST <= whole <= _MOST else float(value)


def _scalar(node: yaml.ScalarNode) -> object:
    tag, text = node.tag, str(node.value)
    if tag == _PLAIN:
        return _in_json(resolve(text), node)
    if tag == _TAG + "binary":
        try:
            return base64.b64decode(text).decode(errors="replace")
        except ValueError:
            raise ConstructorError(None, None, "this is not base64", node.start_mark) from None
    wanted = _TYPES.get(tag)
    if wanted is None:
        return text
    value = resolve(text)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        problem = f"this is not of type {tag.removeprefix(_TAG)}"
        raise ConstructorError(None, None, problem, node.start_mark)
    return _in_json(value, node)


def _key(node: yaml.Node, value: object) -> str:
    """A member's name, which JSON has as text only."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        resolved = resolve(node.value)
        if not isinstance(resolved, int):
            return _shortest(float(node.value.replace("_", "")))
        if resolved <= _MOST:
            return str(resolved)
    raise ConstructorError(None, None, "this cannot be a key", node.start_mark)


def _shortest(number: float) -> str:
    """As Go's strconv.FormatFloat(number, 'g', -1, 64)."""
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    power = len(digits) + int(exponent) - 1
    if -5 < power < 6:  # noqa: PLR2004 - Go's bounds
        return f"{Decimal(repr(number)).normalize():f}"
    first, rest = digits[0], "".join(map(str, digits[1:]))
    point = "." if rest else ""
    return f"{'-' * sign}{first}{point}{rest}e{'-' if power < 0 else '+'}{abs(power):02}"


def _construct(loader: ManifestLoader, _: str, node: yaml.Node) -> Iterator[object]:
    """Any node; a tag says something of scalars only. In two steps, for an alias may stand in what
    it names.
    """
    if isinstance(node, yaml.ScalarNode):
        yield _scalar(node)
    elif isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        yield found
        loader.flatten_mapping(node)
        for key, value in node.value:
            name = _key(key, loader.construct_object(key, deep=True))
            found[name] = loader.construct_object(value)
    else:
        items: list[Any] = []
        yield items
        items.extend(loader.construct_object(item) for item in node.value)


class ManifestLoader(yaml.SafeLoader):
    """For `yaml.load_all`. Raises yaml.YAMLError."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - yaml's own way to say it
        "<": [(_MERGE, re.compile("<<$"))],
        None: [(_PLAIN, re.compile(""))],
    }
    yaml_constructors = {}  # noqa: RUF012 - as above
    yaml_multi_constructors = {None: _construct}  # noqa: RUF012 - as above

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        """`! 1` is text; to PyYAML it is as if the `!` were not there."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.tag == "!":
            event.tag = _TAG + "str"
        return super().compose_scalar_node(anchor)
