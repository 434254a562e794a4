"""A run as people see it: a panel that stays in place on a terminal, plain lines elsewhere.

Each generation is a row: best and median fitness, how many trials grokked, diversity, and the
genomes themselves as coloured cells, best first. A genome's colour is a function of its genes,
so one sees families take over, and aliens arrive.
"""

from __future__ import annotations

import math
from collections import deque
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cluster.config import DEFAULT_TRACK, RunConfig
from cluster.places import NO_ROOM
from cluster.progress_text import (
    STORE_FAILS,
    JsonReporter,
    LineReporter,
    Pace,
    Reporter,
    duration_text,
    fitness_text,
    fitness_unit,
    rate_text,
    share_text,
)
from cluster.summary import Champion, Figures, GenerationSummary, RunSummary, Snapshot

REFRESH_A_SECOND = 8
ROWS = 12  # latest generations on screen
LABEL = len("leader")
CELLS = 24  # genomes in a row
WIDEST, NARROW = 100, 72  # columns of the panel; below the latter, a row is only its figures
ACCENT, GOOD, FAINT, ALARM = "cyan", "green", "bright_black", "yellow"


def reporter_for(config: RunConfig, console: Console, as_json: bool) -> Reporter:
    """The reporter that suits the output."""
    if as_json:
        return JsonReporter()
    if console.is_terminal:
        return LiveReporter(config, console)
    return LineReporter(config, lambda line: console.print(line, soft_wrap=True, markup=False))


