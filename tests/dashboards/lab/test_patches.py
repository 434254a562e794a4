"""A page is sent what it lacks: a patch leads to the data, whatever was there before."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dashboards.lab.patches import MOST_KEPT, Sent, patch_of

values = st.lists(st.integers(0, 9), max_size=12)
traces = st.fixed_dictionaries({"x": values, "marker": st.fixed_dictionaries({"size": values})})


def patched(figure: dict[str, Any], patch: Any) -> dict[str, Any]:
    """What a browser makes of a patch."""
    figure = copy.deepcopy(figure)
    for own in patch.to_plotly_json()["operations"]:
        place: Any = figure
        *path, last = own["location"]
        for name in path:
            place = place[name]
        if own["operation"] == "Extend":
            place[last].extend(own["params"]["value"])
        else:
            assert own["operation"] == "Assign"
            place[last] = own["params"]["value"]
    return figure


@given(st.lists(traces, min_size=2, max_size=2), st.lists(traces, min_size=2, max_size=2))
def test_a_patch_leads_from_any_data_to_any_other(before, now):
    figure = {"data": copy.deepcopy(before)}
    assert patched(figure, patch_of(before, now)) == {"data": now}
    assert patched(figure, patch_of(None, now)) == {"data": now}


def test_of_longer_data_only_the_end_and_what_changed_is_sent():
    before, now = [{"y": [1, 2, 3, 4]}], [{"y": [1, 2, 3, 5, 6, 7]}]
    told = patch_of(before, now).to_plotly_json()["operations"]
    assert [(own["operation"], own["location"], own["params"]["value"]) for own in told] == [
        ("Assign", ["data", 0, "y", 3], 5),
        ("Extend", ["data", 0, "y"], [6, 7]),
    ]


def test_who_has_seen_all_is_sent_nothing_and_who_is_not_known_all():
    sent, data = Sent(), [{"y": [1, 2, 3]}]
    key = sent.keep(data)
    assert sent.news(key, data) == (None, key)
    for seen in (None, [], {}, "x" * 9999, 1e308):
        told = sent.news(seen, data)[0].to_plotly_json()["operations"]
        assert [own["location"] for own in told] == [["data", 0, "y"]]


def test_only_the_latest_data_are_remembered():
    sent = Sent()
    keys = [sent.keep([{"y": [number]}]) for number in range(MOST_KEPT + 1)]
    first, last = (sent.news(key, [{"y": [99, 99, 99]}])[0] for key in (keys[0], keys[-1]))
    assert [own["operation"] for own in first.to_plotly_json()["operations"]] == ["Assign"]
    assert [own["operation"] for own in last.to_plotly_json()["operations"]][-1] == "Extend"
