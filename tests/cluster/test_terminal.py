"""What commands say while they work, where there is no terminal to draw bars on."""

from __future__ import annotations

import pytest

from cluster import terminal


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds, as tests set it."""
    moved = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: moved[0])
    return moved


def test_a_pipe_gets_a_line_at_the_start_and_no_more_in_a_moment(clock, capsys):
    with terminal.bars(quiet=False) as tell:
        for done in range(5):
            tell("trials", done, 1200)
    assert capsys.readouterr().out.splitlines() == ["trials: 1,200 of 1,200 trials to train"]


def test_a_pipe_gets_another_line_after_half_a_minute(clock, capsys):
    with terminal.bars(quiet=False) as tell:
        for clock[0], done in ((0.0, 0), (29.0, 300), (30.0, 400), (59.0, 700), (60.0, 800)):
            tell("trials", done, 1200)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
        "1,200",
        "800",
        "400",
    ]


def test_quiet_says_nothing_however_long_it_takes(clock, capsys):
    with terminal.bars(quiet=True) as tell:
        for clock[0] in (0.0, 100.0):
            tell("trials", 0, 1200)
    assert capsys.readouterr() == ("", "")
