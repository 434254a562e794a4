"""Two engines and some broken ones, from the command to its report."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster import fidelity
from cluster.cli import main
from cluster.fidelity import GENOMES, PLANTED, Comparison, FidelityError, compare, shipped
from speciation.analysis.fidelity import Answer
from speciation.engine import controls, devices
from speciation.engine.controls import CONTROLS, Control
from speciation.genome.library import StoredGenome, load_folder
from speciation.seeds import pool_b
from speciation.trial.task import TRACKS, Track
from speciation.trial.trial import ModelShape, Trial, TrialResult
from tests.cluster.synthetic import Behaviour, SyntheticEngine, genome
from tests.speciation.engine.making import SMALL

TRACK = TRACKS["add97-mb512"]
NAMES = ("one", "two")
ENOUGH = 200


def stored(number: int, name: str) -> StoredGenome:
    return StoredGenome(f"Genome {name}", genome(number), {}, Path(f"{name}.json"))


class Later(SyntheticEngine):
    """Every trial groks much later than it should."""

    def advance(self) -> list[TrialResult]:
        return [_late(result) for result in super().advance()]


def _late(result: TrialResult) -> TrialResult:
    steps = result.milestones.steps_to_grok
    late = None if steps is None else steps + 200
    return dataclasses.replace(
        result, milestones=dataclasses.replace(result.milestones, steps_to_grok=late)
    )


class Machines:
    """Builds synthetic engines in the place of real ones, and counts what they are given."""

    def __init__(self) -> None:
        self.trained: list[Trial] = []
        self.slots: list[int] = []

    def build(self, make: type[SyntheticEngine]) -> Any:
        def engine(spec: Any) -> SyntheticEngine:
            own = make(Behaviour(slots=spec.slots))
            admit = own.admit

            def counted(trials: Sequence[Trial]) -> None:
                self.trained += trials
                admit(trials)

            own.admit = counted  # type: ignore[method-assign]
            self.slots.append(spec.slots)
            return own

        return engine


@pytest.fixture
def machines(monkeypatch) -> Machines:
    own = Machines()
    monkeypatch.setattr(fidelity, "_honest", own.build(SyntheticEngine))
    planted = {"later": Control("every trial groks 200 steps later", own.build(Later))}
    monkeypatch.setattr(controls, "CONTROLS", planted)
    return own


def comparison(**changes: Any) -> Comparison:
    settings = {
        "genomes": tuple(stored(i, name) for i, name in enumerate(NAMES)),
        "track": TRACK,
        "horizon": 2500,
        "seeds": ENOUGH,
        "device": "cpu",
        "planted": {"later": "two"},
    }
    return Comparison(**settings | changes)


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command on a small comparison; its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPECIATION_DEBUG", raising=False)

    def run(*words: str, **changes: Any):
        def small(horizon: int | None, track: str, d_model: int, **settings: Any) -> Comparison:
            assert (track, d_model) == ("add97-mb512", 32)
            settings |= {"horizon": horizon or 2500} | changes
            return comparison(**settings | {"device": "cpu"})

        monkeypatch.setattr(fidelity, "shipped", small)
        monkeypatch.setattr("sys.argv", ["speciation", "fidelity", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


# -- From the command to its report -------------------------------------------------------


def test_the_same_engine_passes_and_the_broken_one_is_caught(call, machines):
    code, said, _ = call("--seeds", f"{ENOUGH}", "--precision", "float32", "--out", "found")
    assert code == 0
    assert "fused in float32 is the same experiment as torch in float32" in said
    assert "caught  later: every trial groks 200 steps later" in said
    document = json.loads(Path("found/fidelity.json").read_text())
    assert document["passed"] is True
    assert document["verdict"]["answer"] == "same"
    assert document["seeds"] == ENOUGH
    assert "is the same experiment as" in Path("found/fidelity.html").read_text()
    assert len(machines.trained) == ENOUGH * (2 + 2 + 1)


def test_a_broken_engine_that_is_not_caught_fails_the_comparison(call, machines, monkeypatch):
    blind = {"later": Control("nothing at all", machines.build(SyntheticEngine))}
    monkeypatch.setattr(controls, "CONTROLS", blind)
    code, said, _ = call("--seeds", f"{ENOUGH}")
    assert code == 1
    assert "1 planted fault went unseen" in said
    assert "MISSED  later: nothing at all" in said
    assert Path("results/fidelity/fidelity.html").is_file()


def test_a_broken_engine_in_the_place_of_the_tested_one_fails(call, machines, monkeypatch):
    builds = iter([machines.build(Later), machines.build(SyntheticEngine)])
    monkeypatch.setattr(fidelity, "_honest", lambda spec: next(builds)(spec))
    code, said, _ = call("--seeds", f"{ENOUGH}", "--backend", "graph")
    assert code == 1
    assert "graph in fp16 is not the same experiment as torch in float32" in said


def test_few_seeds_are_no_proof(call, machines):
    code, said, _ = call("--seeds", "12")
    assert code == 1
    assert "is not yet shown to be the same experiment" in said


def test_programs_read_json_and_nothing_else(call, machines):
    code, said, _ = call("--seeds", f"{ENOUGH}", "--precision", "float32", "--json")
    assert code == 0
    document = json.loads(said)
    assert document == json.loads(Path("results/fidelity/fidelity.json").read_text())
    assert [control["caught"] for control in document["controls"]] == [True]
    assert [own["name"] for own in document["verdict"]["genomes"]] == list(NAMES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seeds", "1"], "--seeds must be at least 2, got 1"),
        (["--horizon", "30"], r"--horizon must be a multiple of .* \(25 steps\), got 30"),
        (["--backend", "fast"], "backend must be one of .*'torch'.*, got 'fast'"),
        (["--reference", "slow"], "backend must be one of .*'torch'.*, got 'slow'"),
        (["--precision", "int8"], "precision must be one of .*'float32'.*, got 'int8'"),
        (["--slots", "-3"], "at least 1 slot, got -3"),
        (["--out", "taken"], "taken"),
    ],
)
def test_a_mistake_is_a_sentence(call, machines, words, sentence):
    Path("taken").write_text("a file")
    code, said, complaint = call(*words)
    assert code == 2
    assert said == ""
    assert re.fullmatch(r"error [^\n]{10,400}\n", complaint)
    assert re.search(sentence, complaint)
    assert machines.trained == []


def test_another_backend_in_the_place_of_fused_is_not_judged_as_fused(
    call, tmp_path, monkeypatch
):
    code, _, complaint = call(
        "--backend", "fused", "--seeds", "2", model=ModelShape(layers=2), planted={}
    )
    assert code == 2
    assert "fused cannot be judged here: " in complaint


# -- Going on -----------------------------------------------------------------------------


def test_what_was_trained_is_not_trained_again_and_more_seeds_cost_the_new_ones(
    machines, tmp_path
):
    first = compare(comparison(seeds=20), tmp_path)
    assert len(machines.trained) == 100
    again = compare(comparison(seeds=20), tmp_path)
    assert len(machines.trained) == 100
    assert first.document == again.document
    compare(comparison(seeds=30), tmp_path)
    assert len(machines.trained) == 150
    assert {trial.seed for trial in machines.trained} == set(pool_b(30))


@pytest.mark.parametrize("changed", [{"horizon": 2000}, {"backend": "graph"}, {"sources": 1}])
def test_what_another_experiment_trained_does_not_count(
    machines, tmp_path, monkeypatch, changed
):
    compare(comparison(seeds=4), tmp_path)
    before = len(machines.trained)
    if "sources" in changed:
        monkeypatch.setattr(fidelity, "_sources", lambda: "other code")
        changed = {}
    compare(comparison(seeds=4, **changed), tmp_path)
    arms = len(machines.trained) - before
    assert arms == (8 if "backend" in changed else 20)  # the tested arm, or all


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"of": {}}'])
def test_a_damaged_file_is_trained_anew(machines, tmp_path, damage):
    whole = compare(comparison(seeds=4), tmp_path).document
    (tmp_path / "arms" / "tested.json").write_text(damage)
    assert compare(comparison(seeds=4), tmp_path).document == whole


def test_what_had_ended_when_it_was_stopped_is_kept(machines, tmp_path):
    asked = iter([False, True])
    plan = comparison(seeds=40, slots=4)
    monkeyed = pytest.MonkeyPatch()
    monkeyed.setattr(fidelity, "WORK_SECONDS", 0.0)
    try:
        assert compare(plan, tmp_path, stop=lambda: next(asked)) is None
    finally:
        monkeyed.undo()
    assert not (tmp_path / "fidelity.json").exists()
    kept = json.loads((tmp_path / "arms" / "tested.json").read_text())["steps"]
    count = sum(map(len, kept.values()))
    before = len(machines.trained)
    assert compare(plan, tmp_path) is not None
    assert len(machines.trained) - before == 5 * 40 - count


def test_a_stopped_command_says_how_to_go_on(call, machines, monkeypatch):
    monkeypatch.setattr(fidelity, "compare", lambda *_: None)
    code, said, _ = call()
    assert code == 130
    assert "the same command goes on" in said


# -- Arms ---------------------------------------------------------------------------------


def test_slots_are_so_few_that_they_are_refilled(machines, tmp_path):
    compare(comparison(seeds=20), tmp_path)
    assert machines.slots == [10, 10, 5]  # a quarter of the trials of each arm


def test_progress_tells_of_every_arm_up_to_its_end(machines, tmp_path):
    told: list[tuple[str, int, int]] = []
    compare(comparison(seeds=6), tmp_path, lambda *now: told.append(now))
    assert list(dict.fromkeys(arm for arm, _, _ in told)) == ["tested", "reference", "later"]
    last = {arm: (done, total) for arm, done, total in told}
    assert last == {"tested": (12, 12), "reference": (12, 12), "later": (6, 6)}


@pytest.mark.slow
def test_real_engines_and_every_real_control_take_the_same_way(tmp_path):
    found = compare(
        comparison(
            track=Track("small", SMALL, 15),
            horizon=15,
            seeds=3,
            model=ModelShape(d_model=16, heads=2, d_ff=32),
            planted=dict.fromkeys(CONTROLS, "one"),
        ),
        tmp_path,
    )
    assert found.fidelity.verdict.answer == Answer.INCONCLUSIVE
    assert [own.identical for own in found.fidelity.verdict.genomes] == [3, 3]
    assert [control.name for control in found.fidelity.controls] == list(CONTROLS)
    assert not found.fidelity.passed


@pytest.mark.long
@pytest.mark.parametrize(
    ("control", "seeds"), [("l2-decay", 12), ("stale-step", 48), ("fixed-beta2", 24)]
)
def test_a_real_fault_is_caught_on_its_genome_even_with_few_seeds(tmp_path, control, seeds):
    name = PLANTED[control]
    own = tuple(found for found in load_folder(GENOMES) if found.path.stem == name)
    plan = Comparison(own, TRACK, 2500, seeds, device="cpu", planted={control: name})
    found = compare(plan, tmp_path)
    assert [planted.caught for planted in found.fidelity.controls] == [True]
    assert found.fidelity.verdict.answer != Answer.DIFFERENT


# -- What is shipped ----------------------------------------------------------------------


def test_there_are_enough_genomes_of_the_extremes_and_one_for_each_control():
    plan = shipped(None, seeds=2)
    assert len(plan.genomes) >= 8
    assert plan.horizon == TRACK.horizon
    assert set(PLANTED) == set(CONTROLS)
    assert set(PLANTED.values()) <= set(plan.names)
    assert min(own.genome.gene("weight_decay") for own in plan.genomes) == 0.01
    for own in plan.genomes:
        assert own.path.parent == GENOMES
        assert {"source", "regime"} <= set(own.provenance)


def test_other_tracks_and_wider_models_are_held_to_the_same_genomes():
    plan = shipped(None, track="add97-full", d_model=64, seeds=2)
    assert plan.track == TRACKS["add97-full"]
    assert (plan.model.d_model, plan.model.d_ff) == (64, 128)
    assert plan.names == shipped(None, seeds=2).names


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"track": "add98"}, "--track must be one of add97-mb512, .*, got 'add98'"),
        ({"d_model": 30}, "--d-model 30: model heads must divide d_model, got 4 heads for 30"),
    ],
)
def test_a_track_or_model_that_is_not_there_is_one_sentence(wrong, sentence):
    with pytest.raises(FidelityError, match=sentence):
        shipped(None, seeds=2, **wrong)


def test_every_arm_has_the_whole_memory_of_a_gpu(machines, monkeypatch, tmp_path):
    given: list[int] = []
    monkeypatch.setattr(devices, "give_back_memory", lambda: given.append(len(machines.slots)))
    assert compare(comparison(seeds=4), tmp_path) is not None
    assert given == [0, 1, 2]


def test_without_an_engine_nothing_is_written(monkeypatch, tmp_path):
    def broken(spec: Any) -> SyntheticEngine:
        raise ValueError("device 'cuda' is not there")

    monkeypatch.setattr(fidelity, "_honest", broken)
    monkeypatch.setattr(controls, "CONTROLS", {"later": Control("", broken)})
    with pytest.raises(FidelityError, match="device 'cuda' is not there"):
        compare(comparison(seeds=4), tmp_path / "out")
    assert not list(tmp_path.rglob("*.json"))


def test_an_arm_without_enough_memory_is_one_sentence(machines, monkeypatch, tmp_path):
    def starve(self: SyntheticEngine) -> list[TrialResult]:
        raise MemoryError

    monkeypatch.setattr(SyntheticEngine, "advance", starve)
    with pytest.raises(FidelityError, match="fp16 has no memory for 2 slots; ask for fewer"):
        compare(comparison(seeds=4), tmp_path)


def test_a_control_without_its_genome_is_refused(machines, tmp_path):
    with pytest.raises(FidelityError, match="later is tried on the genome 'three'"):
        comparison(planted={"later": "three"})
