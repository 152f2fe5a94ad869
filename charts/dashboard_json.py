"""The chart's Grafana dashboard, from the table in dashboard_panels.py.

`python -m charts.dashboard_json > charts/lastgood/files/dashboard.json` writes the chart's file.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from charts.dashboard_panels import ROWS

if TYPE_CHECKING:
    from charts.dashboard_panels import Panel

SCHEMA = 39
"""The JSON's version. Grafana 11 wrote it first, and newer ones read it."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""Of Grafana's grid."""


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    stat = panel.kind == "stat"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": left, "y": top},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "color": {"mode": "thresholds" if stat else "palette-classic"},
                "thresholds": {
                    "mode": "absolute",
                    "steps": [{"value": value, "color": color} for value, color in panel.steps],
                },
                **({} if stat else {"custom": {"thresholdsStyle": {"mode": _lines(panel)}}}),
            },
            "overrides": [],
        },
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"}
        if stat
        else {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "instant": stat,
                "range": not stat,
            }
            for index, (legend, query) in enumerate(panel.queries)
        ],
    }


def _lines(panel: Panel) -> str:
    return "line" if len(panel.steps) > 1 else "off"


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place, "panels": []}
        )
        top, left = top + 1, 0
        for panel in row:
            if left + panel.width > COLUMNS:
                left, top = 0, top + panel.height
            panels.append(_panel(panel, len(panels) + 1, left, top))
            left += panel.width
        top += row[-1].height
    source = {"name": "datasource", "label": "Data source", "type": "datasource"}
    return {
        "uid": "lastgood",
        "title": "lastgood",
        "description": "How old secrets are, what fails, and which pods wait.",
        "tags": ["lastgood", "secrets"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "templating": {
            "list": [
                {**source, "query": "prometheus", "current": {}},
                _variable("namespace", "label_values(lastgood_snapshots, namespace)"),
                _variable("account", "label_values(lastgood_account_ready, account)"),
            ]
        },
        "panels": panels,
    }


def text() -> str:
    """The chart's file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
