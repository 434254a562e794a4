"""The shipped examples run as they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speciation.analysis import validation
from speciation.tables.store import Store

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def cells(notebook: Path) -> list[str]:
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def test_the_notebook_runs_from_its_first_cell_to_its_last(monkeypatch, capsys):
    monkeypatch.chdir(EXAMPLES)  # Jupyter begins in the folder of the notebook
    names: dict[str, object] = {}
    for cell in cells(EXAMPLES / "validation.ipynb"):
        exec(compile(cell, "validation.ipynb", "exec"), names)
    assert "log-rank p" in capsys.readouterr().out
    assert names["fastest"].successes == 24


def test_the_shipped_store_is_whole():
    assert Store(EXAMPLES / "store").verify().ok
    found = validation.of_store(Store(EXAMPLES / "store"))
    assert [own.trials for own in found.summaries] == [24, 24, 24]


def test_the_published_ranking_is_compatible_with_luck():
    """0.21 if the spread of the 68 figures were known; it is taken from them: Grubbs's 0.18."""
    found = validation.published(EXAMPLES / "neural_speciation_hall_of_fame.csv")
    assert len(found.table) == 68
    assert found.luck.plausible
    assert found.luck.p == pytest.approx(0.176, abs=0.005)
    assert found.variation < 0.13


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "expected the columns hash and steps, found a, b"),
        ("hash,steps\nx,1\n", "at least 2 genomes, found 1"),
        ("", "not a CSV"),
    ],
)
def test_another_table_is_refused_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(validation.ValidationError, match=sentence):
        validation.published(path)
