"""The dashboard obeys the rules of Grafana's dashboard-linter, and Prometheus can read its queries.

The linter itself is not used: it needs packages under the AGPL. Left out are its rules on the
variables and matchers `job` and `instance`. The metrics' names say which process they are from, and
installations name jobs differently.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from charts.dashboard_json import dashboard, text
from charts.dashboard_panels import ROWS
from tests.chart.rendering import CHART, named, of_kind, render
from tests.make.expositions import exported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Json = dict[str, Any]
FILE = CHART / "files" / "dashboard.json"
UNPACKED = CHART.parents[1] / "build" / "prometheus" / "usr" / "bin"
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=str(UNPACKED))


def _panels(found: Json) -> list[Json]:
    return [panel for panel in found["panels"] if panel["type"] != "row"]


def _queries(found: Json) -> list[str]:
    return [target["expr"] for panel in _panels(found) for target in panel["targets"]]


def _mistakes(found: Json) -> Iterator[str]:
    """The names of the linter's rules that a dashboard breaks."""
    variables = {each["name"]: each for each in found["templating"]["list"]}
    if variables["datasource"]["type"] != "datasource":
        yield "template-datasource"
    queried = [each for each in variables.values() if each["type"] == "query"]
    if any(each["refresh"] != 2 for each in queried):
        yield "template-on-time-change-reload"
    if any(not re.fullmatch(r"label_values\(\w+, \w+\)", each["definition"]) for each in queried):
        yield "template-label-promql"
    if found["editable"]:
        yield "uneditable-dashboard"
    for panel in _panels(found):
        yield from _mistakes_of_panel(panel)
    for query in _queries(found):
        yield from _mistakes_of_query(query, set(variables))


def _mistakes_of_panel(panel: Json) -> Iterator[str]:
    if panel["datasource"]["uid"] != "${datasource}":
        yield "panel-datasource"
    if not panel["title"] or not panel["description"]:
        yield "panel-title-description"
    if not panel["fieldConfig"]["defaults"]["unit"]:
        yield "panel-units"
    if not panel["targets"]:
        yield "panel-no-targets"


def _mistakes_of_query(query: str, variables: set[str]) -> Iterator[str]:
    if any(window != "$__rate_interval" for window in re.findall(r"\[([^\]]*)\]", query)):
        yield "target-rate-interval"
    counters = r"lastgood_\w+_total|lastgood_\w+_bucket|process_cpu_seconds_total"
    for counter in re.finditer(counters, query):
        if not re.search(r"(?:rate|increase)\($", query[: counter.start()]):
            yield "target-counter-agg"
    if set(re.findall(r"\$(\w+)", query)) - variables - {"__rate_interval"}:
        yield "target-variables"


def test_no_rule_of_the_linter_is_broken() -> None:
    """All that dashboard-linter asks of data source, variables, panels and queries."""
    assert list(_mistakes(dashboard())) == []


def _expr(query: str) -> Callable[[Json], None]:
    def change(found: Json) -> None:
        _panels(found)[0]["targets"][0]["expr"] = query

    return change


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("template-datasource", lambda d: d["templating"]["list"][0].update(type="custom")),
        ("template-on-time-change-reload", lambda d: d["templating"]["list"][1].update(refresh=1)),
        ("template-label-promql", lambda d: d["templating"]["list"][1].update(definition="up")),
        ("uneditable-dashboard", lambda d: d.update(editable=True)),
        ("panel-datasource", lambda d: _panels(d)[3].update(datasource={"uid": "abc"})),
        ("panel-title-description", lambda d: _panels(d)[3].update(description="")),
        ("panel-units", lambda d: _panels(d)[3]["fieldConfig"]["defaults"].update(unit="")),
        ("panel-no-targets", lambda d: _panels(d)[3].update(targets=[])),
        ("target-rate-interval", _expr("sum(rate(lastgood_admission_total[5m]))")),
        ("target-counter-agg", _expr("sum(lastgood_admission_total)")),
        ("target-variables", _expr('lastgood_snapshots{namespace=~"$team"}')),
    ],
)
def test_each_rule_finds_its_mistake(rule: str, change: Callable[[Json], None]) -> None:
    """A rule that never complains would prove nothing."""
    found = copy.deepcopy(dashboard())
    change(found)
    assert rule in set(_mistakes(found))


def test_the_charts_file_is_what_the_table_gives() -> None:
    """`python -m charts.dashboard_json > charts/lastgood/files/dashboard.json` renews it."""
    assert FILE.read_text() == text()


def test_rows_and_places() -> None:
    """The rows of an outage in their order. No two panels cover each other, no id is twice."""
    found = dashboard()
    assert [title for title, _ in ROWS] == [
        "Now",
        "Freshness",
        "Providers",
        "Pods",
        "Webhook",
        "Inside",
    ]
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + across, place["y"] + down)
            for across in range(place["w"])
            for down in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here: make prometheus")
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    """As Grafana sends it: variables replaced. promtool names the mistake otherwise."""
    rules = [
        {"record": f"dashboard:query:{number}", "expr": _as_sent(query)}
        for number, query in enumerate(_queries(dashboard()))
    ]
    assert _promtool(tmp_path / "good.json", rules).returncode == 0
    rules[0]["expr"] += ")"
    assert _promtool(tmp_path / "bad.json", rules).returncode != 0


def _as_sent(query: str) -> str:
    return re.sub(r"\$(?:namespace|account)", ".*", query).replace("$__rate_interval", "2m")


def _promtool(file: Path, rules: list[dict[str, str]]) -> subprocess.CompletedProcess[str]:
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = [PROMTOOL or "promtool", "check", "rules", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_a_tile_that_knows_nothing_is_not_green() -> None:
    """In an outage that stops scraping there is no data. A constant 0 would look as if all were
    well; it may only stand where 0 is bad.
    """
    constant = [query for query in _queries(dashboard()) if "vector(0)" in query]
    assert constant == ['count(lastgood_build_info{component="webhook"}) or vector(0)']


def test_every_metric_is_exported() -> None:
    """A panel of a metric that nothing exports stays empty."""
    named_here = set()
    for query in _queries(dashboard()):
        named_here |= set(re.findall(r"\b(?:lastgood|process)_\w+(?=\b[^=]|$)", query))
    assert {re.sub(r"_(?:total|bucket)$", "", name) for name in named_here} <= exported()


def test_a_sidecar_finds_the_dashboard() -> None:
    """By the usual label, or by another; nothing by default."""
    assert not [item for item in of_kind(render(), "ConfigMap") if "dashboard" in str(item)]
    values = {"monitoring": {"dashboard": {"create": "always"}}}
    found = named(render(values=values), "ConfigMap", "lastgood-dashboard")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["namespace"] == "lastgood-system"
    assert json.loads(found["data"]["lastgood.json"]) == dashboard()


def test_label_annotations_and_namespace_of_the_dashboard() -> None:
    """For a sidecar that was set up otherwise."""
    wanted = {
        "create": "always",
        "labels": {"team": "a"},
        "annotations": {"grafana_folder": "Platform"},
        "namespace": "monitoring",
    }
    values = {"monitoring": {"dashboard": wanted}}
    metadata = named(render(values=values), "ConfigMap", "lastgood-dashboard")["metadata"]
    assert metadata["namespace"] == "monitoring"
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"] == {"grafana_folder": "Platform"}
