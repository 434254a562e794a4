"""A Grafana dashboard of our metrics, put where Ray keeps its own.

A head node of Ray writes dashboards into a folder that its Grafana configuration points at; one
file more there is one dashboard more. It is made from the list of metrics, so that it shows all
of them and none that is not told.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cluster.metrics import COUNTERS, GAUGES, PREFIX, tags_of

FILE = "speciation_grafana_dashboard.json"
FOLDER = Path("metrics") / "grafana" / "dashboards"  # in a session of Ray's
WIDTH, HEIGHT = 12, 8  # of a panel; a row is 24 wide

UNITS = {"best_fitness": "none", "trial_steps_per_second": "ops", "trials_per_second": "ops"}


def series(name: str) -> str:
    """What Prometheus calls a metric: Ray puts its name before, ``_total`` behind counts."""
    return f"ray_{PREFIX}{name}" + ("_total" if name in COUNTERS else "")


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it: a panel a metric, in two columns."""
    told = {**GAUGES, **COUNTERS}
    panels = [_panel(i, name, text) for i, (name, text) in enumerate(told.items())]
    return {
        "uid": "speciation",
        "title": "Speciation",
        "description": "Runs and queue of the speciation cluster.",
        "editable": True,
        "refresh": "10s",
        "schemaVersion": 39,
        "tags": ["ray", "speciation"],
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), _run()]},
        "panels": panels,
    }


def place(session: Path) -> Path:
    """Write the dashboard where a head node's Grafana finds it.

    Args:
        session: Ray's session folder.

    Raises:
        OSError: It cannot be written.
    """
    named = os.environ.get("RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR")
    folder = Path(named) if named else session / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(json.dumps(dashboard(), indent=2), encoding="utf-8")
    return path


def _panel(index: int, name: str, text: str) -> dict[str, Any]:
    by = next((tag for tag in reversed(tags_of(name))), "run")
    chosen = '{run=~"$run"}' if "run" in tags_of(name) else ""
    counts = name in COUNTERS
    expression = f"{series(name)}{chosen}"
    if counts:
        expression = f"rate({expression}[1m])"
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": text.rstrip(".") + (", a second" if counts else ""),
        "description": f"{series(name)}, by {by}",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {
            "x": WIDTH * (index % 2),
            "y": HEIGHT * (index // 2),
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {
            "defaults": {"unit": "ops" if counts else UNITS.get(name, "short"), "min": 0},
            "overrides": [],
        },
        "targets": [
            {
                "refId": "A",
                "expr": f"sum({expression}) by ({by})",
                "legendFormat": f"{{{{{by}}}}}",
            }
        ],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "refresh": 1}


def _run() -> dict[str, Any]:
    query = f"label_values({series('slots')}, run)"
    return {
        "name": "run",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "definition": query,
        "query": {"query": query, "refId": "A"},
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "refresh": 2,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
