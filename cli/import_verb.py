"""`lastgood import`: what manifests of other tools come to, as files to review. Nothing is applied,
and no cluster is asked.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from cli import manifests
from cli.conversion.importer import import_manifests
from cli.conversion.options import Given
from cli.conversion.report import FieldOutcome
from cli.exit_codes import CommandError, Exit
from cli.output import DIFF, JSON, TEXT, written

if TYPE_CHECKING:
    import argparse

    from cli.conversion.importer import Imported
    from cli.manifests import Files
    from cli.pod_templates import Manifest
    from cli.terminal import Terminal

NOTHING = "no manifest in these files belongs to a tool that lastgood can replace"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def import_(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Prints it, or writes it into a folder. CommandError."""
    given = Given(
        namespace=arguments.namespace or "default",
        region=arguments.region,
        vault_address=arguments.vault_address,
        role=arguments.vault_role,
    )
    found = import_manifests(_files(arguments.files, terminal), given)
    if arguments.folder is not None:
        _write(arguments.folder, found)
    elif arguments.output == TEXT:
        terminal.say("\n".join(_lines(found, every=True)))
    else:
        terminal.out.write(_printed(found, arguments.output))
    if arguments.output != TEXT:
        for line in _lines(found, every=False):
            terminal.tell(line)
    if found.report.lost() or (arguments.strict and found.report.undecided()):
        return Exit.REFUSED
    return Exit.DONE


def _files(named: list[str], terminal: Terminal) -> Files:
    """A folder stands for all manifests below it."""
    found: Files = []
    for name in named:
        path = Path(name)
        if name != manifests.STDIN and path.is_dir():
            inside = sorted(it for it in path.rglob("*") if it.suffix in _SUFFIXES and it.is_file())
            if not inside:
                raise CommandError(f"{name}: there are no .yaml, .yml or .json files in it")
            found += [(str(it), manifests.load(str(it), terminal.stdin)) for it in inside]
        else:
            found.append((name, manifests.load(name, terminal.stdin)))
    return found


def _lines(found: Imported, *, every: bool) -> list[str]:
    """`every`: also of what was mapped."""
    if not found.report.objects:
        return [NOTHING]
    quiet = frozenset() if every else frozenset({FieldOutcome.MAPPED, FieldOutcome.DROPPED})
    lines = [str(line) for line in found.report.lines if line.level not in quiet]
    return [*lines, found.report.summary()]


def _printed(found: Imported, output: str) -> str:
    after = [item.after for item in found.workloads]
    if output == DIFF:
        return "".join(
            line
            for item in found.workloads
            for line in difflib.unified_diff(
                manifests.write([item.before]).splitlines(keepends=True),
                manifests.write([item.after]).splitlines(keepends=True),
                fromfile=_label(item.before),
                tofile=f"{_label(item.after)} (imported)",
            )
        )
    documents = [*found.accounts, *found.policies, *after]
    if output == JSON:
        report = [line.to_wire() for line in found.report.lines]
        return written(
            {
                "manifests": {"apiVersion": "v1", "kind": "List", "items": documents},
                "report": report,
                "objects": found.report.outcomes(),
            },
            JSON,
        )
    return manifests.write(documents) if documents else ""


def _label(manifest: Manifest) -> str:
    return f"{manifest.get('kind')} {manifests.metadata_of(manifest).get('name')}"


def _write(folder: Path, found: Imported) -> None:
    """Never over a file that is there. CommandError."""
    texts = {
        "admin/accounts.yaml": manifests.write(found.accounts) if found.accounts else "",
        "admin/policies.yaml": manifests.write(found.policies) if found.policies else "",
        "workloads.yaml": (
            manifests.write([item.after for item in found.workloads]) if found.workloads else ""
        ),
        "report.txt": "\n".join(_lines(found, every=True)) + "\n",
    }
    try:
        for name in texts:
            if (folder / name).exists():
                raise CommandError(f"{folder / name} exists. Give a folder without it")
        (folder / "admin").mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if text:
                (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
