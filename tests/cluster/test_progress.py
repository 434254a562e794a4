"""The panel on a terminal, as a text of so many columns."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from cluster.places import NO_ROOM
from cluster.progress import (
    CELLS,
    ROWS,
    LiveReporter,
    cells,
    champion_table,
    reporter_for,
)
from cluster.progress_text import JsonReporter, LineReporter, Reporter
from cluster.summary import Champion, Figures, Measured
from tests.cluster.runs import config
from tests.cluster.synthetic import genome
from tests.cluster.test_progress_text import CLOSED, ENDED, NOW

BUSY = replace(
    NOW,
    trials=2048,
    done=1999,
    capacity=16384,
    occupied=16384,
    seconds=40_000.0,
    eta_seconds=400_000.0,
)


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


def panel(width: int, *progress: object) -> list[str]:
    """The lines of the panel after some progress."""
    shown = terminal(width)
    reporter = LiveReporter(config(), shown)
    for piece in progress:
        reporter(piece)
    with shown.capture() as captured:
        shown.print(reporter.view())
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [50, 60, 71, 72, 80, 100, 120])
@pytest.mark.parametrize("landscape", ["sprinter", "tank", "sniper"])
def test_nothing_is_cut_short_on_a_terminal_of_any_usual_width(width, landscape):
    best = Measured(0.876, 0.05) if landscape == "tank" else CLOSED.best
    closed = replace(
        CLOSED, landscape=landscape, best=best, median=best, colours=("#ff0000",) * 64
    )
    told = config(evolution={"landscape": landscape, "gate": 0.3})
    shown = terminal(width)
    reporter = LiveReporter(told, shown)
    reporter(closed)
    reporter(replace(BUSY, phase="confirm", suspects=12, failed=3, store_is_full=True))
    with shown.capture() as captured:
        shown.print(reporter.view())
    lines = captured.get().splitlines()
    assert {len(line) for line in lines} == {min(width, 100)}
    inside = [line for line in lines if line.startswith("│")]
    assert not any("…" in line for line in inside), inside
    text = " ".join(" ".join(line.strip("│ ") for line in inside).split())
    for words in (
        "1,999 of 2,048",
        "16,384 of 16,384",
        "confirming the champion",
        "75 % (50–90)",
    ):
        assert words in text
    assert "11 h 06 min · about 111 h 06 min to go" in text
    assert "the store is full or does not answer" in " ".join(text.split())
    assert "12 trials are being run apart; 3 trials failed" in text


def test_a_narrow_terminal_has_the_figures_and_a_wide_one_the_genomes_too():
    assert "█" * 2 in panel(80, CLOSED)[3]
    assert "█" not in "".join(panel(60, CLOSED))


def test_before_anything_is_known_engines_are_starting():
    assert "starting engines …" in "".join(panel(80))
    waiting = replace(NOW, capacity=0, occupied=0)
    assert "engines are starting …" in "".join(panel(80, waiting))


def test_while_no_machine_has_room_that_is_said():
    waiting = replace(NOW, capacity=0, occupied=0, waiting=2)
    assert NO_ROOM in " ".join(
        " ".join(line.strip("│ ") for line in panel(80, waiting)).split()
    )
    assert NO_ROOM not in "".join(panel(120, replace(waiting, capacity=8)))


def test_a_note_stands_above_the_panel():
    shown = terminal(80)
    LiveReporter(config(), shown).note("joined the Ray cluster at head:6379")
    assert shown.file.getvalue().startswith("joined the Ray cluster at head:6379\n")


def test_the_bar_counts_steps_of_trials_that_are_under_way():
    begun = replace(NOW, done=1, under_way=7.5, trials=16)
    bar = next(iter(LiveReporter(config(), terminal(80))._activity(begun).columns[1].cells))
    assert (bar.completed, bar.total) == (8.5, 16)


def test_only_the_latest_generations_are_on_screen():
    closed = [replace(CLOSED, generation=i) for i in range(30)]
    numbers = [line.split()[1] for line in panel(80, *closed) if "±" in line]
    assert numbers == [str(n) for n in range(31 - ROWS, 31)]


def test_in_the_end_the_generations_stay_and_the_bars_go():
    ended = panel(80, NOW, CLOSED, ENDED)
    assert any("1,234" in line for line in ended)
    assert not any("trials" in line for line in ended)
    assert "no generation was closed" in "".join(panel(80, ENDED))


def test_an_error_before_anything_began_has_the_screen_to_itself():
    shown = terminal(80)
    with pytest.raises(ZeroDivisionError), LiveReporter(config(), shown) as reporter:
        _ = 1 / 0
    assert reporter._live.transient
    reporter = LiveReporter(config(), shown)
    reporter(CLOSED)
    with pytest.raises(ZeroDivisionError), reporter:
        _ = 1 / 0
    assert not reporter._live.transient


def test_the_leader_has_its_own_colour_and_none_if_nobody_leads():
    assert any(
        "leader" in line and "██ 0123456789ab" in line for line in panel(80, CLOSED, NOW)
    )
    nobody = replace(CLOSED, best_genome=None, colours=())
    assert not any("leader" in line for line in panel(80, nobody, NOW))


@pytest.mark.parametrize("count", [0, 1, CELLS, CELLS + 1, 64])
def test_genomes_are_cells_from_the_best_on_and_never_too_many(count):
    colours = tuple(f"#{i:06x}" for i in range(count))
    drawn = cells(colours, CELLS)
    styles = [str(span.style) for span in drawn.spans]
    assert len(drawn.plain) == min(count, CELLS)
    assert styles == sorted(set(styles))
    assert styles[:1] == list(colours[:1])


FOUR = Figures(4, 4, 0.51, 1.0, 1234.0, 1100.0, 1300.0, 20.0)
COUNTED = "a trial that does not grok counts as the horizon, 2,500 steps"


def table_of(selected: Figures, confirmed: Figures) -> list[str]:
    """The words of the champion's table, line by line."""
    shown = terminal(80)
    with shown.capture() as captured:
        shown.print(champion_table(Champion(genome(1), True, selected, confirmed), 2500))
    lines = (" ".join(line.split()) for line in captured.get().splitlines())
    return [line for line in lines if line.strip("─ ")]


