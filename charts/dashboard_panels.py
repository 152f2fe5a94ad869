"""The panels of the Grafana dashboard, as a table. `dashboard_json.py` makes the JSON of it.

Grafana replaces `$namespace` and `$account` (regular expressions) and `$__rate_interval`.
"""

from __future__ import annotations

from dataclasses import dataclass

NS = 'namespace=~"$namespace"'
ACCOUNT = 'account=~"$account"'
BOTH = f"{NS}, {ACCOUNT}"
Steps = tuple[tuple[float | None, str], ...]
"""From which value on which colour. None: from the lowest."""
NONE: Steps = ((None, "green"),)
ANY_WARNS: Steps = ((None, "green"), (1, "orange"))
ANY_ALARMS: Steps = ((None, "green"), (1, "red"))
MUST_BE_ONE: Steps = ((None, "red"), (1, "green"))


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `queries`: a legend (empty: none) and PromQL each."""

    title: str
    says: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    steps: Steps = NONE
    kind: str = "timeseries"
    width: int = 8
    height: int = 7


def _stat(title: str, says: str, query: str, steps: Steps, unit: str = "short") -> Panel:
    return Panel(title, says, unit, (("", query),), steps, kind="stat", width=3, height=4)


ELSE_ZERO = "or 0 * max(lastgood_controller_leader == 1)"
"""After a count: 0 where nothing is counted and a leader was scraped. Else there is no data, and a
tile that knows nothing must not look as if all were well.
"""


def _states(state: str) -> str:
    return f'sum(lastgood_snapshots{{{BOTH}, state="{state}"}}) {ELSE_ZERO}'


def _rate(metric: str, by: str, labels: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


FRESH = f'sum(lastgood_snapshots{{{BOTH}, state="Fresh"}}) / sum(lastgood_snapshots{{{BOTH}}})'
OLDEST = f"topk(20, max by (namespace, account) (lastgood_oldest_age_ratio{{{BOTH}}}))"
NEEDED = (
    f"max by (account) (lastgood_account_needed_calls_per_second{{{ACCOUNT}}})"
    f" / max by (account) (lastgood_account_allowed_calls_per_second{{{ACCOUNT}}})"
)
PER_PROCESS = "* on (instance, job) group_left (component) lastgood_build_info"
ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Now",
        (
            _stat(
                "Fresh",
                "The part of snapshots whose value is within its freshness budget.",
                FRESH,
                ((None, "red"), (0.95, "orange"), (0.999, "green")),
                "percentunit",
            ),
            _stat(
                "Stale",
                "Snapshots older than their freshness budget. Pods start from them.",
                _states("Stale"),
                ANY_WARNS,
            ),
            _stat(
                "Expired",
                "Snapshots older than maxAge. A class with onExpired: refuse holds new pods.",
                _states("Expired"),
                ANY_ALARMS,
            ),
            _stat(
                "Never synced",
                "Snapshots without any value. Their pods wait.",
                _states("NeverSynced"),
                ANY_WARNS,
            ),
            _stat(
                "Pods held",
                "Pods that wait at the gate. `lastgood explain POD` says why.",
                f"sum(lastgood_pods_held{{{NS}}}) {ELSE_ZERO}",
                ANY_WARNS,
            ),
            _stat(
                "Accounts not ready",
                "SecretAccounts in use without a login, or with open breaker. `kubectl get sacc`.",
                f"count(max by (account) (lastgood_account_ready{{{ACCOUNT}}}) == 0) {ELSE_ZERO}",
                ANY_ALARMS,
            ),
            _stat(
                "Controllers that lead",
                "Must be 1. With 0 nothing is refreshed and every age grows.",
                "sum(lastgood_controller_leader)",
                ((None, "red"), (1, "green"), (2, "red")),
            ),
            _stat(
                "Webhooks",
                "Webhook replicas that answer a scrape. With 0 annotated pods are refused.",
                'count(lastgood_build_info{component="webhook"}) or vector(0)',
                MUST_BE_ONE,
            ),
        ),
    ),
    (
        "Freshness",
        (
            Panel(
                "Snapshots by state",
                "Demanded snapshots by the state of their status.",
                "short",
                (("{{state}}", f"sum by (state) (lastgood_snapshots{{{BOTH}}})"),),
            ),
            Panel(
                "Oldest age as part of its budget, worst 20",
                "At 1 the budget is used up. `lastgood status -n NAMESPACE` lists the snapshots.",
                "percentunit",
                (
                    (
                        "{{namespace}} {{account}}",
                        OLDEST,
                    ),
                ),
                ((None, "green"), (0.8, "orange"), (1, "red")),
            ),
            Panel(
                "Snapshots with a mark",
                "Restored from a backup, pinned, with a rejected version, or not confirmed by the "
                "last refresh.",
                "short",
                (("{{mark}}", f"sum by (mark) (lastgood_snapshots_marked{{{NS}}})"),),
            ),
        ),
    ),
    (
        "Providers",
        (
            Panel(
                "Requests by code",
                "Requests to secret stores, by account and answer.",
                "reqps",
                (
                    (
                        "{{account}} {{code}}",
                        _rate("lastgood_provider_requests_total", "account, code", ACCOUNT),
                    ),
                ),
            ),
            Panel(
                "Failed refreshes by reason",
                "Refreshes without a new confirmation. Running values stay as they are.",
                "ops",
                (
                    (
                        "{{account}} {{reason}}",
                        _rate(
                            "lastgood_refresh_total",
                            "account, reason",
                            f'{ACCOUNT}, result="failed"',
                        ),
                    ),
                ),
            ),
            Panel(
                "Calls needed, part of the budget",
                "From 1 on, the account's budget is too small for its refresh intervals.",
                "percentunit",
                (
                    (
                        "{{account}}",
                        NEEDED,
                    ),
                ),
                ((None, "green"), (0.9, "orange"), (1, "red")),
            ),
            Panel(
                "Circuit breakers",
                "1: the account's requests failed so often that only a few are tried.",
                "short",
                (
                    (
                        "{{account}}",
                        f"max by (account) (lastgood_account_breaker_open{{{ACCOUNT}}})",
                    ),
                ),
                ANY_ALARMS,
            ),
        ),
    ),
    (
        "Pods",
        (
            Panel(
                "Starts",
                "Pods that started, and of these the ones with a stale value.",
                "ops",
                (
                    ("all", f"sum(rate(lastgood_pods_started_total{{{NS}}}[$__rate_interval]))"),
                    (
                        "stale",
                        f"sum(rate(lastgood_pods_started_stale_total{{{NS}}}[$__rate_interval]))",
                    ),
                ),
            ),
            Panel(
                "Held by reason",
                "Pods that wait at the gate.",
                "short",
                (
                    (
                        "{{namespace}} {{reason}}",
                        f"sum by (namespace, reason) (lastgood_pods_held{{{NS}}})",
                    ),
                ),
                ANY_WARNS,
            ),
            Panel(
                "Failed reloads",
                "Apps that could not be told of a new value. Only where agents are scraped.",
                "ops",
                (
                    (
                        "{{namespace}}",
                        _rate("lastgood_agent_reload_total", "namespace", f'{NS}, result!="ok"'),
                    ),
                ),
            ),
        ),
    ),
    (
        "Webhook",
        (
            Panel(
                "Admissions by verdict",
                "Pods that the API server asked about.",
                "reqps",
                (("{{verdict}}", _rate("lastgood_admission_total", "verdict")),),
            ),
            Panel(
                "Denials and errors by reason",
                "The message of a denial tells the pod's author what is wrong.",
                "reqps",
                (
                    (
                        "{{reason}}",
                        _rate("lastgood_admission_total", "reason", 'verdict=~"denied|error"'),
                    ),
                ),
            ),
            Panel(
                "Admission duration",
                "The API server waits for 5 seconds at most.",
                "s",
                tuple(
                    (
                        f"p{part}",
                        f"histogram_quantile(0.{part}, "
                        + _rate("lastgood_admission_duration_seconds_bucket", "le")
                        + ")",
                    )
                    for part in (50, 99)
                ),
                ((None, "green"), (0.5, "orange"), (5, "red")),
            ),
            Panel(
                "Certificate ends in",
                "Time until the first certificate ends. A leaf is renewed after two thirds.",
                "s",
                (
                    (
                        "{{kind}}",
                        "min by (kind) (lastgood_certificate_not_after_timestamp_seconds) - time()",
                    ),
                ),
                ((None, "red"), (86400, "green")),
            ),
            Panel(
                "CA bundle in sync",
                "0: the API server does not trust the webhook. Only with certificates.mode self.",
                "short",
                (("", "min(lastgood_ca_bundle_in_sync)"),),
                MUST_BE_ONE,
            ),
        ),
    ),
    (
        "Inside",
        (
            Panel(
                "Failed writes",
                "Writes that the API server refused. They are repeated.",
                "ops",
                (("{{what}} {{error}}", _rate("lastgood_writes_failed_total", "what, error")),),
            ),
            Panel(
                "Age of watches",
                "Time since the API server was last heard of. Bookmarks come every minute.",
                "s",
                (("{{resource}}", "max by (resource) (lastgood_watch_staleness_seconds)"),),
                ((None, "green"), (300, "red")),
            ),
            Panel(
                "Refreshes delayed by the rate limit",
                "How often a refresh waited for its account's budget.",
                "ops",
                (
                    (
                        "{{account}}",
                        _rate("lastgood_provider_budget_exhausted_total", "account", ACCOUNT),
                    ),
                ),
            ),
            Panel(
                "Memory",
                "Resident memory per process.",
                "bytes",
                (
                    (
                        "{{component}} {{instance}}",
                        f"process_resident_memory_bytes {PER_PROCESS}",
                    ),
                ),
            ),
            Panel(
                "CPU",
                "CPU seconds per second and process.",
                "short",
                (
                    (
                        "{{component}} {{instance}}",
                        f"rate(process_cpu_seconds_total[$__rate_interval]) {PER_PROCESS}",
                    ),
                ),
            ),
        ),
    ),
)
