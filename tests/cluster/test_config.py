"""What a run is told: what is accepted, what is hashed, and how a mistake is put into words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.config import (
    ConfigError,
    EvolutionSettings,
    RunConfig,
    load_config,
    make_config,
    presets,
)
from cluster.manifest import settings_of
from speciation.genome.genes import GENES
from speciation.genome.library import save_genome
from speciation.trial.task import TRACKS
from tests.cluster.runs import config
from tests.cluster.synthetic import genome

HALL = Path(__file__).resolve().parents[2] / "genomes" / "hall_of_fame"


def written(folder: Path, text: str, name: str = "mine.yaml") -> str:
    """The path of a file that says so."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


# -- Presets and files --------------------------------------------------------------------


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_called_as_its_file(name):
    assert load_config(name).name == name


def test_an_empty_file_is_a_run_of_defaults_named_after_it(tmp_path):
    plan = load_config(written(tmp_path, "", "Über my Run.yaml"))
    assert plan == RunConfig(name="ber-my-run")
    assert plan.the_horizon() == TRACKS["add97-mb512"].horizon


@pytest.mark.parametrize("name", ["tank", "tank-on", "sprinter", "sniper", "full-sprinter"])
def test_the_preset_of_a_champion_is_still_the_run_that_found_it(name):
    found = json.loads((HALL / f"{name}.json").read_text(encoding="utf-8"))["provenance"]
    assert load_config(f"champion-{name}").run_id() == found["run"]


def test_a_folder_does_not_hide_the_preset_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tank").mkdir()
    assert load_config("tank").evolution.landscape == "tank"


def test_a_file_hides_the_preset_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "evolution: {landscape: sniper}", "tank")
    assert load_config("tank").evolution.landscape == "sniper"


def test_overrides_go_before_the_file_and_none_changes_nothing(tmp_path):
    path = written(tmp_path, "{seed: 3, evolution: {population: 9, generations: 4}}")
    plan = load_config(path, {"seed": None, "evolution.generations": 7, "engine.slots": 5})
    assert (plan.seed, plan.evolution.population) == (3, 9)
    assert (plan.evolution.generations, plan.engine.slots) == (7, 5)


# -- Identity -----------------------------------------------------------------------------

SCIENCE: list[dict[str, Any]] = [
    {"seed": 2},
    {"track": "add97-full"},
    {"horizon": 1025},
    {"model": {"layers": 2}},
    {"engine": {"precision": "float64"}},
    {"engine": {"backend": "torch"}},
    {"ancestors": [{"genes": dict(genome(1).genes)}]},
    {"evolution": {"population": 9}},
    {"evolution": {"radiation": {"dose": 0.2}}},
]
PLACES: list[dict[str, Any]] = [
    {"store": "elsewhere"},
    {"executor": "local"},
    {"address": "10.0.0.1:6379"},
    {"engine": {"slots": 7, "device": "cuda"}},
    {"confirm": {"seeds": 7}},
    {"evolution": {"generations": 99}},
]


@pytest.mark.parametrize("change", SCIENCE, ids=str)
def test_other_science_is_another_run(change):
    assert config(**change).run_id() != config().run_id()


@pytest.mark.parametrize("change", PLACES, ids=str)
def test_where_and_how_long_a_run_runs_leaves_it_the_same_run(change):
    assert config(**change).run_id() == config().run_id()


def test_every_setting_of_evolution_but_its_length_is_science():
    # Ids of runs of the time before these stay.
    options: dict[str, Any] = {
        "racing": {},
        "steady": {},
        "search": "sobol",
        "senescence": False,
    }
    every = EvolutionSettings.model_fields.keys() - {"generations", "budget"}
    assert config().science()["evolution"].keys() == every - options.keys()
    for option, value in options.items():
        told = config(evolution={"population": 16, option: value}).science()["evolution"]
        assert told.keys() == every - options.keys() | {option}


@pytest.mark.parametrize(
    ("evolution", "sentence"),
    [
        ({"search": "tpee"}, "did you mean 'tpe'"),
        ({"search": "random", "steady": {}}, "steady is of evolution, but search is random"),
        ({"search": "cma-es", "racing": {}}, "leave racing away"),
        ({"budget": 1000, "racing": {"fill": True}}, "depends on timing"),
    ],
)
def test_searches_and_options_that_do_not_go_together_are_told(evolution, sentence):
    with pytest.raises(ConfigError, match=sentence):
        config(evolution=evolution)


