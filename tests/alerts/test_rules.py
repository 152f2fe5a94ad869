"""The alerts, as promtool evaluates them: each fires, and stays quiet for nearly the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.alerts.cases import CASES, HEALTHY
from tests.chart.rendering import CHART
from tests.make.expositions import exported

if TYPE_CHECKING:
    from pathlib import Path

    from tests.alerts.cases import Case

ROOT = CHART.parents[1]
PAGE = "docs/runbooks.md"
FILE = CHART / "files" / "alerts.yaml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
SEVERITIES = {"critical", "warning", "info"}
UNPACKED = ROOT / "build" / "prometheus" / "usr" / "bin"
AGES = ("Secrets", "Freshness", "Provider", "Refresh", "Account", "Restored")
"""What the names of alerts on refreshes and ages begin with."""


def promtool() -> str:
    """Its path; without it the test is skipped."""
    found = shutil.which("promtool", path=str(UNPACKED)) or shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool: make prometheus (Debian's package, unpacked)")
    return found


def run(*words: str) -> None:
    """Promtool, which has to succeed."""
    done = subprocess.run(
        [promtool(), *words], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:6000]


def firing(name: str, case: Case) -> dict[str, Any]:
    """What `ALERTS` has for it."""
    labels = {"alertname": name, "alertstate": "firing", **ALERTS[name]["labels"], **case.labels}
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"labels": f"ALERTS{{{inner}}}", "value": 1}


def unit(
    name: str, series: dict[str, str], *tests: tuple[str, str, list[Any]], step: str = "30s"
) -> dict[str, Any]:
    """One test of promtool: expressions, times and what they give."""
    return {
        "name": name,
        "interval": step,
        "input_series": [
            {"series": key, "values": value} for key, value in {**HEALTHY, **series}.items()
        ],
        "promql_expr_test": [
            {"expr": expression, "eval_time": at, "exp_samples": samples}
            for expression, at, samples in tests
        ],
    }


def evaluate(folder: Path, *tests: dict[str, Any], step: str = "30s") -> None:
    """All of them by one promtool."""
    document = {"rule_files": [str(FILE)], "evaluation_interval": step, "tests": list(tests)}
    file = folder / "tests.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")
    run("test", "rules", str(file))


def test_promtool_reads_the_file_as_it_is() -> None:
    """With every lint."""
    run("check", "rules", "--lint=all", "--lint-fatal", str(FILE))


def test_each_alert_has_a_case() -> None:
    """And no case is for an alert that is gone."""
    assert {name for name, _ in CASES} == ALERTS.keys()


@pytest.mark.parametrize(
    ("name", "case"), CASES, ids=[f"{number}-{name}" for number, (name, _) in enumerate(CASES)]
)
def test_an_alert_fires_and_stays_quiet(name: str, case: Case, tmp_path: Path) -> None:
    """By the series of its case, and by those that are nearly the same."""
    query = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    evaluate(
        tmp_path,
        unit("fires", case.fires, (query, case.at, [firing(name, case)]), step=case.step),
        unit("quiet", case.fires | case.quiet, (query, case.at, []), step=case.step),
        step=case.step,
    )


def test_nothing_fires_for_an_installation_without_trouble(tmp_path: Path) -> None:
    """Not within two hours. The ratio of fresh secrets is 1."""
    ratio = {"labels": "lastgood:secrets_fresh:ratio", "value": 1}
    quiet = [("ALERTS", f"{minutes}m", list[Any]()) for minutes in (5, 61, 119)]
    evaluate(tmp_path, unit("healthy", {}, ("lastgood:secrets_fresh:ratio", "1h", [ratio]), *quiet))


def test_only_one_alert_fires_while_nothing_is_refreshed(tmp_path: Path) -> None:
    """All others about refreshes and ages are silent, whatever Alertmanager is told."""
    others = {
        name: case.fires for name, case in CASES if name.removeprefix("Lastgood").startswith(AGES)
    }
    assert len(others) >= 9
    series = {key: value for fires in others.values() for key, value in fires.items()}
    series["lastgood_newest_attempt_timestamp_seconds"] = "1+300x4000"
    stopped = {"lastgood_newest_attempt_timestamp_seconds": "1x4000"}
    query = f'ALERTS{{alertname=~"Lastgood({"|".join(AGES)}).*",alertstate="firing"}}'
    only = 'ALERTS{alertname="LastgoodNotRefreshing",alertstate="firing",severity="critical"}'
    many = (f"count({query}) > bool 8", "25h", [{"labels": "{}", "value": 1}])
    one = (only, "25h", [{"labels": only, "value": 1}])
    evaluate(
        tmp_path,
        unit("inhibited", series | stopped, (query, "25h", []), one, step="5m"),
        unit("else they fire", series, many, (only, "25h", []), step="5m"),
        step="5m",
    )


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_all_that_is_needed(name: str) -> None:
    """A severity of three, a sentence, one command, and its section of the runbooks."""
    rule = ALERTS[name]
    assert name.startswith("Lastgood")
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["summary"].endswith(".")
    assert re.search(r"\. Look: (kubectl|lastgood) [^\n]+$", rule["annotations"]["description"])
    assert rule["annotations"]["runbook_url"].endswith(f"{PAGE}#{name.lower()}")


def test_no_alert_uses_what_an_app_can_forge() -> None:
    """The agents' metrics come from the pod."""
    assert "lastgood_agent" not in json.dumps(RULES)


def test_every_metric_is_exported() -> None:
    """An alert on a metric that nothing exports never fires."""
    used = {name for rule in RULES for name in re.findall(r"\blastgood_\w+", rule["expr"])}
    assert len(used) > 20
    assert {re.sub(r"_(?:total|bucket|sum|count)$", "", name) for name in used} <= exported()


def test_the_thresholds_of_chart_and_file_are_the_same() -> None:
    """By name and default: who uses the file has what the chart has."""
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    found = re.findall(
        r"^ *([0-9.]+) # threshold (\w+)$", FILE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {name: float(value) for value, name in found} == values["monitoring"]["rules"][
        "thresholds"
    ]
    assert len(found) == len({name for _, name in found})
