"""The command's arguments, with examples for each verb."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cli.output import DIFF, JSON, NAME, TABLE, TEXT, WIDE, YAML
from cli.settings import IMAGE as IMAGE_VARIABLE
from cli.settings import KUBECONFIG
from cli.usage import Formatter, Parser
from contract.annotations import POLICY_LABEL

if TYPE_CHECKING:
    from cli.settings import Settings

EXIT_CODES = """\
exit codes: 0 done; 1 refused; 2 wrong arguments; 3 saved, but no controller
runs; 4 saved, but not done within --wait; 130 Ctrl-C. Errors are on stderr."""
DESCRIPTION = "Operate the last good versions of secrets, and explain pods that wait for them."
FOOTER = """\
"lastgood VERB --help" shows options and examples. lastgood uses the current
context of your kubeconfig, or the service account of the pod it runs in."""

IMAGE = "lastgood/agent:0.1.0"
RUN_AS = ("lastgood", "pod", "platform")
"""As `api.policy.RUN_AS`, which takes long to import."""
WAIT_S = 10.0
NAME_HELP = "snapshot, its prefix, or provider[@account]:reference"


_Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - it has no public name


class _Verb(NamedTuple):
    help: str
    """For the list of verbs."""
    description: str
    examples: tuple[str, ...]
    outputs: tuple[str, ...]
    """What `-o` takes, the default first."""
    name: str | None = None
    """None, `required` or `optional`: whether it takes a snapshot."""
    version: bool = False
    waits: bool = False

    @property
    def takes(self) -> str:
        name = "[NAME]" if self.name == "optional" else "NAME"
        return f"{name} VERSION" if self.version else name


_CHANGED = (TEXT, JSON, YAML, NAME)

_VERBS = {
    "status": _Verb(
        "show what each snapshot serves, its age, and how many pods use it",
        "Show what each snapshot serves, how old the value is, and how many pods use it.\n"
        "With NAME, also list these pods.",
        (
            "lastgood status -A -o wide",
            "lastgood status aws-sm:/prod/payments/db -n payments",
        ),
        (TABLE, WIDE, JSON, YAML, NAME),
        name="optional",
    ),
    "history": _Verb(
        "list the versions of a snapshot",
        "List the versions of a snapshot: the served one, stored ones, and those that are\n"
        "quarantined (not served, with the reason) or revoked.",
        ("lastgood history aws-sm:/prod/payments/db",),
        (TABLE, JSON, YAML),
        name="required",
    ),
    "refresh": _Verb(
        "fetch a secret now, within the account's rate limit",
        "Ask the controller to fetch the secret now. The account's rate limit applies.\n"
        "If the fetch fails, the last good value stays.",
        (
            "lastgood refresh aws-sm:/prod/payments/db",
            "lastgood refresh lg-prod-payments-db --wait 30",
        ),
        _CHANGED,
        name="required",
        waits=True,
    ),
    "pin": _Verb(
        "serve one version until it is unpinned",
        "Serve one version until it is unpinned. A stored version is served at once, also\n"
        "while the provider is down. Another version is fetched from the provider first.",
        ("lastgood pin aws-sm:/prod/payments/db 3f2a9c1e",),
        _CHANGED,
        name="required",
        version=True,
        waits=True,
    ),
    "unpin": _Verb(
        "serve the newest good version again",
        "Remove the pin. The newest good version is served again.",
        ("lastgood unpin aws-sm:/prod/payments/db",),
        _CHANGED,
        name="required",
        waits=True,
    ),
    "rollback": _Verb(
        "serve the previous good version until a newer one appears",
        "Serve the previous good version until the provider has a newer version than the\n"
        "current one. This also works while the provider is down.",
        ("lastgood rollback aws-sm:/prod/payments/db -n payments",),
        _CHANGED,
        name="required",
        waits=True,
    ),
    "revoke": _Verb(
        "never serve a version again (cannot be undone)",
        "Never serve a version again. Without another good version, the value is removed\n"
        "from all pods. This cannot be undone. It works while the provider is down.",
        ("lastgood revoke aws-sm:/prod/payments/db 3f2a9c1e",),
        _CHANGED,
        name="required",
        version=True,
        waits=True,
    ),
}


def parser(settings: Settings, called: str) -> argparse.ArgumentParser:
    """The parser, with defaults from the environment; `called` is what the user typed."""
    root = Parser(
        prog=called,
        usage=f"{called} VERB [options]",
        description=DESCRIPTION,
        epilog=f"{FOOTER}\n\n{EXIT_CODES}",
        formatter_class=Formatter,
        add_help=False,
    )
    _add_help(root, argparse.SUPPRESS)
    verbs = root.add_subparsers(
        dest="verb", metavar="VERB", required=True, title="verbs", prog=called, parser_class=Parser
    )
    for name, verb in _VERBS.items():
        added = _add(verbs, name, verb, called, verb.takes)
        if verb.name is not None:
            nargs = "?" if verb.name == "optional" else None
            added.add_argument("name", metavar="NAME", nargs=nargs, help=NAME_HELP)
        if verb.version:
            added.add_argument(
                "version", metavar="VERSION", help="version, or a unique prefix of 4 characters"
            )
        _add_cluster(added, everywhere=True)
        if verb.waits:
            _add_wait(added, "wait for the controller")
        _add_output(added, verb.outputs)
        _add_help(added)
    _add_explain(verbs, called)
    _add_render(verbs, called, settings)
    _add_presync(verbs, called, settings)
    _add_policy(verbs, called)
    _add_demo(verbs, called)
    return root


def _add(verbs: _Verbs, name: str, verb: _Verb, called: str, takes: str) -> Parser:
    """`takes`: the arguments that must not be left out, for the first line."""
    examples = "\n".join(f"  {line}" for line in verb.examples)
    return verbs.add_parser(
        name,
        usage=f"{called} {name} {takes}{' ' if takes else ''}[options]",
        help=verb.help,
        description=verb.description,
        epilog=f"examples:\n{examples}\n\n{EXIT_CODES}",
        formatter_class=Formatter,
        add_help=False,
    )


def _add_help(verb: argparse.ArgumentParser, text: str = "show this help") -> None:
    verb.add_argument("-h", "--help", action="help", help=text)


def _add_cluster(
    verb: argparse.ArgumentParser, *, everywhere: bool, namespace: str = "namespace"
) -> None:
    which = verb.add_mutually_exclusive_group()
    which.add_argument(
        "-n", "--namespace", metavar="NS", help=f"{namespace} (default: the context's)"
    )
    if everywhere:
        which.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    _add_place(verb)
    if everywhere:
        _add_system(verb)


def _add_place(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--context", metavar="NAME", help="kubeconfig context (default: the current)")
    verb.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help=f"kubeconfig (default: ${KUBECONFIG}, or ~/.kube/config)",
    )


def _add_system(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--system-namespace", metavar="NS", help="where lastgood runs (default: found by its Lease)"
    )


def _add_output(
    verb: argparse.ArgumentParser, outputs: tuple[str, ...], default: str | None = None
) -> None:
    """The first of `outputs` is the default, unless `default` describes another one."""
    verb.add_argument(
        "-o",
        "--output",
        metavar="FORMAT",
        choices=outputs,
        default=outputs[0] if default is None else None,
        help=f"{', '.join(outputs)} (default: {default or outputs[0]})",
    )


def _add_wait(verb: argparse.ArgumentParser, what: str) -> None:
    verb.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=WAIT_S,
        help=f"{what} up to this long (default: %(default)g)",
    )


def _add_manifests(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        dest="files",
        action="append",
        required=True,
        help="YAML or JSON manifests, - for stdin; repeatable",
    )
    verb.add_argument(
        "--policy",
        metavar="DIR",
        type=Path,
        help="folder with policies (default: those on the cluster)",
    )
    verb.add_argument(
        "--strict", action="store_true", help="fail, not warn, on annotations without effect"
    )
    _add_cluster(verb, everywhere=False, namespace="for manifests without one")


def _add_explain(verbs: _Verbs, called: str) -> None:
    explain = _add(
        verbs,
        "explain",
        _Verb(
            "show why a pod waits or is refused, or why its secrets are stale",
            "Show how far a pod has started. For each of its secrets, show the state, why it\n"
            "blocks the pod or is stale, and what to do.",
            ("lastgood explain web-7d4b9c -n payments", "lastgood explain web-7d4b9c -o json"),
            (),
        ),
        called,
        "POD",
    )
    explain.add_argument("pod", metavar="POD", help="pod, or a workload whose pods are refused")
    _add_cluster(explain, everywhere=False)
    _add_output(explain, (TEXT, JSON, YAML))
    _add_help(explain)


def _add_presync(verbs: _Verbs, called: str, settings: Settings) -> None:
    presync = _add(
        verbs,
        "presync",
        _Verb(
            "create the snapshots that manifests need, before their pods",
            "Print the SecretSnapshots that manifests need. With --apply, create them and\n"
            "wait for their values, so that the secrets are there before the pods.",
            (
                "lastgood presync -f deployment.yaml > snapshots.yaml",
                "kustomize build . | lastgood presync -f - --apply --wait 60",
            ),
            (),
        ),
        called,
        "-f FILE",
    )
    _add_manifests(presync)
    presync.add_argument("--apply", action="store_true", help="create the snapshots on the cluster")
    _add_wait(presync, "wait for values")
    _add_system(presync)
    _add_output(presync, (YAML, JSON, NAME), "yaml; with --apply a table")
    _add_help(presync)
    presync.set_defaults(image=settings.image or IMAGE, run_as=RUN_AS[0])


def _add_render(verbs: _Verbs, called: str, settings: Settings) -> None:
    render = _add(
        verbs,
        "render",
        _Verb(
            "print manifests as the webhook would change them",
            "Print manifests as the webhook would change them. Such pods need no webhook.\n"
            "If a pod would be refused, print only the reasons, on stderr.",
            (
                "lastgood render -f deployment.yaml --policy policy/ -n payments -o diff",
                "kustomize build . | lastgood render -f - | kubectl apply -f -",
            ),
            (),
        ),
        called,
        "-f FILE",
    )
    _add_manifests(render)
    render.add_argument(
        "--image",
        metavar="IMAGE",
        default=settings.image or IMAGE,
        help=f"image of the agent (default: ${IMAGE_VARIABLE})",
    )
    render.add_argument(
        "--run-as",
        metavar="USER",
        choices=RUN_AS,
        default=RUN_AS[0],
        help=f"as the chart's agent.runAs: {', '.join(RUN_AS)}",
    )
    _add_output(render, (YAML, JSON, DIFF))
    _add_help(render)


_POLICY = {
    "test": _Verb(
        "whether a namespace may have references, and by which rule",
        "Show whether a namespace may have references, by which policy, rule and class.\n"
        "The decision is the webhook's own. Exit 1: one is not as --expect says.",
        (
            "lastgood policy test payments aws-sm:/prod/payments/db",
            "lastgood policy test shop aws-sm:/prod/db -f admin/ --expect refused",
        ),
        (TEXT, JSON, YAML),
    ),
    "lint": _Verb(
        "what is probably not meant in policies that are valid",
        "Show what is probably not meant in valid policies: patterns and rules without\n"
        "effect, accounts that do not exist, unused classes. Exit 1: errors.",
        ("lastgood policy lint -f admin/ --strict", "lastgood policy lint -o json"),
        (TABLE, JSON, YAML),
    ),
}


def _add_policy(verbs: _Verbs, called: str) -> None:
    policy = _add(
        verbs,
        "policy",
        _Verb(
            "test and lint policies, from files or from the cluster",
            "Test and lint policies, from files or from the cluster.",
            tuple(verb.examples[0] for verb in _POLICY.values()),
            (),
        ),
        called,
        "ACT",
    )
    _add_help(policy)
    acts = policy.add_subparsers(
        dest="act", metavar="ACT", required=True, title="acts", prog=called, parser_class=Parser
    )
    for name, verb in _POLICY.items():
        takes = "NAMESPACE REFERENCE..." if name == "test" else ""
        act = _add(acts, name, verb, f"{called} policy", takes)
        if name == "test":
            act.add_argument("of", metavar="NAMESPACE", help="namespace of the pods")
            act.add_argument(
                "references",
                metavar="REFERENCE",
                nargs="+",
                help="provider[@account]:reference, as in annotations",
            )
            act.add_argument(
                "--label",
                metavar="KEY=VALUE",
                type=_policy_label,
                help="lastgood.dev/policy=POLICY, instead of the namespace's",
            )
            act.add_argument(
                "--expect",
                metavar="WHAT",
                choices=("allowed", "refused"),
                default="allowed",
                help="allowed or refused (default: allowed)",
            )
        else:
            act.add_argument("--strict", action="store_true", help="exit 1 on warnings too")
        act.add_argument(
            "-f",
            "--filename",
            metavar="PATH",
            dest="files",
            action="append",
            type=Path,
            help="file, folder or - (stdin); repeatable (default: cluster)",
        )
        _add_place(act)
        _add_output(act, verb.outputs)
        _add_help(act)


def _policy_label(text: str) -> str:
    """The policy that the label names."""
    key, _, value = text.partition("=")
    if key != POLICY_LABEL or not value:
        message = f"{text!r} does not decide. Allowed: {POLICY_LABEL}=POLICY"
        raise argparse.ArgumentTypeError(message)
    return value


def _add_demo(verbs: _Verbs, called: str) -> None:
    demo = _add(
        verbs,
        "demo",
        _Verb(
            "run the demo on this machine, with real processes",
            "Start a secret store, webhook, controller and pods on this machine, break the\n"
            "store, and show what pods do. Progress and a table are printed.",
            ("lastgood demo", "lastgood demo --keep"),
            (),
        ),
        called,
        "",
    )
    demo.add_argument(
        "--keep", action="store_true", help="keep it running until Ctrl-C, with a kubeconfig"
    )
    _add_output(demo, (TABLE, JSON, YAML))
    _add_help(demo)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:  # noqa: PLR2004 - an hour
        message = f"{text!r} is not a number of seconds between 0 and 3600"
        raise argparse.ArgumentTypeError(message)
    return seconds