@pytest.mark.parametrize(
    ("evolution", "sentence"),
    [
        ({"steady": {}, "racing": {}}, "exclude each other"),
        ({"population": 20, "steady": {"brood": 8}}, "whole number of broods of 8"),
        ({"population": 16, "steady": {"brood": 8, "ahead": 2}}, "than the 2 bred ahead"),
        ({"population": 5, "steady": {"brood": 1}, "elites": 2, "aliens": 2}, "no room for"),
    ],
)
def test_broods_that_cannot_be_are_told(evolution, sentence):
    with pytest.raises(ConfigError, match=sentence):
        config(evolution=evolution)


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    """Settings that go together."""
    elites, aliens = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    own_task = {"task": {"modulus": draw(st.sampled_from([7, 97]))}, "horizon": 2000}
    share = st.floats(0, 1)
    return {
        "name": draw(st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True)),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "evolution": {
            "population": elites + aliens + draw(st.integers(2, 9)),
            "elites": elites,
            "aliens": aliens,
            "crossover": draw(st.floats(0, 0.5)),
            "clones": draw(st.floats(0, 0.5)),
            "keep_groups": draw(share),
            "radiation": {"dose": draw(st.floats(1e-9, 1)), "rate": draw(share)},
        },
        "ancestors": [{"genes": dict(genome(draw(st.integers(0, 5))).genes)}],
        **draw(st.sampled_from([{}, {"track": "add97-full"}, own_task])),
    }


@given(settings())
def test_a_manifest_keeps_a_configuration_to_the_last_bit(raw):
    plan = make_config(raw, "test")
    kept = json.loads(json.dumps(settings_of(plan)))
    assert make_config(kept, "manifest") == plan
    assert make_config(kept, "manifest").run_id() == plan.run_id()


def test_trials_are_every_genome_from_every_seed_seed_by_seed():
    plan = config(horizon=700)
    trials = plan.trials([genome(1), genome(2)], [4, 6])
    assert [(t.genome, t.seed) for t in trials] == [
        (genome(1), 4),
        (genome(2), 4),
        (genome(1), 6),
        (genome(2), 6),
    ]
    assert {t.horizon for t in trials} == {700}


# -- Ancestors ----------------------------------------------------------------------------


def test_a_genome_file_is_looked_for_beside_the_configuration(tmp_path):
    save_genome(tmp_path / "eve.json", genome(3))
    plan = load_config(written(tmp_path, "ancestors: [eve.json]"))
    assert plan.ancestors[0].genome() == genome(3)


def test_a_run_is_the_same_whether_its_ancestor_is_named_or_written_out(tmp_path):
    save_genome(tmp_path / "eve.json", genome(3))
    named = load_config(written(tmp_path, "ancestors: [eve.json]"))
    genes = json.dumps(dict(genome(3).genes))
    out = load_config(written(tmp_path, f"ancestors: [{{genes: {genes}}}]"))
    assert named.run_id() == out.run_id()


# -- Mistakes -----------------------------------------------------------------------------

