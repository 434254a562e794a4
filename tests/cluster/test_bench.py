"""`speciation bench` from end to end on a tiny task, and what becomes of its rows."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable

import pytest

from cluster import bench as orchestration
from cluster.bench import CREW, Asked, BenchError, _Actors, _counts, _factors, _groups, bench
from cluster.bench_text import HEADER, sentences, tables
from cluster.cli import main
from speciation.engine.bench_ways import ACTORS, EAGER, JAX, OURS, VMAP
from speciation.engine.devices import cpu
from speciation.engine.peers.job import Job
from speciation.engine.roofline import Abilities
from speciation.trial.task import Task
from speciation.trial.trial import ModelShape

ABLE = Abilities(fp32_flops=1e15, tf32_flops=None, bytes=1e13, threads=2)
Call = Callable[..., tuple[int, str, str]]
TINY = Asked(
    device="cpu",
    slots=(3,),
    batches=(24, None),
    steps=10,
    minutes=0.01,
    task=Task(modulus=13, eval_interval=5),
    model=ModelShape(d_model=16, heads=2, d_ff=32),
)


@pytest.fixture(scope="module")
def found() -> dict:
    """A benchmark of the quick ways, where jax is not installed."""
    patch = pytest.MonkeyPatch()
    patch.setattr("speciation.engine.bench_ways.BACKENDS", ("torch",))
    patch.setattr("speciation.engine.peers.jax_process.find_spec", lambda _: None)
    patch.setattr(orchestration, "FIRST_COUNT", 2)
    patch.setattr(orchestration, "REPEATS", 2)
    patch.setattr(orchestration, "abilities", lambda device: ABLE)
    said: list[str] = []
    # By this clock it takes no time to speak of, whatever else the machine has to do.
    clock = itertools.count(0.0, 1e-6).__next__
    result = bench(dataclasses.replace(TINY, linear=20), said.append, clock)
    patch.undo()
    return result | {"said": said}


def row(found: dict, way: str, **of) -> dict:
    matching = [r for r in found["rows"] if r["way"] == way and of.items() <= r.items()]
    assert len(matching) == 1, matching
    return matching[0]


def test_it_is_plain_and_says_where_it_comes_from(found):
    assert json.loads(json.dumps(found)) == found
    assert found["version"] == 1
    assert found["device"]["kind"] == "cpu"
    assert {"commit", "versions", "seconds", "minutes", "steps", "repeats"} <= found.keys()
    assert all(" of 0.01 min · " in sentence for sentence in found["said"])


def test_every_way_has_a_row_in_every_group(found):
    groups = {(r["batch"], r["beside"]) for r in found["rows"]}
    assert groups == {(24, 3), (84, 3)}
    for batch, beside in groups:
        for way in (EAGER, VMAP, JAX, f"{OURS}torch"):
            algebra = "factored" if way.startswith(OURS) else "plain"
            slots = 1 if way == EAGER else beside
            row(found, way, batch=batch, beside=beside, slots=slots, algebra=algebra)
        row(found, VMAP, batch=batch, beside=beside, algebra="factored")


def test_a_timed_row_has_its_figures(found):
    one = row(found, f"{OURS}torch", batch=24, beside=3)
    assert one["reason"] is None
    assert one["low"] <= one["microseconds"] <= one["high"]
    assert one["repeats"] >= 2
    assert one["steps"] in (5, 10)
    assert one["start_seconds"] > 0
    assert one["first_seconds"] > 0
    assert one["trials_per_second"] > 0
    assert one["bytes_per_slot"] is None or one["bytes_per_slot"] == one["peak_bytes"] / 3
    eager = row(found, EAGER, batch=24, beside=3)
    assert one["ratio_to_eager"] == pytest.approx(eager["microseconds"] / one["microseconds"])
    assert one["ratio_to_jax"] is None


def test_a_peer_that_is_not_there_says_why(found):
    assert {r["reason"] for r in found["rows"] if r["way"] == JAX} == {"jax is not installed"}
    assert row(found, ACTORS, batch=24)["reason"] == "needs a GPU to share"
    assert row(found, ACTORS, batch=84)["microseconds"] is None


def test_the_three_factors_come_to_the_whole(found):
    assert [(each["batch"], each["slots"]) for each in found["factors"]] == [(24, 3), (84, 3)]
    for each in found["factors"]:
        product = each["stacking"] * each["algebra"] * each["fusion"]
        assert product == pytest.approx(each["all"])
        assert each["algebra_in_jax"] is None


def test_factors_by_hand():
    costs = {(EAGER, "plain"): 100.0, (VMAP, "plain"): 20.0, (VMAP, "factored"): 10.0}
    costs |= {(JAX, "plain"): 12.0, (JAX, "factored"): 4.0, (f"{OURS}fused", "factored"): 2.0}
    rows = [
        {
            "way": way,
            "algebra": algebra,
            "backend": way.removeprefix(OURS) if way.startswith(OURS) else None,
            "microseconds": cost,
            "batch": 512,
            "slots": 64,
        }
        for (way, algebra), cost in costs.items()
    ]
    assert _factors(rows) == {
        "batch": 512,
        "slots": 64,
        "backend": "fused",
        "stacking": 5.0,
        "algebra": 2.0,
        "fusion": 5.0,
        "all": 50.0,
        "algebra_in_jax": 3.0,
    }
    rows[1]["microseconds"] = None
    assert _factors(rows) is None


def test_continuous_batching_growth_and_ceilings_are_there(found):
    assert found["refill"]["batch"] == 24
    assert found["refill"]["share"] > 0
    assert len(found["refill"]["steady"]) == found["repeats"]
    assert [each["count"] for each in found["growth"]["trials"]] == [2, 20]
    assert [each["batch"] for each in found["roofline"]["batches"]] == [24, 84]
    for each in found["roofline"]["batches"]:
        assert set(each["ceilings"]) == {"fp32", "memory"}
        assert 0 < each["shares"]["fp32"] < 1


def test_batches_take_turns_and_large_packs_come_first():
    def sizes(asked: Asked) -> list[tuple[int, int, bool]]:
        groups = _groups(asked, dataclasses.replace(cpu(), kind="cuda"))
        return [(job.task.batch_size, slots, first) for job, slots, first in groups]

    assert sizes(Asked()) == [
        (512, 4096, True),
        (4704, 256, True),
        (512, 256, False),
        (4704, 1, False),
        (512, 1, False),
    ]
    assert sizes(Asked(slots=(1, 4096), batches=(None,))) == [
        (4704, 4096, True),
        (4704, 1, False),
    ]


def test_growth_is_measured_in_powers_of_ten():
    assert _counts(1000) == [1000]
    assert _counts(100_000) == [1000, 10_000, 100_000]
    assert _counts(999_999) == [1000, 10_000, 100_000]


def test_in_words_every_row_is_there(found):
    shown = list(tables(found))
    assert [table.title for table in shown] == ["batch 24", "batch 84"]
    assert sum(len(table.rows) for table in shown) == len(found["rows"])
    assert all(len(cells) == len(HEADER) for table in shown for cells in table.rows)
    words = "\n".join(sentences(found))
    for what in ("stacking", "algebra", "fusion", "continuous batching", "growth", "ceilings"):
        assert what in words
    assert (f"* not timed {found['repeats']} × 10 steps" in words) == any(
        "*" in cell for table in shown for cells in table.rows for cell in cells
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("out of memory"), "out of memory"), (KeyboardInterrupt(), "it was stopped")],
)
def test_what_fails_after_the_table_does_not_lose_it(monkeypatch, found, error, reason):
    def broken(*arguments, **named):
        raise error

    monkeypatch.setattr(orchestration, "_side_by_side", lambda *_: [found["rows"]])
    monkeypatch.setattr(orchestration, "refill", broken)
    monkeypatch.setattr(orchestration, "abilities", lambda device: ABLE)
    stopped = bench(TINY, lambda _: None)
    assert stopped["rows"] == found["rows"]
    assert stopped["refill"] is None
    assert stopped["reason"] == reason
    assert f"not everything was timed: {reason}" in sentences(stopped)


def test_a_gpu_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(orchestration, "devices", lambda: [cpu()])
    with pytest.raises(BenchError, match="torch sees no GPU"):
        bench(Asked(device="cuda"), lambda _: None)


class FakeCrew:
    """Answers as three actors on a GPU would."""

    def __init__(self) -> None:
        self.asked: list[tuple] = []

    def ask(self, count: int, word: str, *arguments) -> list:
        self.asked.append((count, word))
        return [700] * count

    def close(self) -> None:
        self.asked.append(("closed",))


def test_actors_are_started_once_and_asked_together(monkeypatch):
    crew_module = pytest.importorskip("cluster.crew", reason="needs ray")
    crew = FakeCrew()
    monkeypatch.setattr(crew_module, "Crew", lambda make, most: crew)
    monkeypatch.setattr(orchestration, "gpu_bytes", lambda: 200)
    actors = _Actors(dataclasses.replace(cpu(), kind="cuda"))
    way, job = actors.way(), Job(TINY.task, TINY.model, "cuda:0")
    assert (way.missing, way.sizes) == (None, CREW)
    packs = [way.open(job, count) for count in (1, 4)]
    assert [pack.peak_bytes() for pack in packs] == [500, 2000]
    assert packs[1].run(3) >= 0
    actors.close()
    assert crew.asked == [
        (1, "begin"),
        (1, "begin"),
        (4, "begin"),
        (4, "run"),
        ("closed",),
    ]


# -- The command ------------------------------------------------------------------------


@pytest.fixture
def call(monkeypatch, capsys) -> Call:
    """Run the program in this process."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["speciation", "bench", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return (int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def asked(monkeypatch, found) -> list[Asked]:
    """What the command asks for; it is given a benchmark that was made before."""
    heard: list[Asked] = []

    def give(asked: Asked, tell: Callable[[str], None]) -> dict:
        heard.append(asked)
        tell("measuring")
        return {name: value for name, value in found.items() if name != "said"}

    monkeypatch.setattr(orchestration, "bench", give)
    return heard


