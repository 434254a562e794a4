"""Which run it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from dashboards.figures.provenance import draw_config, draw_facts, run_facts
from dashboards.run import Rules, RunTables
from speciation.trial.task import Task

NOTHING = pd.DataFrame()
MANIFEST = {
    "name": "tank",
    "status": "finished",
    "devices": ["H100", "H200"],
    "created": "2026-11-24T15:17:25+00:00",
    "provenance": {"commit": "abc", "versions": {"torch": "2.9", "ray": "2.60"}},
    "config": {
        "track": "add97-mb512",
        "model": {"layers": 1, "d_model": 32, "heads": 4, "d_ff": 64},
        "engine": {"precision": "float32"},
        "evolution": {
            "population": 16,
            "seeds": 3,
            "generations": 5,
            "selection": "tournament3",
            "elites": 2,
            "aliens": 1,
        },
    },
}


def tables(manifest: dict[str, Any], trials: pd.DataFrame = NOTHING) -> RunTables:
    """A run of which only this is known."""
    rules = Rules("tank", 0.5, 0.5, 8, 600)
    empty = (NOTHING, trials, NOTHING, None, False, NOTHING, NOTHING, ())
    return RunTables("tank-0f", manifest, rules, *empty)


def test_a_run_is_told_in_words():
    told = run_facts(tables(MANIFEST, pd.DataFrame([asdict(Task())])))
    assert told == {
        "run": "tank-0f",
        "name": "tank",
        "status": "finished",
        "task": "a + b mod 97; 50 % of all pairs to learn from, 512 pairs a step "
        "(track add97-mb512)",
        "model": "1 layer, width 32, 4 heads, feed-forward 64",
        "landscape": "tank: the surest to grok: the greatest lower bound of the success rate",
        "horizon": "600 steps",
        "population": "16 genomes × 3 seeds × 5 generations",
        "selection": "tournament3, 2 elites, 1 alien",
        "devices": "H100, H200",
        "arithmetic": "float32",
        "created": "2026-11-24 15:17:25 UTC",
        "commit": "abc",
        "versions": "torch 2.9, ray 2.60",
    }


def test_before_the_first_trial_the_track_has_its_name():
    assert run_facts(tables(MANIFEST))["task"] == "track add97-mb512"


def test_what_a_manifest_lacks_or_garbles_is_left_out():
    garbled = {
        "devices": 5,
        "provenance": "none",
        "config": {"model": {"layers": "many"}, "evolution": []},
    }
    for manifest in ({}, garbled):
        assert run_facts(tables(manifest)).keys() == {"run", "landscape", "horizon"}


def test_facts_and_configuration_are_words():
    assert draw_facts({"<a>": "<b>"}) == (
        '<dl class="run"><dt>&lt;a&gt;</dt><dd>&lt;b&gt;</dd></dl>'
    )
    page = draw_config({"name": "</pre><script>"})
    assert "&quot;name&quot;: &quot;&lt;/pre&gt;&lt;script&gt;&quot;" in page
    assert page.startswith("<details><summary>")