ONE_GENE = json.dumps(dict(genome(1).genes) | {"learning_rate": 99.0})
TEXT_GENE = json.dumps(dict(genome(1).genes) | {"learning_rate": "fast"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sed: 3", "unknown key 'sed'; known here are name, seed, .*; did you mean 'seed'?"),
        ("evolution: {radiaton: 1}", "unknown key 'evolution.radiaton'; known here are popu"),
        ("ancestors: [{gens: 1}]", "ancestors.0.genes is missing"),
        ("ancestors: [{genes: 5}]", "ancestors.0.genes is 5, but must hold keys and values"),
        ("ancestors: [{genes: {}, a: 1}]", "unknown key 'ancestors.0.a'; known .* kind, genes"),
        ("ancestors: [5]", "ancestors.0 is 5, but must be a path to a genome JSON, 'hall_of"),
        ("ancestors: eve.json", "ancestors is 'eve.json', but must be a list"),
        ("ancestors: [eve.json]", "ancestors.0 is 'eve.json', but there is no such genome"),
        (f"ancestors: [{'a' * 5000}]", r"ancestors.0 is 'aaa.*\.\.\., but there is no such"),
        (f"ancestors: [{{genes: {ONE_GENE}}}]", "ancestors.0: .*'learning_rate' .* 99.0"),
        (
            f"ancestors: [{{genes: {TEXT_GENE}}}]",
            "genes.learning_rate is 'fast', but must be a",
        ),
        (
            "seed: 1.0",
            "seed is 1.0, but must be an integer from 0 to 9,223,372,036,854,775,807",
        ),
        ("seed: -1", "seed is -1, but must be an integer from 0 to"),
        ("seed: true", "seed is true, but must be an integer"),
        ("seed: null", "seed is null, but must be an integer"),
        ("name: Mine!", "name is 'Mine!', but must be up to 40 of a-z, 0-9 and -"),
        ("store: 5", "store is 5, but must be text, not empty"),
        ("store: ''", "store is '', but must be text, not empty"),
        ('store: "a\\0b"', r"store is 'a\\x00b', but must be one line of printable text"),
        ("track: 5", "track is 5, but must be one of add97-mb512, add97-full, add113-full"),
        ("track: [a]", r"track is \['a'\], but must be one of add97-mb512"),
        ("track: add97-mb51", "must be one of .*; did you mean 'add97-mb512'?"),
        ("engine: {backend: grph}", "engine.backend is 'grph', but must be one of auto, torch"),
        (
            "engine: {slots: 0}",
            "engine.slots is 0, but must be an integer from 1 to 1,000,000 or",
        ),
        ("task: {symmetric: 1}", "task.symmetric is 1, but must be true or false"),
        ("task: {modulus: 1}", "task.modulus is 1, but must be an integer from 2 to 1,000"),
        ("task: {}", "a task of your own needs a horizon"),
        ("{track: add97-full, task: {}, horizon: 9}", "track and task exclude each other"),
        (
            "horizon: 3",
            r"horizon is 3, but must be a multiple of the evaluation interval \(25 steps",
        ),
        (
            "horizon: 90",
            r"horizon is 90, but must be a multiple of the evaluation interval \(25 steps",
        ),
        (
            "{executor: local, address: '10.0.0.1:6379'}",
            "address is of a Ray cluster, but executor is local; keep one",
        ),
        (
            "evolution: {landscape: sniper, seeds: 2}",
            "evolution: gate is 0.5, but a genome that groks on all of 2 seeds shows a success "
            "bound of 0.34; use more seeds or a lower gate",
        ),
        ("model: {heads: 5}", "model: .*heads must divide d_model, got 5 heads for 32"),
        ("evolution: 3", "evolution is 3, but must hold keys and values"),
        (
            "evolution: {population: 1}",
            "a population of 1 has no room for 2 elites and 0 aliens",
        ),
        (
            "evolution: {gate: 1}",
            "evolution.gate is 1, but must be a number above 0 and below 1",
        ),
        (
            "evolution: {radiation: {dose: .nan}}",
            "evolution.radiation.dose is '.nan', but must be a number above 0 and at most 1",
        ),
        ("[1, 2]", "expected keys and values"),
        ("just text", "expected keys and values"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_key_value_and_remedy(
    tmp_path, text, sentence
):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=sentence.replace("?", r"\?")) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_a_number_that_is_not_finite_is_refused_wherever_it_comes_from():
    with pytest.raises(ConfigError, match="crossover is nan, but must be a number from 0 to 1"):
        make_config({"evolution": {"crossover": float("nan")}}, "x")


@pytest.mark.parametrize(
    ("key", "value", "option"),
    [
        ("engine.slots", -3, "--slots"),
        ("evolution.generations", 0, "--generations"),
        ("name", "No!", "--name"),
        ("store", "", "--store"),
    ],
)
def test_a_mistake_on_the_command_line_names_the_option(key, value, option):
    with pytest.raises(ConfigError, match=f"^{option}: {key} is {value!r}, but must be"):
        load_config("quickstart", {key: value})


@pytest.mark.parametrize("source", ["", "none.yaml", "quickstrat", "a" * 5000, "a/" * 3000])
def test_a_source_that_is_not_there_is_a_sentence(source):
    with pytest.raises(ConfigError, match=r"no file|cannot be read"):
        load_config(source)


keys = st.sampled_from([*RunConfig.model_fields, *EvolutionSettings.model_fields, *GENES, "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "genes", "dose", "modulus"]) | keys, inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_whatever_is_told_is_a_configuration_or_one_sentence(raw):
    sentence = "x: a configuration"
    try:
        make_config(raw, "x")
    except ConfigError as error:
        sentence = str(error)
    assert re.fullmatch(r"x: [^\n]{1,500}", sentence)
