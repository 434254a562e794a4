"""The dashboard shows every metric, and none that is not told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cluster.grafana import FILE, dashboard, place, series
from cluster.metrics import COUNTERS, GAUGES, TAGS, tags_of


def test_every_metric_has_a_panel_and_every_panel_a_metric():
    shown = [
        re.search(r"ray_speciation_\w+", target["expr"])[0]
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    ]
    assert shown == [series(name) for name in (*GAUGES, *COUNTERS)]


def test_panels_do_not_cover_each_other():
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard()["panels"]}
    assert len(places) == len(dashboard()["panels"])
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(places)


def test_tags_are_few_and_tell_neither_hash_nor_seed():
    tags = {tag for name in (*GAUGES, *COUNTERS) for tag in tags_of(name)}
    assert tags == {"run", "state", "outcome"}
    assert TAGS.keys() <= {*GAUGES, *COUNTERS}


def test_it_is_put_where_ray_keeps_its_own(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR", raising=False)
    path = place(tmp_path)
    assert path == tmp_path / "metrics" / "grafana" / "dashboards" / FILE
    assert json.loads(path.read_text()) == dashboard()


@pytest.mark.ray
def test_the_folder_is_the_one_that_this_ray_uses():
    head = pytest.importorskip("ray.dashboard.modules.metrics.metrics_head")
    source = Path(head.__file__).read_text()
    assert 'os.path.join(self.session_dir, "metrics")' in source
    assert 'os.path.join(self._metrics_root, "grafana")' in source
    assert 'os.path.join(self._grafana_config_output_path, "dashboards")' in source
    assert "RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR" in source


def test_a_folder_that_was_named_goes_before(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR", str(tmp_path / "mine"))
    assert place(tmp_path / "session") == tmp_path / "mine" / FILE
