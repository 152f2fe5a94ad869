"""What others wrote, in our messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quoted import ending, printable, shown
from contract.reference import ReferenceRejected
from contract.spelling import suggestion
from providers.references import parse_source

anything = st.text(st.characters(exclude_categories=()), max_size=300)


@given(anything, st.integers(10, 100))
def test_what_is_shown_is_short_and_printable(text: str, most: int) -> None:
    """And is the text itself, where that is so already."""
    found = shown(text, most)
    assert len(found) <= most
    assert found.isascii()
    assert found.isprintable()
    if text.isascii() and text.isprintable() and len(text) <= most:
        assert found == text


@given(anything)
def test_what_is_printable_is_one_line(text: str) -> None:
    """In any language; nothing of it is lost."""
    found = printable(text)
    assert found.isprintable()
    assert found == text or not text.isprintable()


def test_a_long_text_is_not_escaped_as_a_whole() -> None:
    """It may be a megabyte."""
    assert shown("\x1b" * (1 << 20)) == ("\\x1b" * 20)[:77] + "..."


def rejected(raw: str) -> str:
    """Why a reference is; empty where it is not."""
    try:
        parse_source(raw)
    except ReferenceRejected as error:
        return str(error)
    return ""


@given(anything)
def test_nothing_quotes_a_reference_as_it_is(text: str) -> None:
    """A rejection is short and printable, however the reference was written."""
    for raw in (text, f"aws-sm:{text}", f"aws-sm@{text}:/x", f"aws-sm:/x#{text}", f"{text}:/x"):
        rejection = rejected(raw)
        assert rejection.isprintable()
        assert len(rejection) < 500


def test_a_suggestion_is_quoted_too() -> None:
    """The nearest word may be a container's name that nobody has checked yet."""
    assert suggestion("app", ["app\x1b[2J"]) == '. Did you mean "app\\x1b[2J"?'


LEFT = "which a template may have added. Remove it"
QUOTE = "with a quote, which is part of the value. Remove the quotes"
ENDINGS = {
    "follow\n": f". The value ends with a newline, {LEFT}",
    "follow\r\n": f". The value ends with a newline, {LEFT}",
    "follow \n": f". The value ends with a newline, {LEFT}",
    "\nfollow": f". The value starts with a newline, {LEFT}",
    "follow ": f". The value ends with a space or a tab, {LEFT}",
    "\tfollow": f". The value starts with a space or a tab, {LEFT}",
    '"follow"': f". The value starts {QUOTE}",
    "follow'": f". The value ends {QUOTE}",
    "\u201cfollow\u201d": f". The value starts {QUOTE}",
    "follow": "",
    "": "",
    'fol"low': "",
}


@pytest.mark.parametrize(("text", "said"), ENDINGS.items())
def test_what_a_template_left_is_named(text: str, said: str) -> None:
    """White space at an end, or quotes that became part of the value."""
    assert ending(text) == said
