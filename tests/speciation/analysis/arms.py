"""Arms of simulated trials, whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize, stats

from speciation.analysis.estimates import Arm
from speciation.analysis.survival import Times
from speciation.seeds import pool_b

HORIZON = 2500


def draw(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    rate: float = 1.0,
    mean: float = 800,
    spread: float = 150,
) -> np.ndarray:
    """Gamma times at evaluations of 25 steps; infinite for trials that never grok."""
    k = (mean / spread) ** 2
    steps = np.ceil(rng.gamma(k, mean / k, shape) / 25) * 25
    steps[rng.random(shape) >= rate] = np.inf
    return np.where(steps <= HORIZON, steps, np.inf)


def truth(**how: float) -> dict[str, float]:
    """RMST, ERT and success rate of a million trials."""
    steps = draw(np.random.default_rng(99), (1_000_000,), **how)
    rate = np.isfinite(steps).mean()
    rmst = np.minimum(steps, HORIZON).mean()
    return {"rmst": rmst, "ert": rmst / rate, "success": rate}


def arm(steps: np.ndarray, name: str = "arm", **rest: Any) -> Arm:
    """An arm of one genome with a trial a seed."""
    seed = np.array(pool_b(len(steps)))
    return Arm(name, seed, steps, np.minimum(steps, HORIZON), HORIZON, **rest)


def some(count: int, n: int = 40, seed: int = 0, **how: float) -> list[np.ndarray]:
    """Steps of so many arms of n trials."""
    rng = np.random.default_rng(seed)
    return [draw(rng, (n,), **how) for _ in range(count)]


def times(steps: np.ndarray) -> Times:
    """Steps as survival analysis has them."""
    return Times(np.minimum(steps, HORIZON), np.isfinite(steps))


# Two arms of one mean each: mean steps of the first; for each the share that fails and the
# coefficient of variation of the others. The second's take as long as makes the means equal.
EQUAL = {
    "alike": (400, (0.0, 0.25), (0.0, 0.25)),
    "the quick one fails in 2 %": (400, (0.02, 0.25), (0.0, 0.25)),
    "the quick one fails in 5 %": (400, (0.05, 0.25), (0.0, 0.25)),
    "the quick one fails in 10 %": (400, (0.1, 0.25), (0.0, 0.25)),
    "the same, times are constant": (400, (0.05, 0.0), (0.0, 0.0)),
    "one is much more skewed": (600, (0.0, 0.25), (0.0, 1.2)),
    "both fail, one more": (400, (0.3, 0.25), (0.1, 0.25)),
    "nearly all censored": (500, (0.95, 0.25), (0.9, 0.25)),
}


def equal_arms(
    rng: np.random.Generator, name: str, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """min(T, H) of the two arms of one mean."""
    mean, one, other = EQUAL[name]
    wanted = lognormal_mean(mean, *one)
    slower = optimize.brentq(lambda m: lognormal_mean(m, *other) - wanted, 1, 20 * HORIZON)
    return lognormal(rng, shape, mean, *one), lognormal(rng, shape, slower, *other)


def lognormal(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    mean: float,
    failing: float = 0.0,
    variation: float = 0.25,
) -> np.ndarray:
    """min(T, H) of lognormal times with failures."""
    scale = np.sqrt(np.log1p(variation**2))
    steps = mean * np.exp(scale * rng.standard_normal(shape) - scale**2 / 2)
    steps[rng.random(shape) < failing] = HORIZON
    return np.minimum(steps, HORIZON)


def lognormal_mean(mean: float, failing: float, variation: float) -> float:
    """The true mean of :func:`lognormal`."""
    scale = max(np.sqrt(np.log1p(variation**2)), 1e-9)
    at = np.log(HORIZON / mean) / scale
    capped = mean * stats.norm.cdf(at - scale / 2) + HORIZON * stats.norm.sf(at + scale / 2)
    return float(failing * HORIZON + (1 - failing) * capped)
