"""The command's arguments, with examples for each verb."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cli.settings import IMAGE as IMAGE_VARIABLE
from cli.settings import KUBECONFIG

if TYPE_CHECKING:
    from cli.settings import Settings

EXIT_CODES = """\
exit codes: 0 done; 1 refused, the reason is on stderr; 2 wrong arguments; 3 recorded, but no
controller is running; 4 recorded, but the controller has not done it within --wait; 130 Ctrl-C"""
EXAMPLES = """examples:
  lastgood status --all-namespaces
  lastgood explain web-7d4b9c -n payments
  lastgood rollback aws-sm:/prod/payments/db -n payments
  lastgood presync -f deployment.yaml --apply"""
WHERE = """\
where: the cluster of the kubeconfig's current context, as kubectl finds it, or of the pod that this
runs in"""

IMAGE = "lastgood/agent:0.1.0"
RUN_AS = ("lastgood", "pod", "platform")
"""As `api.policy.RUN_AS`, which takes long to import."""
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
        "lastgood status\nlastgood status --all-namespaces\n"
        "lastgood status aws-sm:/prod/payments/db -n payments --output json",
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


def parser(settings: Settings, called: str) -> argparse.ArgumentParser:
    """The parser, with defaults from the environment; `called` is what the user typed."""
    root = argparse.ArgumentParser(
        prog=called,
        description="Keeps the last good version of every secret beside its pods.",
        epilog=f"{EXAMPLES}\n\n{WHERE}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in _VERBS.items():
        added = _add(verbs, name, verb.says, verb.examples)
        _add_cluster(added, everywhere=True)
        _add_output(added)
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
            _add_wait(added, WAIT_S)
    _add_explain(verbs)
    _add_render(verbs, settings)
    _add_presync(verbs, settings)
    demo = _add(
        verbs,
        "demo",
        "the whole story on this machine, with real processes",
        "lastgood demo\nlastgood demo --keep",
    )
    demo.add_argument(
        "--keep",
        action="store_true",
        help="leave it running afterwards, until Ctrl-C, with a kubeconfig to try commands with",
    )
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


def _add_cluster(verb: argparse.ArgumentParser, *, everywhere: bool) -> None:
    verb.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help=f"default: the files of the variable {KUBECONFIG}, else ~/.kube/config",
    )
    verb.add_argument("--context", metavar="NAME", help="of the kubeconfig; default: its current")
    namespace = "of the snapshots; default: the context's"
    if not everywhere:
        verb.add_argument(
            "-n", "--namespace", metavar="NS", help="of what names none; default: the context's"
        )
        return
    which = verb.add_mutually_exclusive_group()
    which.add_argument("-n", "--namespace", metavar="NS", help=namespace)
    which.add_argument("-A", "--all-namespaces", action="store_true", help="those of all")
    _add_system(verb)


def _add_system(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--system-namespace",
        metavar="NS",
        help="where lastgood is installed; default: where its Lease is found",
    )


def _add_output(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--output", choices=("text", "json"), default="text", help="default: %(default)s"
    )


def _add_wait(verb: argparse.ArgumentParser, default_s: float) -> None:
    verb.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=default_s,
        help="how long to wait until the controller has done it; default %(default)g",
    )


def _add_manifests(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        dest="files",
        action="append",
        required=True,
        help="YAML or JSON with one object or more; - is standard input; may be given again",
    )
    verb.add_argument(
        "--policy",
        metavar="DIR",
        type=Path,
        help="folder with SecretAccount, SecretPolicy and Namespace objects; default: the cluster",
    )
    verb.add_argument(
        "--strict",
        action="store_true",
        help="annotations of lastgood where they have no effect are an error; default: a warning",
    )
    _add_cluster(verb, everywhere=False)


def _add_explain(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = _add(
        verbs,
        "explain",
        "why a pod is held, refused or stale: each of its secrets, and what to do",
        "lastgood explain web-7d4b9c -n payments\nlastgood explain web-7d4b9c --output json",
    )
    explain.add_argument(
        "pod", metavar="POD", help="a pod, or a workload whose pods are refused, by name"
    )
    _add_cluster(explain, everywhere=False)
    _add_output(explain)


def _add_presync(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], settings: Settings
) -> None:
    presync = _add(
        verbs,
        "presync",
        "declare the snapshots that manifests will need, so that they are fetched ahead of pods",
        "lastgood presync -f deployment.yaml > snapshots.yaml\n"
        "lastgood presync -f deployment.yaml --policy policy/ -n payments --output json\n"
        "kustomize build . | lastgood presync -f - --apply --wait 60",
    )
    _add_manifests(presync)
    presync.add_argument(
        "--apply",
        action="store_true",
        help="make them on the cluster, and wait until each has a value; default: print them",
    )
    _add_wait(presync, WAIT_S)
    _add_system(presync)
    presync.add_argument(
        "--output", choices=("yaml", "json"), default="yaml", help="default: %(default)s"
    )
    presync.set_defaults(image=settings.image or IMAGE, run_as=RUN_AS[0])


def _add_render(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], settings: Settings
) -> None:
    render = _add(
        verbs,
        "render",
        "print manifests as the webhook would inject them, so that they need no webhook",
        "lastgood render -f deployment.yaml\n"
        "lastgood render -f deployment.yaml -f job.yaml --policy policy/ -n payments -o diff\n"
        "kustomize build . | lastgood render -f - --policy policy/ | kubectl apply -f -",
    )
    _add_manifests(render)
    render.add_argument(
        "--image",
        default=settings.image or IMAGE,
        help=f"of gate and agent; default: the variable {IMAGE_VARIABLE}, else %(default)s",
    )
    render.add_argument(
        "--run-as",
        choices=RUN_AS,
        default=RUN_AS[0],
        help="the user of gate and agent where a policy has no runAs, as agent.runAs of the chart;"
        " default: %(default)s",
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
