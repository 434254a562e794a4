"""What `--until separated` errs and costs, beside rules that assume more.

    python -m benchmarks.separation [races]

Two simulated arms race on up to 3,000 shared seeds, with times that are lognormal (coefficient
of variation 25 %) up to a horizon of 2,500 steps. First tables of arms of equal mean: in how
many races the rule tells them apart, looking after every 1, 8 or 32 of the first 400 seeds.
Then of two arms that differ, and of many: how many seeds half of the races need, looking after
each. Of many, the nearest rival of the best is 80 steps behind, and the k-th 80 √k.

`betting` is the rule of this project. `symmetric` assumes that differences are symmetric about
0 where arms are equal (de la Peña 1999), as the rule once did. `paired t` is Student's test of
a number of seeds that is fixed beforehand: looked at as often it errs far more than it says,
so for the second table its seeds are those that find the difference in half of all cases.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from speciation.analysis.betting import ALPHA, against_being_best, fortunes
from speciation.analysis.sequential import LIMIT
from speciation.analysis.survival import Floats
from tests.speciation.analysis.arms import EQUAL, HORIZON, equal_arms, lognormal

Booleans = NDArray[np.bool_]

LOOKS, SEEDS, MOST = (1, 8, 32), 400, 3000
ARMS = (2, 5, 20, 100)
DIFFERENCES, FAILING = (20, 40, 80, 150), (0.0, 0.02, 0.1)


def betting(gains: Floats) -> Booleans:
    """Whether each gain brings the fortune of either side to where it decides, ``(R, n)``."""
    return np.maximum(fortunes(gains), fortunes(-gains)) >= LIMIT


def symmetric(gains: Floats) -> Booleans:
    """The same of a normal mixture of exp(λ Σ gain - λ² Σ gain² / 2), ``(R, n)``."""
    precision = 1 / (30 * 0.1**2)
    shrunk = 1 + precision * (gains**2).cumsum(axis=1)
    found = precision * gains.cumsum(axis=1) ** 2 / (2 * shrunk) - np.log(shrunk) / 2
    return found >= math.log(1 / ALPHA)


def paired_t(gains: Floats) -> Booleans:
    """The same of Student's test of as many pairs as there are by then, ``(R, n)``."""
    n = np.arange(1, gains.shape[1] + 1)
    mean = gains.cumsum(axis=1) / n
    variance = np.maximum((gains**2).cumsum(axis=1) / n - mean**2, 1e-12) / np.maximum(n - 1, 1)
    limit = stats.t.isf(ALPHA / 2, np.maximum(n - 1, 1))
    return (np.abs(mean) >= limit * np.sqrt(variance)) & (n > 1)


RULES: dict[str, Callable[[Floats], Booleans]] = {
    "betting": betting,
    "symmetric": symmetric,
    "paired t": paired_t,
}


def errors(races: int) -> None:
    """Print how often arms of equal mean are told apart."""
    print(f"told apart though their means are equal, {races:,} races of {SEEDS} seeds")
    print(f"{'':30}" + "".join(f"{own:>22}" for own in RULES))
    print(f"{'looking after every':30}" + "".join(f"{n:>7}" for n in LOOKS) * len(RULES))
    for name in EQUAL:
        one, other = equal_arms(np.random.default_rng(0), name, (races, SEEDS))
        said = [rule((other - one) / HORIZON) for rule in RULES.values()]
        shares = [own[:, n - 1 :: n].any(axis=1).mean() for own in said for n in LOOKS]
        print(f"{name:30}" + "".join(f"{share:7.1%}" for share in shares), flush=True)


def seeds_needed(races: int) -> None:
    """Print how many seeds half of the races take where arms differ."""
    print(f"\nseeds that half of {races:,} races take, of at most {MOST:,}")
    print(f"{'':30}" + "".join(f"{own:>12}" for own in RULES))
    for failing in FAILING:
        for steps in DIFFERENCES:
            rng = np.random.default_rng(0)
            slower = 400 + steps / (1 - failing)
            one, other = (
                lognormal(rng, (races, MOST), mean, failing) for mean in (400, slower)
            )
            gains = (other - one) / HORIZON
            needed = [_median(betting(gains)), _median(symmetric(gains)), _fixed(gains)]
            name = f"{steps} steps, both fail in {failing:.0%}"
            told = (f"{n:,.0f}" if n <= MOST else f"over {MOST:,}" for n in needed)
            print(f"{name:30}" + "".join(f"{own:>12}" for own in told), flush=True)


def of_many(races: int) -> None:
    """Print how many seeds half of the races of many arms take until one is left."""
    print(f"\nseeds that half of {races:,} races of many arms take")
    for arms in ARMS:
        rng, needed = np.random.default_rng(0), []
        for _ in range(races):
            means = 400 + 80 * np.sqrt(np.arange(arms))
            times = np.stack([lognormal(rng, (SEEDS,), mean) for mean in means]) / HORIZON
            gone = np.maximum.accumulate(against_being_best(times), axis=1) >= LIMIT
            left = arms - gone.sum(axis=0)
            needed.append(int(np.argmax(left <= 1)) + 1 if left[-1] <= 1 else SEEDS + 1)
        print(f"{arms:4} arms {np.median(needed):6,.0f}", flush=True)


def _median(said: Booleans) -> float:
    first = np.where(said.any(axis=1), said.argmax(axis=1) + 1, MOST + 1)
    return float(np.median(first))


def _fixed(gains: Floats) -> float:
    """Pairs of which a test of level α finds the mean of these gains in half of all cases."""
    return math.ceil(float((stats.norm.isf(ALPHA / 2) * gains.std() / gains.mean()) ** 2))


if __name__ == "__main__":
    races = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    errors(races)
    seeds_needed(min(races, 1000))
    of_many(min(races, 200))
