"""Runs and queue on a terminal, live: the numbers of ``overview.py``, drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cluster.job_queue import Job, State
from cluster.overview import RunView, wanted_generations
from cluster.places import NO_ROOM
from cluster.progress_text import STORE_FAILS, duration_text, fitness_text, rate_text
from cluster.pulse import Pulse
from cluster.summary import Measured, plain
from speciation.tables.store import StoreUnavailable

ACCENT, GOOD, FAINT, ALARM = "cyan", "green", "bright_black", "yellow"
STATES = {
    "queued": "default",
    "running": ACCENT,
    "succeeded": GOOD,
    "finished": GOOD,
    "failed": "red",
    "cancelled": FAINT,
    "stopped": FAINT,
}
BARS = "▁▂▃▄▅▆▇█"
SPARK = 40
WIDEST = 100


T = TypeVar("T")


def looks(look: Callable[[], T], pause: Callable[[], None]) -> Iterator[T]:
    """What is seen, look after look; while a store does not answer, what was seen last.

    Raises:
        StoreError: It does not answer the first time, or cannot be read at all.
    """
    seen = look()
    while True:
        yield seen
        pause()
        with suppress(StoreUnavailable):
            seen = look()


# -- Numbers ------------------------------------------------------------------------------


def as_json(views: Sequence[RunView], jobs: Sequence[Job], now: float) -> dict[str, Any]:
    """What ``top --json`` prints."""
    return {
        "queue": {state.value: count for state, count in counted(jobs).items()},
        "runs": [run_json(view, now) for view in views],
    }


def run_json(view: RunView, now: float) -> dict[str, Any]:
    """One run as plain values."""
    pulse = view.pulse
    return {
        "run": view.run,
        "state": view.state,
        "alive": view.alive(now),
        "generation": view.generation,
        "generations": wanted(view),
        "trials": view.trials,
        "outcomes": dict(view.outcomes),
        "landscape": view.landscape,
        "best": view.best,
        "best_error": view.best_error,
        "best_genome": view.best_genome,
        "job": view.job.id if view.job else None,
        "pulse": plain(pulse) if pulse else None,
    }


def job_json(job: Job, view: RunView) -> dict[str, Any]:
    """One job as plain values."""
    return {
        "job": job.id,
        "run": job.run,
        "state": job.state.value,
        "cancelling": job.cancelling,
        "priority": job.priority,
        "devices": job.devices,
        "generation": min(view.generation, _asked(job)),
        "generations": _asked(job),
        "trials": view.trials,
        "best": view.best,
        "attempts": [plain(attempt) for attempt in job.attempts],
        "submission_id": job.submission_id,
        "submitted": job.submitted,
        "reason": job.reason,
    }


def counted(jobs: Sequence[Job]) -> dict[State, int]:
    """How many jobs stand where."""
    states = Counter(job.state for job in jobs)
    return {state: states[state] for state in State}


def wanted(view: RunView) -> int:
    """Generations that a run is to have; what is running knows best."""
    pulse = view.pulse.generations if view.pulse else 0
    return max(view.generations, pulse, view.generation)


def sparkline(values: Sequence[float], width: int = SPARK) -> str:
    """A row of numbers as bars, evenly thinned; the lowest is the lowest bar."""
    if not values:
        return ""
    step = max(len(values) / width, 1.0)
    shown = [values[int(i * step)] for i in range(min(len(values), width))]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in shown)


# -- Drawings -----------------------------------------------------------------------------


def screen(views: Sequence[RunView], jobs: Sequence[Job], store: str, now: float) -> Group:
    """The whole view: the queue in a line, then a panel a run."""
    parts: list[RenderableType] = [_headline(jobs, store)]
    parts += [_panel(view, now) for view in views]
    if not views:
        parts.append(Text("nothing runs, and nothing has run here yet", style=FAINT))
    return Group(*parts)


def job_table(jobs: Sequence[Job], views: Mapping[str, RunView], now: float) -> Table:
    """The queue, a row a job."""
    table = Table(box=box.SIMPLE_HEAD, header_style=FAINT, padding=(0, 1, 0, 0))
    table.add_column("job", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for name in ("priority", "generation", "trials", "best", "attempts", "age"):
        table.add_column(name, justify="right", no_wrap=True)
    for job in jobs:
        view = views[job.run]
        words = "cancelling" if job.cancelling else job.state.value
        table.add_row(
            job.id,
            Text(words, style=STATES[job.state.value]),
            str(job.priority),
            f"{min(view.generation, _asked(job)):,}/{_asked(job):,}",
            f"{view.trials:,}",
            best_text(view),
            str(len(job.attempts)),
            age(now - job.submitted),
        )
    return table


def best_text(view: RunView) -> str:
    """The best fitness with its error."""
    if view.best is None:
        return "–"
    error = float("nan") if view.best_error is None else view.best_error
    return fitness_text(Measured(view.best, error), view.landscape)


def age(seconds: float) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _asked(job: Job) -> int:
    """Generations that a job asks for: another one of the same run may have asked for more."""
    return wanted_generations(job.settings)


def _headline(jobs: Sequence[Job], store: str) -> Text:
    states = counted(jobs)
    words = [f"{count:,} {state.value}" for state, count in states.items() if count]
    return Text.assemble(
        ("speciation ", f"bold {ACCENT}"),
        (store, "bold"),
        (f"   queue: {', '.join(words) or 'empty'}", FAINT),
    )


def _panel(view: RunView, now: float) -> Panel:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style=FAINT, width=len("generation"))
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    total = wanted(view)
    table.add_row(
        "generation",
        _bar(view.generation, total, ACCENT),
        f"{view.generation:,} of {total:,}",
    )
    pulse = view.pulse
    if view.alive(now) and pulse is not None:
        table.add_row(
            "slots",
            _bar(pulse.occupied, pulse.capacity, GOOD),
            f"{pulse.occupied:,} of {pulse.capacity:,}",
        )
    words = Table.grid(padding=(0, 2))
    words.add_column(style=FAINT, width=len("generation"))
    words.add_column()
    for name, value in _words(view, now).items():
        words.add_row(name, value)
    return Panel(
        Group(table, words),
        title=Text.assemble((view.run, "bold"), " ", (view.state, STATES.get(view.state, ""))),
        title_align="left",
        border_style=FAINT,
        box=box.ROUNDED,
        padding=(0, 2),
        width=WIDEST,
    )


def _words(view: RunView, now: float) -> dict[str, Text | str]:
    outcomes = ", ".join(f"{count:,} {name}" for name, count in view.outcomes.items())
    rows: dict[str, Text | str] = {
        "trials": f"{view.trials:,}" + (f": {outcomes}" if outcomes else "")
    }
    if view.best is not None:
        genome = (view.best_genome or "")[:12]
        rows["best"] = f"{best_text(view)}  {sparkline(view.history)}  {genome}"
    pulse = view.pulse
    if view.alive(now) and pulse is not None:
        rows["pace"] = (
            f"{rate_text(pulse.trials_a_second)} trials/s · "
            f"{rate_text(pulse.steps_a_second)} trial-steps/s"
        )
        if pulse.eta_seconds is not None:
            rows["time"] = f"about {duration_text(pulse.eta_seconds)} to go"
        if pulse.waiting and not pulse.capacity:
            rows["note"] = Text(NO_ROOM)
        if pulse.store_is_full:
            rows["note"] = Text(STORE_FAILS, style=ALARM)
    elif view.state == "running":
        rows["note"] = _silence(pulse, now)
    if view.job is not None and view.job.reason:
        rows["note"] = Text(view.job.reason, style=ALARM)
    return rows


def _silence(pulse: Pulse | None, now: float) -> Text:
    """What to say of a run that should be heard of and is not."""
    if pulse is None:  # as of every run in its first seconds
        return Text("not heard of yet")
    return Text(f"not heard of lately; last: {duration_text(now - pulse.at)} ago", style=ALARM)


def _bar(done: float, total: int, style: str) -> ProgressBar:
    return ProgressBar(
        total=max(total, 1), completed=done, complete_style=style, finished_style=style
    )
