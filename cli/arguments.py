"""The command's arguments, with examples for each verb."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

EXIT_CODES = """\
exit codes: 0 done; 1 refused, the reason is on stderr; 2 wrong arguments; 3 recorded, but no
controller is running; 4 recorded, but the controller has not done it within --wait; 130 Ctrl-C"""
EXAMPLES = """examples:
  lastgood render -f deployment.yaml --policy policy/
  lastgood status
  lastgood rollback aws-sm:/prod/payments/db"""

STORE_VARIABLE = "LASTGOOD_STORE"
IMAGE_VARIABLE = "LASTGOOD_IMAGE"
IMAGE = "lastgood/agent:0.1.0"
WAIT_S = 10.0


class _Verb(NamedTuple):
    says: str
    examples: str
    name: str | None = None
    """None, `required` or `optional`: whether it takes a snapshot."""
    version: bool = False
    waits: bool = False


_VERBS = {
    "status": _Verb(
        "what each snapshot serves, how old it is, and who has it",
        "lastgood status\nlastgood status -n payments\n"
        "lastgood status aws-sm:/prod/payments/db --output json",
        name="optional",
    ),
    "history": _Verb(
        "the versions of a snapshot that are known, and what became of them",
        "lastgood history aws-sm:/prod/payments/db",
        name="required",
    ),
    "refresh": _Verb(
        "fetch now, within the account's budget",
        "lastgood refresh aws-sm:/prod/payments/db\nlastgood refresh lg-prod-payments-db --wait 30",
        name="required",
        waits=True,
    ),
    "pin": _Verb(
        "serve one version until unpinned; one that is not held is fetched by name",
        "lastgood pin aws-sm:/prod/payments/db 3f2a9c1e",
        name="required",
        version=True,
        waits=True,
    ),
    "unpin": _Verb(
        "serve the newest good version again",
        "lastgood unpin aws-sm:/prod/payments/db",
        name="required",
        waits=True,
    ),
    "rollback": _Verb(
        "serve the previous good version, until a newer one than today's appears",
        "lastgood rollback aws-sm:/prod/payments/db -n payments",
        name="required",
        waits=True,
    ),
    "revoke": _Verb(
        "never serve a version again, even with nothing to replace it; there is no way back",
        "lastgood revoke aws-sm:/prod/payments/db 3f2a9c1e",
        name="required",
        version=True,
        waits=True,
    ),
}


def parser(store: str | None, image: str | None) -> argparse.ArgumentParser:
    """The parser; `store` and `image` are defaults, None when the environment names none."""
    root = argparse.ArgumentParser(
        prog="lastgood",
        description="Keeps the last good version of every secret beside its pods.",
        epilog=f"{EXAMPLES}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_render(verbs, image)
    for name, verb in _VERBS.items():
        added = _add(verbs, name, verb.says, verb.examples)
        _add_common(added, store)
        if verb.name is not None:
            added.add_argument(
                "name",
                metavar="NAME",
                nargs="?" if verb.name == "optional" else None,
                help="a snapshot: its name, the beginning of it, or provider[@account]:reference",
            )
        if verb.version:
            added.add_argument(
                "version", metavar="VERSION", help="a version, or its first 4 characters or more"
            )
        if verb.waits:
            added.add_argument(
                "--wait",
                metavar="SECONDS",
                type=_seconds,
                default=WAIT_S,
                help="how long to wait until the controller has done it; default %(default)g",
            )
    demo = _add(
        verbs, "demo", "the whole story on this machine, with real processes", "lastgood demo"
    )
    demo.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return root


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, says: str, examples: str
) -> argparse.ArgumentParser:
    shown = "\n".join(f"  {line}" for line in examples.splitlines())
    return verbs.add_parser(
        name,
        help=says,
        description=says[0].upper() + says[1:] + ".",
        epilog=f"examples:\n{shown}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_common(verb: argparse.ArgumentParser, store: str | None) -> None:
    verb.add_argument(
        "--store",
        metavar="DIR",
        type=Path,
        default=Path(store) if store else None,
        required=not store,
        help=f"the controller's store; default: the variable {STORE_VARIABLE}",
    )
    verb.add_argument("-n", "--namespace", metavar="NS", help="only this namespace; default: all")
    verb.add_argument(
        "--output", choices=("text", "json"), default="text", help="default: %(default)s"
    )


def _add_render(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], image: str | None
) -> None:
    render = _add(
        verbs,
        "render",
        "print manifests as the webhook would inject them, so that they need no webhook",
        "lastgood render -f deployment.yaml --policy policy/\n"
        "lastgood render -f deployment.yaml -f job.yaml --policy policy/ -n payments -o diff\n"
        "kustomize build . | lastgood render -f - --policy policy/ | kubectl apply -f -",
    )
    render.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        dest="files",
        action="append",
        required=True,
        help="YAML or JSON with one object or more; - is standard input; may be given again",
    )
    render.add_argument(
        "--policy",
        metavar="DIR",
        type=Path,
        default=Path(),
        help="folder with SecretAccount, SecretPolicy and Namespace objects; default: this folder",
    )
    render.add_argument(
        "-n",
        "--namespace",
        metavar="NS",
        default="default",
        help="of objects that name none; default: %(default)s",
    )
    render.add_argument(
        "--image",
        default=image or IMAGE,
        help=f"of gate and agent; default: the variable {IMAGE_VARIABLE}, else %(default)s",
    )
    render.add_argument(
        "-o",
        "--output",
        choices=("yaml", "diff", "json"),
        default="yaml",
        help="default: %(default)s",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:  # noqa: PLR2004 - an hour
        message = f"{text!r} is not a number of seconds from 0 to 3600"
        raise argparse.ArgumentTypeError(message)
    return seconds
