"""A sweep's file, and the command that carries it out."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cluster.config import ConfigError
from cluster.sweep import SWEEPS, genomes_of, settings_of
from speciation.tables.store import Store
from tests.cluster.test_cli_searches import call  # noqa: F401
from tests.cluster.validations import genome_files

TWO: dict[str, Any] = {
    "seeds": 3,
    "base": {"task": {"modulus": 53}, "horizon": 500},
    "rows": {"small": {"model": {"d_ff": 32}}, "large": {"model": {"d_ff": 64}}},
    "columns": {"half": {}, "most": {"task": {"train_fraction": 0.8}}},
}


def written(folder, **changes: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(
        yaml.safe_dump({"genomes": ["x"], **TWO, **changes}, sort_keys=False), encoding="utf-8"
    )
    return str(path)


@pytest.mark.parametrize("name", SWEEPS.names())
def test_those_that_come_with_the_project_can_be_run(name, tmp_path):
    plan = SWEEPS.load(name, {})
    settings = settings_of(plan, name, {})
    assert len(settings) == len(plan.rows) * len(plan.columns)
    kinds = {
        (s.config.the_task(), s.config.the_model(), s.config.engine.precision) for s in settings
    }
    assert len(kinds) == len(settings)
    genomes = genomes_of(plan.genomes, Store(tmp_path), settings[0].config)
    assert len({genome.id for genome in genomes.values()}) == len(genomes) >= 1


@pytest.mark.parametrize(
    ("name", "count"), [("transfer", 18), ("transfer-large", 22), ("published-size", 9)]
)
def test_a_new_champion_does_not_change_what_a_sweep_of_the_records_tries(
    name, count, tmp_path
):
    plan = SWEEPS.load(name, {})
    config = settings_of(plan, name, {})[0].config
    assert len(genomes_of(plan.genomes, Store(tmp_path), config)) == count


def test_a_setting_is_the_base_with_its_row_and_then_its_column_over_it(tmp_path):
    plan = SWEEPS.load(written(tmp_path), {"seeds": 5})
    settings = settings_of(plan, "mine.yaml", {})
    assert plan.seeds == 5
    assert [own.name for own in settings] == [
        "small, half",
        "small, most",
        "large, half",
        "large, most",
    ]
    task, model = settings[1].config.the_task(), settings[1].config.the_model()
    assert (task.modulus, task.train_fraction, model.d_ff) == (53, 0.8, 32)


def test_with_one_column_a_setting_is_called_as_its_row(tmp_path):
    plan = SWEEPS.load(written(tmp_path, columns={"": {}}), {})
    assert [own.name for own in settings_of(plan, "mine", {})] == ["small", "large"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"genomes": []}, "genomes is"),
        ({"seeds": 0}, "seeds is 0"),
        ({"row": {}}, "unknown key 'row'.*did you mean 'rows'"),
        (
            {"rows": {"odd": {"model": {"d_model": 30}}}},
            r"rows\.odd with columns\.half: .*d_model",
        ),
    ],
)
def test_a_mistake_is_a_sentence(changes, sentence, tmp_path):
    with pytest.raises(ConfigError, match=sentence):
        settings_of(SWEEPS.load(written(tmp_path, **changes), {}), "mine.yaml", {})


def test_a_name_that_is_none_is_told():
    with pytest.raises(ConfigError, match="did you mean 'phases'"):
        SWEEPS.load("phase", {})


def test_every_setting_is_trained_and_shown(call, tmp_path):  # noqa: F811
    files = genome_files(tmp_path / "mine", 5)
    path = written(tmp_path, genomes=files, name="mine")
    code, said, _ = call("sweep", path, "--executor", "local", "--json")
    told = json.loads(said)
    assert code == 0
    assert len(told["cells"]) == 5 * 4
    assert len(told["transfer"]) == 6
    assert {cell["seeds"] for cell in told["cells"]} == {3}
    folder = tmp_path / "results" / "sweeps" / "mine"
    assert (folder / "mine.html").is_file()
    assert len((folder / "cells.csv").read_text().splitlines()) == 21
