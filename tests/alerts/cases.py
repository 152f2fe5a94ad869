"""For each alert: series that make it fire, and series that nearly do, as promtool writes them."""

from __future__ import annotations

from dataclasses import dataclass, field

FOREVER = 4_000
"""Samples: longer than any test looks at."""
ON, OFF = f"1x{FOREVER}", f"0x{FOREVER}"
DAY_S = 86_400

HEALTHY = {
    'lastgood_controller_leader{pod="one"}': ON,
    'lastgood_controller_leader{pod="two"}': OFF,
    'lastgood_build_info{component="webhook",version="1"}': ON,
    'lastgood_build_info{component="controller",version="1"}': ON,
    "lastgood_newest_attempt_timestamp_seconds": f"1+30x{FOREVER}",
    "lastgood_smallest_budget_seconds": f"130x{FOREVER}",
    'lastgood_snapshots{namespace="pay",account="aws",state="Fresh"}': f"9x{FOREVER}",
    'lastgood_snapshots{namespace="pay",account="aws",state="Stale"}': OFF,
    'lastgood_refresh_total{account="aws",result="unchanged",reason="none"}': f"0+3x{FOREVER}",
    'lastgood_account_breaker_open{account="aws"}': OFF,
    'lastgood_account_ready{account="aws"}': ON,
    'lastgood_account_needed_calls_per_second{account="aws"}': f"5x{FOREVER}",
    'lastgood_account_allowed_calls_per_second{account="aws"}': f"10x{FOREVER}",
    'lastgood_pods_started_total{namespace="pay"}': f"0+1x{FOREVER}",
    'lastgood_pods_started_stale_total{namespace="pay"}': OFF,
    'lastgood_pods_held{namespace="pay",reason="expired"}': OFF,
    "lastgood_watch_staleness_seconds"
    '{service="lastgood-controller",resource="pods"}': f"59x{FOREVER}",
    'lastgood_admission_total{verdict="patched",reason="none"}': f"0+100x{FOREVER}",
    'lastgood_admission_duration_seconds_bucket{le="0.01"}': f"0+100x{FOREVER}",
    'lastgood_admission_duration_seconds_bucket{le="1"}': f"0+100x{FOREVER}",
    'lastgood_admission_duration_seconds_bucket{le="+Inf"}': f"0+100x{FOREVER}",
    'lastgood_certificate_not_after_timestamp_seconds{kind="leaf"}': f"{20 * DAY_S}x{FOREVER}",
    'lastgood_certificate_not_after_timestamp_seconds{kind="ca"}': f"{365 * DAY_S}x{FOREVER}",
    "lastgood_ca_bundle_in_sync": ON,
    'lastgood_invalid_objects{kind="SecretPolicy"}': OFF,
}
"""An installation without trouble. No alert fires for it, not within two hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way for one alert to fire."""

    fires: dict[str, str]
    """Series, in place of those of HEALTHY or besides them. An empty one has no sample."""
    at: str
    """When it fires."""
    labels: dict[str, str] = field(default_factory=dict)
    """Of the firing alert, besides its name and severity."""
    quiet: dict[str, str]
    """Series, in place of those of `fires`: nearly the same, and the alert stays quiet."""
    step: str = "30s"
    """Between two samples, and two evaluations."""


def _state(state: str, values: str) -> dict[str, str]:
    return {f'lastgood_snapshots{{namespace="pay",account="aws",state="{state}"}}': values}


def _of_state(state: str, at: str, late: int) -> Case:
    """A state of snapshots; quiet if it began only `late` samples before the alert would fire."""
    labels = {"namespace": "pay"}
    return Case(
        fires=_state(state, "0x20 2x900"),
        at=at,
        labels=labels,
        quiet=_state(state, f"0x{late} 2x900"),
    )


def _of_mark(mark: str, at: str, late: int, step: str = "30s") -> Case:
    series = f'lastgood_snapshots_marked{{namespace="pay",mark="{mark}"}}'
    return Case(
        fires={series: f"0x20 1x{FOREVER}"},
        at=at,
        labels={"namespace": "pay"},
        quiet={series: f"0x{late} 1x{FOREVER}"},
        step=step,
    )


