"""The figures of a run that change by the second, as tiles."""

from __future__ import annotations

from typing import Any

from dash import html

from dashboards import theme, words
from dashboards.lab.live import RunNow


def tiles(now: RunNow, at: float) -> list[Any]:
    """What stands above the figures of a run.

    Args:
        now: The run.
        at: Seconds since 1970.
    """
    view, pulse = now.view, now.view.pulse
    done = [
        _tile("State", state_of(now), _where(now, at)),
        _tile(
            "Generation",
            f"{view.generation:,} of {now.generations:,}",
            _bar(view.generation, now.generations),
        ),
        _tile(f"Best {words.LANDSCAPES[view.landscape].measure}", best_of(now), _leader(now)),
        _tile("Trials", f"{view.trials:,}", _outcomes(now)),
    ]
    if pulse is not None and now.alive:
        done += [
            _tile(
                "Occupied slots",
                f"{pulse.occupied:,} of {pulse.capacity:,}",
                _bar(pulse.occupied, pulse.capacity),
            ),
            _tile(
                "Pace",
                f"{words.number(pulse.trials_a_second)} trials/s",
                f"{words.number(pulse.steps_a_second)} training steps/s",
            ),
        ]
    return done


def state_of(now: RunNow) -> str:
    """Where a run stands, in a word or two."""
    if now.work is not None and now.work.running:
        if now.work.stopping:
            return "stopping"
        return "running" if now.alive else "starting"
    if now.alive:
        return "running"
    if now.view.state in ("running", "unknown"):  # says the manifest, but nobody drives it
        return "interrupted"
    return now.view.state


def _where(now: RunNow, at: float) -> str:
    pulse = now.view.pulse
    if pulse is not None and now.alive:
        to_go = (
            f", about {words.duration(pulse.eta_seconds)} to go" if pulse.eta_seconds else ""
        )
        since = f" for {words.duration(at - pulse.began)}" if pulse.began else ""
        return f"on {pulse.host or 'another machine'}{since}{to_go}"
    if state_of(now) == "interrupted":
        return "nobody drives it; nothing is lost: go on"
    return now.view.job.reason if now.view.job is not None else ""


def best_of(now: RunNow) -> str:
    """The best fitness of the last closed generation, with its error."""
    view = now.view
    if view.best is None:
        return words.NOTHING
    error = float("nan") if view.best_error is None else view.best_error
    return words.fitness(view.best, error, view.landscape)


def _leader(now: RunNow) -> Any:
    own = now.view.best_genome
    return html.Code(words.short(own)) if own else "no generation has closed yet"


def _outcomes(now: RunNow) -> Any:
    counts = now.view.outcomes
    return [
        html.Span(
            f"{counts[name]:,} {name}", className="key", style={"--mark": theme.OUTCOMES[name]}
        )
        for name in theme.OUTCOMES
        if counts.get(name)
    ] or "none has ended yet"


def _tile(name: str, value: str, note: Any) -> html.Div:
    return html.Div([html.Dt(name), html.Dd([value, html.Small(note)])])


def _bar(done: float, of: float) -> html.Progress:
    return html.Progress(value=str(min(done, of)), max=str(of or 1))