class LiveReporter(Reporter):
    """A panel that stays in place: the latest generations, and what is going on."""

    def __init__(self, config: RunConfig, console: Console) -> None:
        self._config, self._console = config, console
        self._closed: deque[GenerationSummary] = deque(maxlen=ROWS)
        self._pace = Pace()
        self._now: Snapshot | None = None
        self._over = False
        self._live = Live(
            console=console,
            get_renderable=self.view,
            refresh_per_second=REFRESH_A_SECOND,
            transient=False,
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Where nothing began, nothing stays: an error has the screen to itself.
        self._live.transient = not (self._over or self._now or self._closed)
        self._live.__exit__(kind, error, trace)

    def note(self, sentence: str) -> None:
        """A line above the panel."""
        self._console.print(sentence, style=FAINT, markup=False, highlight=False)

    def snapshot(self, now: Snapshot) -> None:
        """Shown at the next refresh."""
        self._pace.see(now)
        self._now = now

    def generation(self, closed: GenerationSummary) -> None:
        """A new row."""
        self._closed.append(closed)

    def end(self, summary: RunSummary) -> None:
        """The panel stays on screen without its bars."""
        self._now = None
        self._over = True

    def view(self) -> RenderableType:
        """The panel as it is now."""
        parts: list[RenderableType] = []
        if self._closed:
            parts.append(self._generations())
        if self._now is not None:
            parts += [Text()] if parts else []
            parts += [self._activity(self._now), self._words(self._now)]
        if not parts:
            words = "no generation was closed" if self._over else "starting engines …"
            parts = [Text(words, style=FAINT)]
        config = self._config
        title = Text.assemble(
            ("speciation ", f"bold {ACCENT}"), (config.run_id(), "bold"), style="default"
        )
        track = config.task.operation if config.task else config.track or DEFAULT_TRACK
        evolution = config.evolution
        return Panel(
            Group(*parts),
            title=title,
            title_align="left",
            subtitle=Text(
                f"{track} · {evolution.landscape} · {evolution.population} genomes "
                f"× {evolution.seeds} seeds",
                style=FAINT,
            ),
            subtitle_align="right",
            border_style=FAINT,
            box=box.ROUNDED,
            padding=(1, 2),
            width=self._width,
        )

    @property
    def _width(self) -> int:
        return min(self._console.width, WIDEST)

    def _generations(self) -> Table:
        landscape = self._config.evolution.landscape
        table = Table(box=None, padding=(0, 2, 0, 0), header_style=FAINT, expand=True)
        table.add_column("gen", justify="right", style=FAINT, no_wrap=True)
        unit = "%" if landscape == "tank" else "steps"
        table.add_column(f"best, {unit}", justify="right", style="bold", no_wrap=True)
        table.add_column("median", justify="right", no_wrap=True)
        table.add_column("grokked", justify="right", style=GOOD, no_wrap=True)
        wide = self._width >= NARROW
        if wide:
            table.add_column("diversity", justify="right", no_wrap=True)
            table.add_column("genomes", no_wrap=True, overflow="crop", ratio=1)  # best first
        for closed in self._closed:
            figures = (
                str(closed.generation + 1),
                fitness_text(closed.best, landscape),
                fitness_text(closed.median, landscape),
                share_text(
                    closed.successes, closed.trials, closed.success_low, closed.success_high
                ),
            )
            kin = (f"{closed.diversity:.2f}", cells(closed.colours, CELLS)) if wide else ()
            table.add_row(*figures, *kin)
        return table

    def _activity(self, now: Snapshot) -> Table:
        """How much is done, and how much of the machine is at work."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(style=FAINT, width=LABEL)
        table.add_column(ratio=1)
        table.add_column(justify="right", no_wrap=True)
        table.add_row(
            "trials",
            _bar(now.done + now.under_way, now.trials, ACCENT),
            f"{now.done:,} of {now.trials:,}",
        )
        if now.capacity:
            slots = _bar(now.occupied, now.capacity, GOOD)
            table.add_row("slots", slots, f"{now.occupied:,} of {now.capacity:,}")
        return table

    def _words(self, now: Snapshot) -> Table:
        """The same in words, which may need the whole width."""
        trials, steps = self._pace.rates
        time = duration_text(now.seconds)
        if now.eta_seconds is not None:
            time += f" · about {duration_text(now.eta_seconds)} to go"
        rows: dict[str, Text | str] = {
            "now": f"generation {now.generation + 1} of {now.generations}"
            if now.phase == "evolve"
            else "confirming the champion on new seeds",
            "pace": f"{rate_text(trials)} trials/s · {rate_text(steps)} steps/s"
            if now.capacity
            else NO_ROOM
            if now.waiting
            else "engines are starting …",
            "time": time,
        }
        if self._closed and (leader := self._closed[-1]).best_genome:
            fitness = fitness_text(leader.best, leader.landscape)
            unit = fitness_unit(leader.landscape, self._config.the_horizon())
            rows["leader"] = Text.assemble(
                *_swatch(leader), f"{leader.best_genome[:12]} · {fitness} {unit}"
            )
        if note := _note(now):
            rows["note"] = Text(note, style=ALARM)
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(style=FAINT, width=LABEL)
        table.add_column(ratio=1)
        for name, words in rows.items():
            table.add_row(name, words)
        return table


def _swatch(closed: GenerationSummary) -> list[tuple[str, str]]:
    return [("██ ", closed.colours[0])] if closed.colours else []


def cells(colours: tuple[str, ...], width: int) -> Text:
    """Genomes as coloured cells."""
    step = max(len(colours) / width, 1.0)
    shown = [colours[int(i * step)] for i in range(min(len(colours), width))]
    return Text.assemble(*(("█", colour) for colour in shown))


def champion_table(champion: Champion, horizon: int) -> Table:
    """What was selected beside what was confirmed: the difference is luck."""
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style=FAINT,
        padding=(0, 2, 0, 0),
        caption_style=FAINT,
        caption_justify="left",
    )
    table.add_column("")
    table.add_column("mean steps", justify="right", style="bold")
    table.add_column("95 %", justify="right")
    table.add_column("grokked", justify="right", style=GOOD)
    table.add_column("of seeds", justify="right")
    for name, figures in (("selected", champion.selected), ("confirmed", champion.confirmed)):
        if figures is None:
            continue
        share = share_text(
            figures.successes, figures.trials, figures.success_low, figures.success_high
        )
        table.add_row(name, *_steps_cells(figures, horizon), share, f"{figures.trials:,}")
        if 0 < figures.successes < figures.trials:
            table.caption = (
                f"a trial that does not grok counts as the horizon, {horizon:,} steps"
            )
    return table


def _steps_cells(figures: Figures, horizon: int) -> tuple[str, str]:
    """The mean and its interval. Where nothing grokked, only a bound of the mean is known."""
    if not figures.successes:
        return f"≥ {horizon:,}", "–"
    if math.isnan(figures.steps_low):
        return f"{figures.steps:,.0f}", "–"
    return f"{figures.steps:,.0f}", f"{figures.steps_low:,.0f} – {figures.steps_high:,.0f}"


def _bar(done: float, total: int, style: str) -> ProgressBar:
    return ProgressBar(
        total=max(total, 1), completed=done, complete_style=style, finished_style=style
    )


def _note(now: Snapshot) -> str:
    """What is not as it should be, if anything."""
    notes = []
    if now.store_is_full:
        notes.append(STORE_FAILS)
    if now.suspects:
        notes.append(f"an engine was lost: {now.suspects} trials are being run apart")
    if now.failed:
        notes.append(f"{now.failed} trials failed; they count against nobody")
    return "; ".join(notes)