def _one(series: str, fires: str, quiet: str, at: str, **labels: str) -> Case:
    return Case(fires={series: fires}, at=at, labels=labels, quiet={series: quiet})


LEADER = 'lastgood_controller_leader{pod="one"}'
ATTEMPT = "lastgood_newest_attempt_timestamp_seconds"
FAILED = 'lastgood_refresh_total{account="aws",result="failed",reason="unavailable"}'
DENIED = 'lastgood_refresh_total{account="aws",result="failed",reason="denied"}'
BREAKER = 'lastgood_account_breaker_open{account="aws"}'
READY = 'lastgood_account_ready{account="aws"}'
FRESH = 'lastgood_snapshots{namespace="pay",account="aws",state="Fresh"}'
STALE = 'lastgood_snapshots{namespace="pay",account="aws",state="Stale"}'
STARTED_STALE = 'lastgood_pods_started_stale_total{namespace="pay"}'
LEAF = 'lastgood_certificate_not_after_timestamp_seconds{kind="leaf"}'
CA = 'lastgood_certificate_not_after_timestamp_seconds{kind="ca"}'
WEBHOOK = 'lastgood_build_info{component="webhook",version="1"}'
CONTROLLER = 'lastgood_build_info{component="controller",version="1"}'
REJECTIONS = (
    "apiserver_admission_webhook_rejection_count"
    '{name="pods.lastgood.dev",error_type="%s",type="admit"}'
)

