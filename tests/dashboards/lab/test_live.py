"""A live view says what a whole reading of the store says, and reads every part once."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from cluster.overview import overview
from cluster.pulse import Pulse, write_pulse
from dashboards.figures.fitness import fitness_history
from dashboards.figures.outcomes import outcomes
from dashboards.figures.population import population_colours
from dashboards.lab.growing import Growing
from dashboards.lab.live import Live
from dashboards.lab.sources import Sources
from dashboards.run import read_run
from speciation.tables.files import open_files
from speciation.tables.store import Store
from tests.cluster.runs import config

RUN = config().run_id()


def live_of(folder: Path) -> Live:
    return Sources(folder, folder).shared(Live)


def parts(folder: Path) -> list[Path]:
    return sorted(own.relative_to(folder) for own in folder.rglob("*.parquet"))


def test_pages_share_one(tmp_path):
    sources = Sources(tmp_path, tmp_path)
    assert sources.shared(Live) is sources.shared(Live)


def test_an_empty_store_has_no_run(tmp_path):
    live = live_of(tmp_path)
    assert (live.names(), live.runs(), live.run(RUN)) == ([], [], None)


def test_a_run_is_what_overview_and_report_say(finished):
    now = live_of(finished).run(RUN)
    (expected,) = overview(Store(finished), [], [RUN])
    assert now.view == expected
    tables = read_run(Store(finished), RUN)
    pd.testing.assert_frame_equal(
        now.tally.history("sprinter"),
        fitness_history(tables.generations, "sprinter"),
        check_dtype=False,
    )
    pd.testing.assert_frame_equal(
        now.tally.outcomes(),
        outcomes(tables.trials, tables.rules.horizon),
        check_dtype=False,
        check_names=False,
    )
    drawn = population_colours(tables.generations, tables.genomes, "sprinter")
    for generation in range(config().evolution.generations):
        row = now.tally.colours(generation, "sprinter")
        assert row.colours[0].tolist() == drawn.colours[generation].tolist()
        assert row.said[0] == drawn.said[generation]


@pytest.mark.parametrize("seed", range(5))
def test_parts_in_any_order_and_compaction_lead_to_the_same(finished, tmp_path, seed):
    shutil.copytree(finished / "runs", tmp_path / "runs")
    live, names = live_of(tmp_path), parts(finished)
    live.run(RUN)
    random.Random(seed).shuffle(names)
    for place, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(finished / name, tmp_path / name)
        if place == len(names) // 2:
            Store(tmp_path).compact()
        assert live.run(RUN).view == overview(Store(tmp_path), [], [RUN])[0]
    assert live.runs()[0].view.best == live.run(RUN).view.best


def test_a_look_reads_only_what_is_new(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "store")
    names = parts(finished)
    last = tmp_path / "store" / names[-1]
    last.unlink()
    live = live_of(tmp_path / "store")
    live.run(RUN)
    assert live.reads == len([n for n in names[:-1] if n.parts[0] not in ("curves",)])
    assert live.progress == (live.reads, live.reads)
    before = live.reads
    live.run(RUN)
    live.runs()
    assert live.reads == before
    shutil.copy(finished / names[-1], last)
    live.run(RUN)
    assert live.reads == before + 1


def test_a_damaged_part_is_left_out_named_and_read_once(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "store")
    part = next((tmp_path / "store" / "trials").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    live = live_of(tmp_path / "store")
    for _ in range(2):
        assert live.run(RUN).view.trials >= 0
    assert [part.name in said for said in live.damaged] == [True]
    assert part.exists()  # looking on changes nothing


def test_rows_are_of_the_parts_that_are_there(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "store")
    table = Growing(open_files(tmp_path / "store"), "trials", ("trial_id",))
    assert len(table.grow()) == len(table.parts) > 1
    assert table.grow() == []
    count = table.together().num_rows
    Store(tmp_path / "store").compact()
    assert len(table.grow()) == 1
    assert table.together().num_rows == count


def test_a_pulse_says_that_it_lives_and_beats_are_kept(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "store")
    live, files = live_of(tmp_path / "store"), open_files(tmp_path / "store")
    now = time.time()
    for ago in (3.0, 2.0, 2.0, 1.0):
        write_pulse(files, Pulse(RUN, state="running", began=now - 9, at=now - ago))
        seen = live.run(RUN)
    assert (seen.alive, seen.busy, len(seen.beats)) == (True, True, 3)
    write_pulse(files, Pulse(RUN, state="stopped", at=now))
    assert not live.run(RUN).busy
