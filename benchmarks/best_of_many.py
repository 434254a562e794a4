"""How often the first of many arms is the best, beside how often that is said.

    python -m benchmarks.best_of_many [repeats]

True means are normal around 600 steps, with a standard deviation that is a multiple of what 20
seeds leave open of each; a trial varies by 100 steps, a seed by 60. Printed are means over
repeats: the probability that is said of the leader by seeds drawn again alone, the one that is
shrunk (``speciation.analysis.ranking``), and how often the leader was the best. Of equal arms
each is the best with 1 / A. In the last row half of 68 arms are equal and half are far behind.
"""

from __future__ import annotations

import sys

import numpy as np

from speciation.analysis.ranking import probability_best
from speciation.analysis.survival import Floats, resampled

SEEDS, TRIAL, SEED, MEAN, BEHIND = 20, 100.0, 60.0, 600.0, 900.0
ARMS, APART = (2, 20, 68), (0, 1, 5)


def drawn_again(times: Floats) -> Floats:
    """How often each arm has the least mean when seeds are drawn with replacement, ``(A,)``."""
    drawn = resampled(times)
    return np.asarray((drawn == drawn.min(axis=0)).mean(axis=1))


def trials(rng: np.random.Generator, means: Floats) -> Floats:
    """Times of arms with these means, ``(A, s)``."""
    own = rng.normal(0, TRIAL, (len(means), SEEDS))
    return np.asarray(means[:, None] + own + rng.normal(0, SEED, SEEDS))


def one(rng: np.random.Generator, means: Floats) -> tuple[float, float, float]:
    """Of one repeat: said by drawing again, said by shrinking, and the truth."""
    times = trials(rng, means)
    leader = times.mean(axis=1).argmin()
    best = means == means.min()
    return (
        drawn_again(times)[leader],
        probability_best(times)[leader],
        best[leader] / best.sum(),
    )


def told(name: str, repeats: list[tuple[float, float, float]]) -> None:
    """Print the means of all repeats."""
    print(f"{name:34}" + "".join(f"{own:12.1%}" for own in np.mean(repeats, 0)), flush=True)


def main(repeats: int = 400) -> None:
    """Print a row a scene."""
    rng = np.random.default_rng(0)
    print(f"{'':34}{'drawn again':>12}{'shrunk':>12}{'truth':>12}")
    for arms in ARMS:
        for apart in APART:
            spread = apart * TRIAL / np.sqrt(SEEDS)
            scene = (MEAN + spread * rng.standard_normal(arms) for _ in range(repeats))
            told(f"{arms} arms, {apart} errors apart", [one(rng, means) for means in scene])
    halves = MEAN + BEHIND * (np.arange(68, dtype=np.float64) % 2)
    told("34 arms alike, 34 far behind", [one(rng, halves) for _ in range(repeats)])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
