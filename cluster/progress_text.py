"""Progress in words: lines for logs and pipes, JSON for programs, numbers as people say them.

The driver tells values (``Snapshot``, ``GenerationSummary``, ``RunSummary``), and a
:class:`Reporter` shows them.
"""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TextIO

from cluster.config import RunConfig
from cluster.driver import Progress
from cluster.summary import GenerationSummary, Measured, RunSummary, Snapshot, plain

RATE_SECONDS = 15.0
STORE_FAILS = "the store is full or does not answer: waiting, no new trials are begun"


class Reporter(AbstractContextManager["Reporter"]):
    """Shows a run. Call it with what the driver tells; a context, as a display may be open."""

    def __call__(self, progress: Progress) -> None:
        """Take in a piece of progress."""
        if isinstance(progress, Snapshot):
            self.snapshot(progress)
        elif isinstance(progress, GenerationSummary):
            self.generation(progress)
        else:
            self.end(progress)

    def note(self, sentence: str) -> None:
        """Something that a person should know, said once."""

    def snapshot(self, now: Snapshot) -> None:
        """About ten times a second."""

    def generation(self, closed: GenerationSummary) -> None:
        """A generation was closed."""

    def end(self, summary: RunSummary) -> None:
        """The run is over, or stopped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


# -- Numbers as text ----------------------------------------------------------------------


def fitness_text(measured: Measured, landscape: str) -> str:
    """A fitness with its error: steps, or per cent for the landscape Tank."""
    if math.isnan(measured.value):
        return "–"
    scale, digits = (100.0, 0) if landscape == "tank" else (1.0, 0)
    value = f"{measured.value * scale:,.{digits}f}"
    if math.isnan(measured.error):
        return value
    return f"{value} ± {measured.error * scale:,.{digits}f}"


def fitness_unit(landscape: str, horizon: int) -> str:
    """What fitness is measured in. No trial counts with more steps than the horizon."""
    return {
        "sprinter": f"steps, of at most {horizon:,}",
        "tank": "% sure to grok",
        "sniper": "steps of spread",
    }[landscape]


def share_text(successes: int, trials: int, low: float, high: float) -> str:
    """A success rate with its interval, in per cent."""
    if not trials:
        return "–"
    return f"{100 * successes / trials:.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def duration_text(seconds: float) -> str:
    """Hours, minutes, seconds; as much as matters."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def rate_text(rate: float) -> str:
    """A pace with about three digits."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if rate >= 0.9995 * size:  # what would be rounded to it
            return f"{rate / size:.1f} {unit}"
    return f"{rate:.1f}" if rate < 9.95 else f"{rate:.0f}"


class Pace:
    """Trials and training steps a second, over the last while."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def see(self, now: Snapshot) -> None:
        """Take a moment in."""
        self._seen.append((now.seconds, now.finished, now.trial_steps))
        while len(self._seen) > 2 and now.seconds - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()

    @property
    def rates(self) -> tuple[float, float]:
        """Trials a second and trial-steps a second."""
        if len(self._seen) < 2:
            return 0.0, 0.0
        first, last = self._seen[0], self._seen[-1]
        seconds = max(last[0] - first[0], 1e-9)
        return (last[1] - first[1]) / seconds, (last[2] - first[2]) / seconds


# -- Lines and JSON -----------------------------------------------------------------------


class LineReporter(Reporter):
    """A plain line when work begins and for each generation, for logs and pipes."""

    def __init__(self, config: RunConfig, write: Callable[[str], None]) -> None:
        self._config, self._write = config, write
        self._pace = Pace()
        self._last: Snapshot | None = None

    def note(self, sentence: str) -> None:
        """A line."""
        self._write(sentence)

    def snapshot(self, now: Snapshot) -> None:
        """Remember it for the next line; say that work begins, and when the store fails."""
        self._pace.see(now)
        if self._last is None:
            evolution = self._config.evolution
            self._write(
                f"run {self._config.run_id()}: {now.generations} generations of "
                f"{evolution.population} genomes × {evolution.seeds} seeds"
            )
        if now.store_is_full and not (self._last and self._last.store_is_full):
            self._write(STORE_FAILS)
        self._last = now

    def generation(self, closed: GenerationSummary) -> None:
        """A line."""
        landscape = closed.landscape
        unit = fitness_unit(landscape, self._config.the_horizon())
        parts = [
            f"best {fitness_text(closed.best, landscape)}",
            f"median {fitness_text(closed.median, landscape)} ({unit})",
            "grokked "
            + share_text(
                closed.successes, closed.trials, closed.success_low, closed.success_high
            ),
            f"diversity {closed.diversity:.2f}",
        ]
        if closed.failed:
            parts.append(f"{closed.failed} failed")
        generations = self._config.evolution.generations
        if (now := self._last) is not None:
            generations = now.generations
            trials, steps = self._pace.rates
            parts.append(f"{rate_text(trials)} trials/s, {rate_text(steps)} steps/s")
            parts.append(f"{now.capacity} slots")
            if now.eta_seconds is not None:
                parts.append(f"about {duration_text(now.eta_seconds)} to go")
        self._write(f"generation {closed.generation + 1}/{generations}: {', '.join(parts)}")


class JsonReporter(Reporter):
    """One JSON object a line: each generation, and the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def generation(self, closed: GenerationSummary) -> None:
        """An object with ``"event": "generation"``."""
        self._print("generation", plain(closed))

    def end(self, summary: RunSummary) -> None:
        """An object with ``"event": "finished"`` or ``"stopped"``."""
        self._print("stopped" if summary.stopped else "finished", plain(summary))

    def _print(self, event: str, values: dict[str, object]) -> None:
        print(json.dumps({"event": event, **values}), file=self._stream, flush=True)