def test_the_command_shows_tables_and_sentences(call, asked):
    code, out, _ = call()
    assert code == 0
    assert asked == [Asked()]
    for what in ("measuring", "batch 24", "jax is not installed", "stacking", "ceilings"):
        assert what in out


def test_json_is_all_that_stands_on_standard_output(call, asked, found):
    code, out, err = call("--json")
    assert code == 0
    assert json.loads(out)["rows"] == found["rows"]
    assert err == "measuring\n"


def test_every_option_is_passed_on(call, asked):
    words = (
        "--device cpu --slots 1 --slots 8 --batch full --steps 50 --minutes 2 --linear 10000"
    )
    assert call(*words.split())[0] == 0
    assert asked == [
        Asked(
            device="cpu",
            slots=(1, 8),
            batches=(None,),
            steps=50,
            minutes=2.0,
            linear=10_000,
        )
    ]


def test_a_picture_is_written(call, asked, tmp_path):
    assert call("--picture", str(tmp_path / "bench.svg"))[0] == 0
    assert (tmp_path / "bench.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--batch 511", "'511' is not one of"),
        ("--steps 24", "24 is not in the range"),
        ("--slots 0", "0 is not in the range"),
        ("--picture nowhere/bench.svg", "there is no folder"),
        ("--device cuda", "torch sees no GPU"),
    ],
)
def test_a_mistake_is_a_sentence(call, monkeypatch, words, sentence):
    monkeypatch.setattr(orchestration, "devices", lambda: [cpu()])
    code, out, err = call(*words.split())
    assert (code, out) == (2, "")
    assert sentence in err.replace("\n", " ")
