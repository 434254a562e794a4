"""Evidence by betting, which may be looked at whenever one likes.

Whoever bets on a hypothesis being wrong, at odds that are fair if it is right, cannot expect to
win: the fortune is a supermartingale, and it exceeds 1/α at any time at all with a probability
of at most α (Ville 1939). So a fortune of 1/α refutes the hypothesis at level α, however often
one looks and whenever one stops. Nothing is assumed but that values are bounded and that those
of different seeds are independent, so failures too rare to have been seen yet are in it
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting").

*A mean* is what no bet on a different mean has refuted: a confidence sequence.

*The best of many.* If an arm is one of the best, its time less that of another arm has a mean
of at most 0, whichever the other is. So for each arm a fortune bets, at each seed, on its being
slower than the arm that has led so far. Who leads is known before the seed is tried, so no
fortune can expect to win from an arm that is one of the best; and each arm has one fortune, so
there is nothing to correct for the number of rivals.

Axes: A arms, n seeds in the order in which they are tried.
"""

from __future__ import annotations

import math

import numpy as np

from speciation.analysis.survival import CONFIDENCE, Floats

ALPHA = 1 - CONFIDENCE
# Prior guess of a variance in units of the range; any number is valid, this one is quick.
_VARIANCE = 0.02
_MOST_OF_A_FORTUNE = 0.5  # that is ever bet on a mean

# What part of a fortune follows which strategy; any division is valid. Small differences of
# arms that never fail want all staked; where failures are many, that ruins, and less is right.
_ESTIMATED, _BOLD, _CAREFUL = 0.4, 0.4, 0.2
_ALL, _SOME = 0.999, 0.25  # of its part, that the bold and the careful strategy stake
# The estimating strategy begins as if it had seen so many gains of this mean and mean square.
_SEEN, _MEAN, _SQUARE = 10, 0.02, 0.1


def confidence_sequence(values: Floats, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval of a mean after these values, valid at all times together.

    The hedged capital of Waudby-Smith and Ramdas (2024, section 4.4): half of a fortune is bet
    on the mean being more than m, half on its being less, each with at most half of itself; m
    is excluded while either has multiplied by 2/α.

    Args:
        values: In [0, 1], in the order in which they came, ``(n,)``.
        alpha: One less the confidence.
    """
    bet = _bets(values, alpha)
    limit = math.log(2 / alpha)
    mean = float(values.mean())

    def low(m: float) -> float:
        stake = np.minimum(bet, _MOST_OF_A_FORTUNE / max(m, 1e-12))
        return float(np.log1p(stake * (values - m)).sum())

    def high(m: float) -> float:
        stake = np.minimum(bet, _MOST_OF_A_FORTUNE / max(1 - m, 1e-12))
        return float(np.log1p(-stake * (values - m)).sum())

    below, above = (0.0, mean) if low(0.0) >= limit else (0.0, 0.0)
    while above - below > 1e-6:
        middle = (below + above) / 2
        below, above = (middle, above) if low(middle) >= limit else (below, middle)
    least = below
    below, above = (mean, 1.0) if high(1.0) >= limit else (1.0, 1.0)
    while above - below > 1e-6:
        middle = (below + above) / 2
        below, above = (below, middle) if high(middle) >= limit else (middle, above)
    return least, above


def _bets(values: Floats, alpha: float) -> Floats:
    """Each bet before its value is seen, ``(n,)``: large while little has varied."""
    n = np.arange(1, len(values) + 1)
    means = (0.5 + np.cumsum(values)) / (n + 1)
    variances = (_VARIANCE + np.cumsum((values - means) ** 2)) / (n + 1)
    before = np.concatenate([[_VARIANCE], variances[:-1]])
    return np.sqrt(2 * math.log(2 / alpha) / (before * n * np.log(n + 1)))


# -- The best of many -------------------------------------------------------------------------


def fortunes(gains: Floats) -> Floats:
    """What bets on a mean above 0 have made of a fortune of 1, its logarithm after each gain.

    A stake of a share λ of the fortune, 0 ≤ λ < 1, multiplies it by 1 + λ · gain, which has a
    mean of at most 1 if that of the gains is at most 0. Parts of the fortune stake nearly all
    of themselves, a quarter, and what Kelly (1956) would, Σ gain / Σ gain², of earlier gains.

    Args:
        gains: In [-1, 1], ``(..., n)``; 0 where there was nothing to bet on.
    """
    total, squares = (_before(own) for own in (gains, gains**2))
    kelly = (_SEEN * _MEAN + total) / (_SEEN * _SQUARE + squares)
    parts = (
        (_ESTIMATED, np.clip(kelly, 0, _ALL)),
        (_BOLD, _ALL),
        (_CAREFUL, _SOME),
    )
    logs = [math.log(w) + np.log1p(stake * gains).cumsum(axis=-1) for w, stake in parts]
    return np.asarray(np.logaddexp.reduce(logs))


def against_being_best(times: Floats) -> Floats:
    """The fortune of bets that an arm is not one of the best, its logarithm, ``(A, n)``.

    Of an arm that is one of the best it is log(1/α) or more at some time with a probability of
    at most α, for any number of arms.

    Args:
        times: In [0, 1], ``(A, n)``; NaN where an arm was not tried.
    """
    there = ~np.isnan(times)
    tried = _before(there.astype(np.float64))
    past = _before(np.where(there, times, 0.0)) / np.maximum(tried, 1)
    past[~there] = np.inf
    arms, seeds = np.arange(len(times))[:, None], np.arange(times.shape[1])
    first = past.argmin(axis=0)
    rest = past.copy()
    rest[first, seeds] = np.inf
    rival = np.where(arms == first, rest.argmin(axis=0), first)
    return fortunes(np.nan_to_num(times - times[rival, seeds], nan=0.0))


def _before(values: Floats) -> Floats:
    """Sums of what came before each, along the last axis.

    Not the sums up to each less each: rounding would let the bet know a little of the outcome.
    """
    sums = np.zeros_like(values)
    np.cumsum(values[..., :-1], axis=-1, out=sums[..., 1:])
    return sums
