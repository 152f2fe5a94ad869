"""All secrets of a pod in one file, in a form that every reader of it reads in one way, or not at
all. Imported by an agent whose pod asks for one.

`json`: one object of texts (RFC 8259), by the annotation's `<name>`.

`dotenv`: lines `VARIABLE=value`. A POSIX shell that sources the file, `docker run --env-file`
(docker/cli pkg/kvfile), compose's `env_file` and the dotenv libraries differ in quotes, escapes,
comments and expansions, so none of these is used: a value is written as it is, or it does not fit.
"""

from __future__ import annotations

import json

from contract.plan import DOTENV
from contract.secret_bytes import SecretBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLAIN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!%*+,-./:=?@[]^_{}"
)
"""Bytes that no reader of a line takes for anything but themselves. Not `#`, which begins a comment
for some of them, nor `~`, which a shell expands."""
MOST_LINE = (1 << 16) - 2
"""Bytes of a line, without its end: docker reads lines of up to 64 KiB (bufio.MaxScanTokenSize)."""
GROWTH = 2
SLACK = 64
"""A value in JSON has GROWTH bytes for each of its own and SLACK more at most, so that a cache's
size is known before its values. Only text full of control characters has more.
"""
MOST_NAME = 50
"""Characters of a secret's name (contract.annotations.SECRET)."""

_NAMES = (
    "ARGC ARGV0 AUTO_RESUME BASH BASHOPTS BASHPID CDPATH CHILD_MAX COLUMNS COMPREPLY COMP_CWORD "
    "COMP_KEY COMP_LINE COMP_POINT COMP_TYPE COMP_WORDBREAKS COMP_WORDS COPROC DIRSTACK EGID "
    "ENV EPOCHREALTIME EPOCHSECONDS ERRNO EUID EXECIGNORE FCEDIT FIGNORE FUNCNAME FUNCNEST GID "
    "GLOBIGNORE GROUPS HISTCHARS HISTCMD HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE "
    "HISTTIMEFORMAT HOME HOSTFILE HOSTTYPE IFS IGNOREEOF INPUTRC JOBMAX KEYBOARD_HACK "
    "KEYTIMEOUT KSHEGID KSHGID KSHUID KSH_VERSION LANG LANGUAGE LD_AUDIT LD_BIND_NOT "
    "LD_BIND_NOW LD_DEBUG LD_DEBUG_OUTPUT LD_DYNAMIC_WEAK LD_HWCAP_MASK LD_LIBRARY_PATH "
    "LD_ORIGIN_PATH LD_PRELOAD LD_PROFILE LD_PROFILE_OUTPUT LD_SHOW_AUXV "
    "LD_TRACE_LOADED_OBJECTS LD_USE_LOAD_BIAS LD_VERBOSE LD_WARN LINENO LINES LISTMAX MACHTYPE "
    "MAIL MAILCHECK MAILPATH MAPFILE NLSPATH OLDPWD OPTARG OPTERR OPTIND OSTYPE PATH PGRP "
    "PIPESTATUS POSIXLY_CORRECT PPID PROMPT_COMMAND PROMPT_DIRTRIM PS0 PS1 PS2 PS3 PS4 PWD "
    "RANDOM REPLY SAVEHIST SECONDS SHELL SHELLOPTS SHLVL SRANDOM TERM TIMEFORMAT TMOUT TMPDIR "
    "TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT TTYIDLE UID USER_ID WATCH"
)
_TAKEN = frozenset(_NAMES.split())
_TAKEN_PREFIXES = ("BASH_", "LC_", "ZLE_", "ZSH_")
"""Variables that a shell or the loader owns (POSIX.1-2024 XCU 2.5.3, bash(1), zshparam(1), ksh(1),
mksh(1), ld.so(8)): it refuses them, changes them or changes by them. Not zsh's USERNAME, for every
other reader takes it and secrets are often called so.
"""


def variable(name: str) -> str:
    """The variable of a secret: `DB_PASSWORD` of `db-password`."""
    return name.upper().replace("-", "_").replace(".", "_")


def faults(form: str, names: Iterable[str]) -> dict[str, str]:
    """By the secret's name why its bundle can't be written, whatever its value; none: it can."""
    if form != DOTENV:
        return {}
    found: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name in names:
        wanted = variable(name)
        if wanted[:1].isdigit():
            found[name] = f"the bundle's variable {wanted} would start with a digit"
        elif wanted in _TAKEN or wanted.startswith(_TAKEN_PREFIXES):
            found[name] = f"the bundle's variable {wanted} is reserved by shells"
        elif wanted in owners:
            found[name] = f"the bundle's variable {wanted} is also that of {owners[wanted]}"
        owners.setdefault(wanted, name)
    return found


def fits(form: str, name: str, value: SecretBytes) -> bool:
    """Whether the form can carry the value so that every reader reads it back. An empty one is
    none.
    """
    return _entry(form, name, value) is not None


def encode(form: str, values: Mapping[str, SecretBytes]) -> SecretBytes | None:
    """The whole file, in the order of the names; None: the form can't carry it."""
    entries = [_entry(form, name, values[name]) for name in sorted(values)]
    if faults(form, values) or None in entries:
        return None
    written = [entry for entry in entries if entry is not None]
    if form == DOTENV:
        return SecretBytes(b"".join(entry + b"\n" for entry in written))
    return SecretBytes(b"{" + b",\n ".join(written) + b"}\n")


def room(form: str, max_bytes: Iterable[int]) -> int:
    """Bytes that a bundle of values of up to so many bytes has at most."""
    growth = 1 if form == DOTENV else GROWTH
    return 4 + sum(growth * most + SLACK + MOST_NAME + len('"":,\n ') for most in max_bytes)


def _entry(form: str, name: str, value: SecretBytes) -> bytes | None:
    raw = value.reveal()
    if not raw:
        return None
    return _line(name, raw) if form == DOTENV else _member(name, raw)


def _line(name: str, raw: bytes) -> bytes | None:
    """In zsh `=` at the start of a value and behind a `:` expands (zshexpn(1), 14.7)."""
    line = variable(name).encode() + b"=" + raw
    plain = PLAIN.issuperset(raw) and b":=" not in b":" + raw
    return line if plain and len(line) <= MOST_LINE else None


def _member(name: str, raw: bytes) -> bytes | None:
    try:
        text = json.dumps(raw.decode(), ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return None
    if len(text) > GROWTH * len(raw) + SLACK:
        return None
    return json.dumps(name).encode() + b":" + text