CASES: list[tuple[str, Case]] = [
    # Nobody leads, though both replicas can be scraped; quiet for a change of the leader.
    ("LastgoodNotRefreshing", _one(LEADER, "1x20 0x200", "1x20 0x6 1x200", "20m")),
    # The leader is there, and asks nothing.
    ("LastgoodNotRefreshing", _one(ATTEMPT, "1+30x40 1200x200", f"1+30x{FOREVER}", "40m")),
    # Its series are gone, with all replicas.
    (
        "LastgoodNotRefreshing",
        Case(
            fires={LEADER: "1x20 stale", 'lastgood_controller_leader{pod="two"}': "0x20 stale"},
            at="20m",
            quiet={LEADER: ON},
        ),
    ),
    ("LastgoodProviderFailing", _one(FAILED, "0+9x900", "0+1x900", "40m", account="aws")),
    (
        "LastgoodProviderFailing",
        _one(BREAKER, "0x20 1x900", "0x20 1x20 0x900", "40m", account="aws"),
    ),
    ("LastgoodRefreshDenied", _one(DENIED, "0+1x900", "0+1x10 10x900", "60m", account="aws")),
    (
        "LastgoodAccountNotReady",
        Case(fires={READY: "0x900"}, at="20m", labels={"account": "aws"}, quiet={BREAKER: "1x900"}),
    ),
    (
        "LastgoodBudgetTooSmall",
        _one(
            'lastgood_account_needed_calls_per_second{account="aws"}',
            "9.5x900",
            "8.9x900",
            "20m",
            account="aws",
        ),
    ),
    (
        "LastgoodWritesFailing",
        _one(
            'lastgood_writes_failed_total{what="snapshot",error="Forbidden"}',
            "0+1x900",
            "0+1x3 3x900",
            "30m",
            what="snapshot",
            error="Forbidden",
        ),
    ),
    (
        "LastgoodWatchStale",
        _one(
            'lastgood_watch_staleness_seconds{service="lastgood-controller",resource="pods"}',
            "0+30x900",
            "0x4 299x900",
            "30m",
            service="lastgood-controller",
            resource="pods",
        ),
    ),
    ("LastgoodSecretsStale", _of_state("Stale", "25m", 40)),
    ("LastgoodSecretsExpired", _of_state("Expired", "12m", 23)),
    ("LastgoodSecretsNeverSynced", _of_state("NeverSynced", "30m", 40)),
    ("LastgoodSecretsUnconfirmed", _of_mark("unconfirmed", "45m", 60)),
    ("LastgoodForeignSecret", _of_state("Foreign", "30m", 40)),
    ("LastgoodVersionRejected", _of_mark("rejecting", "12m", 23)),
    ("LastgoodRestored", _of_mark("restored", "45m", 60)),
    ("LastgoodPinnedLong", _of_mark("pinned", "8d", 100, step="30m")),
    (
        "LastgoodSnapshotAlarm",
        _one(
            'lastgood_snapshot_alarms_total{kind="revoked"}',
            "0x20 1x900",
            "1x900",
            "15m",
            kind="revoked",
        ),
    ),
    (
        "LastgoodPolicyRefuses",
        _one(
            'lastgood_snapshots_refused{reason="not-allowed"}',
            "0x20 3x900",
            "0x40 3x900",
            "30m",
            reason="not-allowed",
        ),
    ),
    # A tenth is stale for an hour; quiet for a hundredth.
    (
        "LastgoodFreshnessBurn",
        Case(
            fires={FRESH: "9x900", STALE: "1x900"},
            at="2h",
            quiet={FRESH: "199x900", STALE: "1x900"},
        ),
    ),
    # 0.5 % for a day is five times too fast; 0.05 % is not too fast.
    (
        "LastgoodFreshnessBurnSlow",
        Case(
            fires={FRESH: f"995x{FOREVER}", STALE: f"5x{FOREVER}", ATTEMPT: f"1+300x{FOREVER}"},
            at="30h",
            step="5m",
            quiet={FRESH: f"1999x{FOREVER}", STALE: ON},
        ),
    ),
    (
        "LastgoodPodsHeld",
        _one(
            'lastgood_pods_held{namespace="pay",reason="expired"}',
            "0x20 1x900",
            "0x40 1x900",
            "25m",
            namespace="pay",
            reason="expired",
        ),
    ),
    (
        "LastgoodPodsStartedStale",
        _one(STARTED_STALE, "0x20 1x900", "1x900", "15m", namespace="pay"),
    ),
    # The counter begins with the first pod.
    (
        "LastgoodPodsStartedStale",
        _one(STARTED_STALE, "_x100 1x900", "1x900", "51m", namespace="pay"),
    ),
    (
        "LastgoodWebhookDown",
        _one(WEBHOOK, "1x20 stale", "1x20 _x2 1x900", "15m", component="webhook"),
    ),
    (
        "LastgoodWebhookUnreachable",
        Case(
            fires={REJECTIONS % "calling_webhook_error": "0+1x900"},
            at="20m",
            quiet={
                REJECTIONS % "calling_webhook_error": "0x900",
                REJECTIONS % "no_error": "0+1x900",
            },
        ),
    ),
    # Who sends rubbish gets a 400, and pages nobody.
    (
        "LastgoodWebhookErrors",
        Case(
            fires={'lastgood_admission_total{verdict="error",reason="500"}': "0+2x900"},
            at="30m",
            quiet={
                'lastgood_admission_total{verdict="error",reason="500"}': "0x900",
                'lastgood_admission_total{verdict="error",reason="400"}': "0+90x900",
            },
        ),
    ),
    (
        "LastgoodWebhookSlow",
        _one(
            'lastgood_admission_duration_seconds_bucket{le="0.01"}', "0+90x900", "0+100x900", "30m"
        ),
    ),
    (
        "LastgoodCertificateExpires",
        _one(LEAF, f"{DAY_S}x900", f"{3 * DAY_S}x900", "30m", kind="leaf"),
    ),
    (
        "LastgoodCertificateExpires",
        _one(CA, f"{89 * DAY_S}x900", f"{91 * DAY_S}x900", "30m", kind="ca"),
    ),
    ("LastgoodCABundleOutOfSync", _one("lastgood_ca_bundle_in_sync", "0x900", "0x10 1x900", "30m")),
    (
        "LastgoodReloadFailing",
        _one(
            'lastgood_reload_failures_total{what="certificate"}',
            "0+1x900",
            "0x10 1x900",
            "40m",
            what="certificate",
        ),
    ),
    (
        "LastgoodObjectsUnreadable",
        _one(
            'lastgood_invalid_objects{kind="SecretPolicy"}',
            "1x900",
            "1x8 0x900",
            "30m",
            kind="SecretPolicy",
        ),
    ),
    (
        "LastgoodVersionSkew",
        _one(
            'lastgood_build_info{component="controller",version="2"}', "1x900", "1x100 stale", "90m"
        ),
    ),
]
