"""``speciation validate`` as people meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.local_executor import LocalExecutor
from tests.cluster.validations import FAST, genome_files


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the program in this process, on synthetic engines, in a folder of its own."""
    monkeypatch.setattr(
        "cluster.local_executor.LocalExecutor", lambda plan: LocalExecutor(plan, FAST)
    )
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        given = ["speciation", "validate", *words]
        if not words[0].endswith(".csv"):
            given += ["--executor", "local"]
        monkeypatch.setattr("sys.argv", given)
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def files(tmp_path) -> list[str]:
    return genome_files(tmp_path / "mine", 3)


def test_the_plan_is_said_first_and_files_are_left_behind(call, files, tmp_path):
    code, out, _ = call(*files, "--seeds", "8", "--horizon", "1000")
    assert code == 0
    assert out.splitlines()[0].startswith("asked 8 seeds of 3 genomes to 1,000 steps: found 0")
    assert "genome-0" in out
    for name in ("validation.html", "validation.json", "arms.csv", "speed.csv"):
        assert (tmp_path / "results" / "validation" / name).is_file()
        assert str(Path("results") / "validation" / name) in out
    _, again, _ = call(*files, "--seeds", "8", "--horizon", "1000")
    assert "found 24, will compute 0" in again


def test_a_folder_that_cannot_be_made_is_missed_before_anything_is_trained(
    call, files, tmp_path
):
    (tmp_path / "taken").touch()
    code, _, err = call(*files, "--horizon", "1000", "--out", "taken/in")
    assert code == 2
    assert "taken" in err
    assert not (tmp_path / "results" / "trials").exists()


def test_json_is_all_that_stands_on_standard_output(call, files):
    code, out, err = call(*files, "--seeds", "6", "--horizon", "1000", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["trained"] == 18
    assert "will compute 18" in err


def test_the_model_may_be_another(call, files):
    words = ["--seeds", "2", "--horizon", "1000", "--json", "--model", "heads=16,d_ff=128"]
    _, out, _ = call(*files, *words)
    assert json.loads(out)["model"] == {"layers": 1, "d_model": 32, "heads": 16, "d_ff": 128}


def test_a_plan_alone_computes_nothing(call, files, tmp_path):
    words = ["--group", f"mine={files[0]}", "--until", "ci-width rmst < 9"]
    code, out, err = call(*files, "--plan", "--json", "--horizon", "1000", *words)
    assert code == 0
    assert json.loads(out)["to_compute"] == 600
    assert "at most 600,000 training steps" in err
    assert not (tmp_path / "results").exists()


def test_a_rule_says_what_it_saw(call, files):
    code, out, _ = call(*files, "--until", "separated", "--horizon", "1000")
    assert code == 0
    assert "after 16 seeds:" in out
    assert "however often one looked" in out


def test_groups_and_crossed_blocks(call, files):
    group = f"pair={files[0]},{files[1]}"
    code, out, _ = call(
        *(files[2], "--group", group, "--seeds", "6"),
        *("--components", "2", "--against", "pair", "--horizon", "1000"),
    )
    assert code == 0
    assert "where luck comes from" in out
    code, out, _ = call("group:pair", "--seeds", "6", "--horizon", "1000", "--by", "group")
    assert code == 0
    assert "found 12, will compute 0" in out


def test_published_figures_are_judged_as_they_are(call, tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("hash,steps\na,1000\nb,1100\nc,1200\n")
    code, out, _ = call(str(path))
    assert code == 0
    assert "the ranking is compatible with luck" in out
    code, out, _ = call(str(path), "--json", "--out", str(tmp_path / "page"))
    assert json.loads(out)["luck"]["plausible"] is True
    assert "is compatible with luck" in (tmp_path / "page" / "figures.html").read_text()


def test_pictures_need_a_browser_before_anything_is_computed(
    call, files, tmp_path, monkeypatch
):
    monkeypatch.setattr("dashboards.export.BROWSERS", ("no-such-browser",))
    code, _, err = call(*files, "--figures", "svg", "--seeds", "4", "--horizon", "1000")
    assert code == 2
    assert "--figures needs a browser" in " ".join(err.split())
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nobody"], "'nobody' is no genome"),
        (["tuned-adamw", "--until", "soon"], "--until is 'soon', but must be"),
        (["tuned-adamw", "--until", "separated"], "name at least two"),
        (["--group", "../a=tuned-adamw"], "cannot be the name of a group"),
        (["tuned-adamw", "--seeds", "0"], "--seeds must be from 1 to 1,000,000, got 0"),
        (["tuned-adamw", "--track", "nowhere"], "track"),
        (["tuned-adamw", "--against", "x"], "--against is 'x'"),
        (["tuned-adamw", "--model", "heads=a"], "--model has 'heads=a', but must be SIZE=N"),
        (["tuned-adamw", "--model", "heads=3"], "heads must divide d_model"),
        (["tuned-adamw", "--model", "width=3"], "known here are layers, d_model, heads, d_ff"),
        (["none.csv"], "none.csv"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(call, words, sentence):
    code, _, err = call(*words)
    assert code == 2
    assert sentence in " ".join(err.split())
