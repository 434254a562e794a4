"""A validation in words and plain values: tables for a terminal, a document for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cluster.summary import plain
from cluster.validate import Outcomes
from cluster.validate_asked import Asked
from cluster.validate_plan import Plan
from speciation.analysis.comparison import Comparison
from speciation.analysis.components import Components
from speciation.analysis.estimates import Estimate, Summary
from speciation.analysis.ranking import chance
from speciation.analysis.validation import Published, Validation
from speciation.analysis.wording import spanned

HEADER = ["", "seeds", "mean steps, 95 %", "grokked, 95 %", "steps a success", "median", "best"]
SHRINK_HEADER = ["", "selected", "confirmed", "shrinkage, 95 %", "seeds"]
SPLIT_HEADER = ["", "split", "init", "order", "dropout", "together", "s.d., steps"]
MOST_ROWS = 40
FORMAT, VERSION = "speciation-validation", 1


def plan_text(asked: Asked, planned: Plan, *, sooner: bool = False) -> str:
    """The plan in a sentence, before anything is computed.

    Args:
        asked: What is wanted.
        planned: What is missing of it.
        sooner: Whether a rule may stop before all of it is computed.
    """
    seeds, genomes = _counted(len(asked.seeds), "seed"), _counted(len(asked.genomes), "genome")
    if asked.passed_over:
        seeds += f" after the first {asked.passed_over:,}"
    parts = [
        f"asked {seeds} of {genomes} to {asked.config.the_horizon():,} steps: found "
        f"{planned.found:,}, will compute {planned.to_compute:,}"
    ]
    if planned.extended:
        parts.append(f"{planned.extended:,} of them censored at a shorter horizon")
    if planned.crossed:
        lacking = planned.crossed - planned.crossed_found
        parts.append(
            f"and of {planned.crossed:,} trials in crossed blocks found "
            f"{planned.crossed_found:,}, will compute {lacking:,}"
        )
    if planned.to_train:
        cost = f"{'at most' if sooner else 'about'} {planned.steps:,} training steps"
        if planned.slot_seconds:
            cost += (
                f" ({_hours(planned.slot_seconds)} of one slot, by the pace of known trials)"
            )
        parts.append(cost)
    return ", ".join(parts)


def other_models(asked: Asked) -> str | None:
    """Which genomes were found in a model of another shape than they are tried in, if any."""
    model = asked.config.the_model()
    other = {own for own, found_in in asked.models.items() if found_in != model.as_dict()}
    names = [name for name, ids in asked.arms.items() if other & set(ids)]
    if not names:
        return None
    return (
        f"note: {', '.join(names)}: found in a model of another shape than the one tried here, "
        f"which has {_counted(model.layers, 'layer')}, {_counted(model.d_model, 'column')}, "
        f"{_counted(model.heads, 'head')} and {_counted(model.d_ff, 'hidden unit')}; "
        "--model names another"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _hours(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


# -- What was found ---------------------------------------------------------------------------


def rows(found: Validation) -> list[list[str]]:
    """A row an arm under :data:`HEADER`, the fastest first; of many, the first ones."""
    best = found.comparison.best if found.comparison else {}
    ranked = sorted(found.summaries, key=lambda own: (own.rmst.value, own.name))
    return [_row(own, found, best.get(own.name)) for own in ranked[:MOST_ROWS]]


def _row(own: Summary, found: Validation, best: float | None) -> list[str]:
    rate = found.told(own, "success")
    failed = f" +{own.failed:,} failed" if own.failed else ""
    return [
        own.name,
        f"{own.seeds:,}{failed}",
        steps_text(found.told(own, "rmst")),
        f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})",
        steps_text(own.ert),
        number(own.median.value),
        "–" if best is None else chance(best),
    ]


def steps_text(own: Estimate) -> str:
    """``612 (598–641)``."""
    if not math.isfinite(own.value):
        return f"more than {number(own.low)}"
    if not math.isfinite(own.low) or not math.isfinite(own.high):
        return number(own.value)
    return f"{number(own.value)} ({number(own.low)}–{number(own.high)})"


def number(value: float) -> str:
    """Whole steps; a dash where nothing is known."""
    if math.isnan(value):
        return "–"
    return "not reached" if math.isinf(value) else f"{value:,.0f}"


def shrink_rows(found: Validation) -> list[list[str]]:
    """A row an arm that evolution had tried, under :data:`SHRINK_HEADER`; the fastest first."""
    ranked = sorted(found.shrinkage, key=lambda own: (own.confirmed.rmst.value, own.name))
    return [
        [
            own.name,
            steps_text(own.selected.rmst),
            steps_text(own.confirmed.rmst),
            spanned(own.steps.value, own.steps.low, own.steps.high),
            f"{own.selected.seeds:,} and {own.confirmed.seeds:,}",
        ]
        for own in ranked[:MOST_ROWS]
    ]


def split_rows(parts: dict[str, Components]) -> list[list[str]]:
    """Where luck comes from, a row a genome, under :data:`SPLIT_HEADER`."""
    return [
        [
            name,
            *(_share(share) for share in (*own.shares.values(), own.together)),
            f"{own.deviation:,.0f}",
        ]
        for name, own in parts.items()
    ]


def _share(own: Estimate) -> str:
    if math.isnan(own.value):
        return "–"
    return f"{100 * own.value:.0f} % ({100 * own.low:.0f}–{100 * own.high:.0f})"


def sentences(found: Validation) -> list[str]:
    """What is to be said beside the table."""
    said = []
    if found.unfinished:
        named = ", ".join(found.unfinished[:MOST_ROWS])
        said.append(f"nothing is said of {named}: no trial of it was finished by the machine")
    if found.horizon < found.asked:
        said.append(
            f"some trials ran only to {found.horizon:,} steps, so everything is said at that "
            f"horizon instead of {found.asked:,}"
        )
    if any(own.success.value < 1 for own in found.summaries):
        said.append(
            f"a trial that does not grok counts with {found.horizon:,} steps in the mean"
        )
    if found.always_valid:
        said.append(
            "each arm's intervals of the mean and of the share that grokked in this table, and "
            "what the rule decided, hold however often one looked; p-values, and the intervals "
            "of everything else and of figures, are those of a number of seeds that is fixed "
            "beforehand, and too sure after a rule that stopped sooner"
        )
    luck = found.comparison.luck if found.comparison else None
    if luck is not None and any(own.seeds > luck.seeds for own in found.summaries):
        said.append(
            f"whether luck alone could be behind the best is asked of the {luck.seeds:,} seeds "
            "that all arms have"
        )
    if found.comparison is not None:
        said += _compared(found.comparison, len(found.arms))
    return said


def _compared(comparison: Comparison, arms: int) -> list[str]:
    """What is to be said of arms beside each other."""
    groups, luck, said = comparison.groups, comparison.luck, []
    if groups.degrees:
        said.append(
            f"log-rank test of all {arms:,} curves at once: χ² {groups.statistic:,.1f}, "
            f"{_counted(groups.degrees, 'degree')} of freedom, p {p_text(groups.p)}"
        )
        if not comparison.independent:
            said.append(
                "groups of genomes have several trials of a seed, which that test takes as "
                "independent, so its p may be too small; pairs are tested seed by seed"
            )
    if luck is not None:
        verdict = "luck alone would do" if luck.plausible else "more than luck"
        said.append(
            f"the best of as many equal arms would show {luck.expected_best:,.0f} steps on "
            f"{luck.seeds:,} seeds, this one shows {luck.best:,.0f}: p {p_text(luck.p)}, "
            f"{verdict}"
        )
    if comparison.advice:
        said.append(comparison.advice)
    return said + (_OF_MANY if arms > 2 and comparison.best else [])


_OF_MANY = [
    "the probability of being the best allows for there being many, as far as they look alike; "
    "of a few that are close among many that are not, it is too sure",
    "the best of many looks better than it is: confirm it with --fresh before it is published",
]


def p_text(p: float) -> str:
    """A p-value in three digits."""
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def published_sentences(found: Published, typical: Sequence[float]) -> list[str]:
    """What a table of published figures is worth."""
    luck, count = found.luck, len(found.table)
    verdict = "compatible with luck" if found.plausible else "more than luck explains"
    low, high = typical
    chance = f"{luck.best:,.0f} or less with a probability of {luck.p:.2f}"
    return [
        f"{count:,} genomes with one figure each: best {luck.best:,.0f} steps, median "
        f"{found.table['steps'].median():,.0f}",
        f"were all equal, the best of {count:,} would show {luck.expected_best:,.0f} on "
        f"average, and {chance}",
        f"the figures vary by {100 * found.variation:.0f} %; single trials of one genome "
        f"usually vary by {100 * low:.0f} to {100 * high:.0f} % from seed to seed",
        f"so the ranking is {verdict}",
    ]


def document(asked: Asked, done: Outcomes) -> dict[str, Any]:
    """Everything for programs: what was asked, planned and found."""
    found, config = done.found, asked.config
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": config.the_task().as_dict(),
        "model": config.the_model().as_dict(),
        "precision": config.engine.precision,
        "seeds": {"count": len(asked.seeds), "first": asked.seeds[0], "pool": "B"},
        "plan": plan_document(done.plan),
        "trained": done.trained,
        "looks": list(done.said),
        **({} if found is None else _found(found)),
    }


def plan_document(planned: Plan) -> dict[str, Any]:
    """A plan as plain values."""
    return {
        "asked": planned.asked,
        "found": planned.found,
        "to_compute": planned.to_compute,
        "extended": planned.extended,
        "crossed": planned.crossed,
        "crossed_found": planned.crossed_found,
        "steps": planned.steps,
        "slot_seconds": planned.slot_seconds,
    }


def _found(found: Validation) -> dict[str, Any]:
    comparison = found.comparison
    return {
        "horizon": found.horizon,
        "asked_horizon": found.asked,
        "unfinished": list(found.unfinished),
        "arms": plain(found.summaries),
        "always_valid": {name: plain(own) for name, own in found.always_valid.items()},
        "shrinkage": plain(found.shrinkage),
        "components": {name: plain(own) for name, own in found.components.items()},
        "outcomes": found.outcomes.to_dict("records"),
        "classes": found.classes.to_dict("records"),
        "comparison": None
        if comparison is None
        else {
            "differences": plain(comparison.differences),
            "log_rank": plain(comparison.groups),
            "probability_best": comparison.best,
            "luck": plain(comparison.luck),
            "advice": comparison.advice,
        },
        "sentences": sentences(found),
    }
