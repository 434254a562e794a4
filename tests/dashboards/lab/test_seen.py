"""An address says how a figure is looked at, and may say anything."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from dashboards.lab.seen import as_seen


def figure() -> go.Figure:
    made = go.Figure([go.Scatter(y=[1, 2], name="best"), go.Scatter(y=[2, 3], name="median")])
    return made.update_layout(xaxis={"range": [0, 9]})


def test_what_an_address_hides_and_zooms_is_hidden_and_zoomed():
    wanted = {
        "hidden": "fitness.best,outcomes.median",
        "zoom": "fitness.xaxis:1.5:4,outcomes.yaxis:0:1",
    }
    seen = as_seen(figure(), "fitness", wanted)
    assert [own.visible for own in seen.data] == ["legendonly", None]
    assert list(seen.layout.xaxis.range) == [1.5, 4]
    assert seen.layout.yaxis.range is None


@pytest.mark.parametrize(
    "told",
    [
        "",
        "fitness",
        "fitness.xaxis",
        "fitness.xaxis:1",
        "fitness.xaxis:1:1",
        "fitness.xaxis:nan:1",
        "fitness.xaxis:1:inf",
        "fitness.xaxis:1:2:3",
        "fitness.scene:1:2",
        "fitness.xaxis:" + "9" * 5000,
        "\x00,::,..",
    ],
)
def test_what_makes_no_sense_changes_nothing(told):
    assert as_seen(figure(), "fitness", {"zoom": told, "hidden": told}) == figure()
