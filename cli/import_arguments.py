"""The arguments of `lastgood import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import Verb, add_help, add_output, add_verb
from cli.output import DIFF, JSON, TEXT, YAML

if TYPE_CHECKING:
    from cli.options import Verbs

ROLE = "lastgood"


def add_import(verbs: Verbs, called: str) -> None:
    """The verb."""
    verb = add_verb(
        verbs,
        "import",
        Verb(
            "convert manifests of CSI, External Secrets or Vault injectors",
            "Print accounts, policies and annotated pods, from manifests with other tools'\n"
            "secrets. Nothing is applied. stderr: what is lost, why, and what to do (exit 1).",
            (
                "lastgood import -f deploy/ --folder review/",
                "helm template . | lastgood import -f - -n payments -o diff",
            ),
            (),
        ),
        called,
        "-f FILE",
    )
    verb.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        dest="files",
        action="append",
        required=True,
        help="YAML or JSON manifests, a folder, or - for stdin; repeatable",
    )
    verb.add_argument("-n", "--namespace", metavar="NS", help="namespace if none is set")
    verb.add_argument("--region", metavar="NAME", help="AWS region if none is set")
    verb.add_argument("--vault-address", metavar="URL", help="address of Vault if none is set")
    verb.add_argument(
        "--vault-role",
        metavar="ROLE",
        default=ROLE,
        help=f"role of the controller in Vault (default: {ROLE})",
    )
    verb.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        help="write files there, with the whole report, instead of printing",
    )
    verb.add_argument(
        "--strict", action="store_true", help="exit code 1 also if something is to be decided"
    )
    add_output(verb, (YAML, JSON, DIFF, TEXT))
    add_help(verb)
