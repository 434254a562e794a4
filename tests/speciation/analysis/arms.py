"""Arms of simulated trials, whose truth is known."""

from __future__ import annotations

import numpy as np

from speciation.analysis.estimates import Arm
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


def arm(steps: np.ndarray, name: str = "arm", **rest) -> Arm:
    """An arm of one genome with a trial a seed."""
    seed = np.array(pool_b(len(steps)))
    return Arm(name, seed, steps, np.minimum(steps, HORIZON), HORIZON, **rest)
