"""``speciation compare`` and ``epistasis`` as people meet them."""

from __future__ import annotations

import json

import pytest
import yaml

from cluster.cli import main
from cluster.compare import about, carried_out, keep
from cluster.comparison import COMPARISONS, entries
from cluster.local_executor import LocalExecutor
from speciation.tables.files import open_files
from tests.cluster.runs import FAST
from tests.cluster.synthetic import PLAN
from tests.cluster.test_comparison import PLAIN
from tests.cluster.validations import genome_files


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the program in this process, on synthetic engines, in a folder of its own."""
    monkeypatch.setattr(
        "cluster.local_executor.LocalExecutor", lambda plan: LocalExecutor(plan, FAST)
    )
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["speciation", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


# -- Comparisons --------------------------------------------------------------------------


@pytest.fixture
def compared(tmp_path):
    """A comparison of which every repeat has ended, carried out in this process."""
    path = tmp_path / "mine.yaml"
    small = PLAIN | {"name": "mine", "repeats": 1, "budget": 9_000, "checkpoints": 1}
    path.write_text(yaml.safe_dump(small), encoding="utf-8")
    root = str(tmp_path / "results" / "comparisons" / "mine")
    for entry in entries(COMPARISONS.load(str(path), {}), "mine.yaml", root, {}):
        rows = carried_out(entry, LocalExecutor(PLAN, FAST))
        keep(entry, about(entry) | {"failure": None, "rows": rows}, open_files(root))
    return path


def test_a_comparison_that_has_ended_is_shown_and_nothing_is_trained(call, compared, tmp_path):
    code, said, _ = call("compare", "mine.yaml")
    assert code == 0
    assert "2 of 2 repeats have ended" in said
    assert "reference" in said
    report = tmp_path / "results" / "comparisons" / "mine" / "report"
    assert {path.name for path in report.iterdir()} == {
        "mine.html",
        "found.json",
        "champions.csv",
        "arms.csv",
    }


def test_a_comparison_prints_json_for_programs(call, compared):
    code, said, _ = call("compare", "mine.yaml", "--json")
    told = json.loads(said)
    assert code == 0
    assert {arm["arm"] for arm in told["arms"]} == {"evolution", "random"}
    assert told["comparison"]["budget"] == 9_000


@pytest.mark.parametrize("part", ["0/2", "3/2", "2", "a/b"])
def test_a_part_that_is_none_is_told(call, compared, part):
    code, _, complaint = call("compare", "mine.yaml", "--part", part)
    assert code == 2
    assert "must be K/N with K from 1 to N" in complaint


# -- Epistasis ----------------------------------------------------------------------------


def test_combinations_are_trained_once_and_shown(call, tmp_path):
    one, other = genome_files(tmp_path / "mine", 2)
    words = ("epistasis", one, other, "--seeds", "4", "--executor", "local")
    code, said, _ = call(*words)
    assert code == 0
    assert "combinations: 512 of 512 trials to train" in said
    assert "128 combinations on 4 seeds" in said
    assert (tmp_path / "results" / "epistasis" / "epistasis.html").is_file()
    code, said, _ = call(*words, "--device", "cuda", "--json")  # whether there is one or not
    told = json.loads(said)
    assert (told["seeds"], len(told["pairs"]), len(told["effects"])) == (4, 21, 7)


def test_one_genome_is_no_pair(call, tmp_path):
    one, _ = genome_files(tmp_path / "mine", 2)
    code, _, complaint = call("epistasis", one, one, "--executor", "local")
    assert code == 2
    assert "must be two different genomes, got 1" in complaint