def test_the_champion_is_told_as_selected_beside_as_confirmed():
    other = replace(FOUR, trials=64, successes=64, steps_low=math.nan, steps_high=math.nan)
    assert table_of(FOUR, other) == [
        "mean steps 95 % grokked of seeds",
        "selected 1,234 1,100 – 1,300 100 % (51–100) 4",
        "confirmed 1,234 – 100 % (51–100) 64",
    ]


def test_where_nothing_grokked_no_mean_is_told_but_its_bound():
    none = Figures(4, 0, 0.0, 0.49, 2500.0, 2500.0, 2500.0, 0.0)
    assert table_of(none, none)[1:] == [
        "selected ≥ 2,500 – 0 % (0–49) 4",
        "confirmed ≥ 2,500 – 0 % (0–49) 4",
    ]


def test_where_some_did_not_grok_the_table_says_how_they_count():
    some = replace(FOUR, successes=3, success_low=0.3, success_high=0.95)
    expected = "1,234 1,100 – 1,300 75 % (30–95) 4"
    assert table_of(FOUR, some)[2:] == [f"confirmed {expected}", COUNTED]
    assert table_of(some, FOUR)[1] == f"selected {expected}"
    assert table_of(some, FOUR)[3] == COUNTED


@pytest.mark.parametrize(
    ("force_terminal", "as_json", "kind"),
    [(True, False, LiveReporter), (False, False, LineReporter), (True, True, JsonReporter)],
)
def test_the_reporter_suits_the_output(
    force_terminal: bool, as_json: bool, kind: type[Reporter]
):
    shown = Console(file=io.StringIO(), force_terminal=force_terminal)
    assert type(reporter_for(config(), shown, as_json)) is kind
