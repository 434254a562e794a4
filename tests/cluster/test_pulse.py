"""How a run is doing: the numbers that the driver tells, kept beside the manifest."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.pulse import PULSE_SECONDS, Pulse, PulseKeeper, read_pulse, write_pulse
from cluster.summary import RunSummary, Snapshot
from speciation.tables.files import open_files
from tests.cluster.runs import carry_out, config

RUN = config().run_id()
NOW = Snapshot(
    phase="evolve",
    generation=2,
    generations=5,
    trials=16,
    done=4,
    under_way=1.0,
    known=0,
    failed=1,
    suspects=0,
    capacity=8,
    occupied=6,
    finished=36,
    trial_steps=900,
    seconds=10.0,
    eta_seconds=30.0,
    outcomes={"grokked": 30, "censored": 6},
)


class Kept(list):
    """Pulses that were told, and a clock to turn."""

    def __init__(self) -> None:
        self.now = 0.0
        self.keeper = PulseKeeper(RUN, self.append, lambda: 7e8 + self.now, lambda: self.now)


def test_the_numbers_of_a_run_that_ended_are_those_of_its_tables(tmp_path):
    told = Kept()
    summary = carry_out(config(), tmp_path, report_progress=told.keeper)
    last = told[-1]
    assert (last.state, last.occupied) == ("finished", 0)
    assert (last.generation, last.generations) == (3, 3)
    assert last.finished == sum(last.outcomes.values()) == summary.finished
    assert last.trial_steps == summary.trial_steps
    assert last.best is not None


def test_a_pulse_is_told_every_few_seconds_and_at_once_when_something_closes():
    told = Kept()
    for _ in range(10):
        told.keeper(NOW)
        told.now += PULSE_SECONDS / 4
    assert len(told) == 3
    told.keeper(ended(stopped=True))
    assert len(told) == 4
    last = told[-1]
    assert (last.state, last.occupied, last.trials_a_second) == ("stopped", 0, 0.0)
    assert last.eta_seconds is None


def ended(stopped: bool) -> RunSummary:
    return RunSummary(RUN, stopped, 2, None, 36, 0, 1, 900, 11.0, {"grokked": 30})


def test_rates_are_of_the_last_while():
    told = Kept()
    for second in range(20):
        told.keeper(dataclasses.replace(NOW, seconds=float(second), finished=3 * second))
        told.now += PULSE_SECONDS
    assert told[-1].trials_a_second == pytest.approx(3.0)


def test_what_is_written_is_read(tmp_path):
    files = open_files(tmp_path)
    told = Kept()
    told.keeper(NOW)
    write_pulse(files, told[0])
    assert read_pulse(files, RUN) == told[0]


def test_a_run_without_a_pulse_has_none(tmp_path):
    assert read_pulse(open_files(tmp_path), RUN) is None


def test_a_disk_that_is_full_stops_no_run(tmp_path):
    (tmp_path / "runs").write_text("a file in the way")
    write_pulse(open_files(tmp_path), Pulse(RUN))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([f.name for f in dataclasses.fields(Pulse)]), values)
    | values
)
def test_whatever_stands_in_the_file_a_pulse_is_one_or_is_none(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("pulse")
    path = folder / "runs" / RUN / "pulse.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    pulse = read_pulse(open_files(folder), RUN)
    if pulse is not None:
        assert pulse.run == RUN
        assert type(pulse.finished) is int
        assert isinstance(pulse.state, str)
        assert all(type(count) is int for count in pulse.outcomes.values())
