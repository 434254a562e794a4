"""``speciation compare``, ``epistasis`` and ``crosses`` as people meet them."""

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


# -- Crosses ------------------------------------------------------------------------------


def test_crosses_are_trained_once_and_shown(call, tmp_path):
    words = ("crosses", *genome_files(tmp_path / "mine", 2), "--children", "4", "--seeds", "3")
    code, said, _ = call(*words, "--executor", "local", "--horizon", "500")
    assert code == 0
    assert "parents and children: 18 of 18 trials to train" in said
    assert "every two of 2 genomes, 4 children each" in said
    assert "cannot be held against each other" in said
    folder = tmp_path / "results" / "crosses"
    assert {path.name for path in folder.iterdir()} == {
        "crosses.html",
        "found.json",
        "pairs.csv",
        "parents.csv",
        "children.csv",
    }
    code, said, _ = call(*words, "--horizon", "500", "--device", "cuda", "--json")
    told = json.loads(said)
    assert (told["horizon"], told["children_each"], len(told["children"])) == (500, 4, 4)
    assert told["pairs"][0]["seeds"] == told["seeds"]["count"] == 3
    assert (told["trials"], told["task"]["modulus"]) == (18, 97)
    assert (told["between_groups"], told["distance"]) == (None, None)


def test_groups_that_were_named_are_held_against_each_other(call, tmp_path):
    one, two, three, four = genome_files(tmp_path / "mine", 4)
    groups = ("--group", f"low={one},{two}", "--group", f"high={three},{four}")
    words = (*groups, "--children", "3", "--seeds", "3", "--executor", "local", "--json")
    code, said, _ = call("crosses", *words)
    told = json.loads(said)
    assert code == 0
    assert (told["between_groups"]["within"], told["between_groups"]["between"]) == (2, 4)
    assert [own["group"] for own in told["parents"]] == ["low", "low", "high", "high"]


def test_a_genome_alone_has_nobody_to_be_crossed_with(call, tmp_path):
    one, _ = genome_files(tmp_path / "mine", 2)
    code, _, complaint = call("crosses", one, one, "--executor", "local")
    assert code == 2
    assert "crosses need two different genomes or more, got 1" in complaint
