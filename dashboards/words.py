"""Numbers and settings as people say them. A figure never comes without its n or interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from speciation.analysis.wording import signed as signed
from speciation.analysis.wording import spanned as spanned
from speciation.evolution.fitness import wilson

NOTHING = "–"
SHORT_ID = 8
_MOST = 1e15  # a whole number of a file may be too large for any float


@dataclass(frozen=True, slots=True)
class Landscape:
    """A fitness landscape in words.

    Args:
        measure: What a fitness is, as the title of an axis.
        aim: What the landscape looks for.
        better: Which direction is better.
        scale: From a fitness to what is shown.
        unit: Behind the number.
    """

    measure: str
    aim: str
    better: str
    scale: float = 1.0
    unit: str = ""


LANDSCAPES = {
    "sprinter": Landscape(
        "mean steps to grok", "the fewest steps to grok, on average over seeds", "lower"
    ),
    "tank": Landscape(
        "success rate, lower bound (%)",
        "the surest to grok: the greatest lower bound of the success rate",
        "higher",
        100.0,
        " %",
    ),
    "sniper": Landscape(
        "spread of steps to grok (q90 − q10)",
        "the steadiest: the least spread of steps to grok among reliable genomes",
        "lower",
    ),
}

OPERATIONS = {
    "add": "a + b",
    "subtract": "a − b",
    "multiply": "a × b",
    "divide": "a ÷ b",
    "x2+y2": "a² + b²",
    "x2+xy+y2": "a² + ab + b²",
    "x3+xy": "a³ + ab",
    "s5-compose": "a ∘ b",
    "s5-conjugate": "a ∘ b ∘ a⁻¹",
}

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# -- Numbers ------------------------------------------------------------------------------


def number(value: float) -> str:
    """A number with as many digits as matter; an unknown one is a dash."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if abs(value) >= 20 or value == int(value) else f"{value:.3g}"


def scientific(value: float) -> str:
    """A number of any size in three digits, such as ``1.09 × 10⁻⁷``."""
    digits, _, power = f"{value:.3g}".partition("e")
    return f"{digits} × 10{str(int(power)).translate(_RAISED)}" if power else digits


def plus_minus(value: float, error: float) -> str:
    """A value with its standard error, where that is known, to as many decimals."""
    if math.isnan(value):
        return NOTHING
    if not math.isfinite(error):
        return f"{number(value)} ± ?"
    return f"{number(value)} ± {error:,.0f}" if value >= 20 else f"{value:.3g} ± {error:.2g}"


def interval(low: float, high: float) -> str:
    """A 95 % interval; that of a single trial is not known."""
    if math.isnan(low) or math.isnan(high):
        return "interval unknown"
    return f"95 % {number(low)}–{number(high)}"


@lru_cache(maxsize=4096)
def share(count: int, of: int) -> str:
    """How many of how many, with Wilson's interval in per cent."""
    if not of:
        return "none yet"
    low, high = wilson(count, of)
    return f"{count:,} of {of:,} (95 % {100 * low:.0f}–{100 * high:.0f} %)"


@lru_cache(maxsize=4096)
def fitness(value: float, error: float, landscape: str) -> str:
    """A fitness ± its standard error, in the unit that it is shown in."""
    shown = LANDSCAPES[landscape]
    return plus_minus(value * shown.scale, error * shown.scale) + shown.unit


def probability(p: float) -> str:
    """A p-value in three digits."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def duration(seconds: float) -> str:
    """Hours, minutes, seconds; as much as matters."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def counted(count: int, noun: str) -> str:
    """``1 genome``, ``16 genomes``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def performance(told: Any) -> str:
    """Selected or confirmed figures as a genome file has them, which may be anything."""
    told = told if isinstance(told, Mapping) else {}
    steps, successes, trials = (told.get(key) for key in ("steps", "successes", "trials"))
    sound = all(
        isinstance(own, int | float) and abs(own) < _MOST for own in (steps, successes, trials)
    )
    return f"{steps:,.0f} steps, {successes:,} of {trials:,}" if sound else NOTHING


# -- Things -------------------------------------------------------------------------------


def short(genome_id: str) -> str:
    """The beginning of an id: enough to tell, and to ask for it."""
    return genome_id[:SHORT_ID]


def task(settings: Mapping[Any, Any]) -> str:
    """A task, from its fields: those of a row of ``trials`` or of a configuration."""
    operation = str(settings["operation"])
    where = "in S₅" if operation.startswith("s5") else f"mod {settings['modulus']}"
    batch = settings["batch"]
    each = f"{batch:,} pairs a step" if batch else "all of them each step"
    share = f"{100 * settings['train_fraction']:.3g} % of all pairs to learn from"
    return f"{OPERATIONS.get(operation, operation)} {where}; {share}, {each}"


def model(settings: Mapping[Any, Any]) -> str:
    """A transformer, from its sizes."""
    return (
        f"{counted(settings['layers'], 'layer')}, width {settings['d_model']}, "
        f"{counted(settings['heads'], 'head')}, feed-forward {settings['d_ff']}"
    )


def sentence(text: str) -> str:
    """What a terminal says in a line, as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
