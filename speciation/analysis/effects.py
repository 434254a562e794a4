"""Which genes matter: what a forecast of RMST loses when a gene is shuffled.

A forest (Breiman 2001) learns from all stored genomes how their genes go with their mean of
min(T, H). On genomes that it has not seen, one gene's values are shuffled among genomes: what
the forecast loses is that gene's importance. Two genes shuffled *together* keep what they mean
to each other; so what they lose apart beyond what they lose together,

    interaction(a, b) = loss(a) + loss(b) - loss(a, b),

is what only their combination says: the mark of a *co-adapted gene complex*. All are in units
of R², the share of the variance that is forecast. Importance is of the forecast, in the
population that was tried, and no proof of a cause.

Axes: P genomes, G genes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from speciation.analysis.survival import Floats
from speciation.seeds import Purpose, generator

TREES, FOLDS, SHUFFLES = 80, 5, 5
LEADING = 6  # genes whose pairs are looked at
LEAST_GENOMES = 40  # below which there is nothing to learn from
MOST_GENOMES = 2000  # a forest takes seconds to learn from so many; more would say the same


@dataclass(frozen=True, slots=True)
class Importance:
    """What is lost without something, with its standard error over folds; in units of R²."""

    genes: tuple[str, ...]
    loss: float
    error: float


@dataclass(frozen=True, slots=True)
class Effects:
    """Which genes matter.

    Args:
        genomes: How many were looked at.
        forecast: R² on genomes that were not learned from; at 0 or below, nothing was found.
        genes: Every gene, the most important first.
        pairs: Interactions of the leading genes, the strongest first.
    """

    genomes: int
    forecast: float
    genes: tuple[Importance, ...]
    pairs: tuple[Importance, ...]


def effects(names: Sequence[str], unit: Floats, rmst: Floats, weight: Floats) -> Effects | None:
    """Importance of genes; None of too few genomes, or where all do alike.

    Of more than :data:`MOST_GENOMES`, so many are drawn by chance.

    Args:
        names: Of the genes, ``(G,)``.
        unit: Their unit coordinates, ``(P, G)``.
        rmst: Mean of min(T, H) of each genome, ``(P,)``.
        weight: Trials that each mean rests on, ``(P,)``.
    """
    if len(rmst) < LEAST_GENOMES or float(np.ptp(rmst)) == 0:
        return None
    rng = generator(0, Purpose.BOOTSTRAP, generation=len(rmst), index=2)
    drawn = rng.permutation(len(rmst))[:MOST_GENOMES]
    folds = np.array_split(drawn, FOLDS)
    seen = [_Fold(unit, rmst, weight, np.setdiff1d(drawn, fold), fold) for fold in folds]
    alone = _together([(i,) for i in range(len(names))], seen)
    leading = sorted(range(len(names)), key=lambda i: -alone[(i,)].mean())[:LEADING]
    chosen: list[tuple[int, ...]] = list(combinations(sorted(leading), 2))
    both = _together(chosen, seen)
    pairs: _Losses = {(i, j): alone[(i,)] + alone[(j,)] - loss for (i, j), loss in both.items()}
    return Effects(
        genomes=len(drawn),
        forecast=float(np.mean([fold.forecast for fold in seen])),
        genes=_ranked(alone, names),
        pairs=_ranked(pairs, names),
    )


_Losses = Mapping[tuple[int, ...], Floats]


def _together(keys: Sequence[tuple[int, ...]], seen: Sequence[_Fold]) -> _Losses:
    """What each fold's forecast loses without each of these sets of genes."""
    losses = np.stack([fold.losses(keys) for fold in seen], axis=1)
    return dict(zip(keys, losses, strict=True))


def _ranked(losses: _Losses, names: Sequence[str]) -> tuple[Importance, ...]:
    found = [
        Importance(
            tuple(names[i] for i in key),
            float(loss.mean()),
            float(loss.std(ddof=1) / np.sqrt(len(loss))),
        )
        for key, loss in losses.items()
    ]
    return tuple(sorted(found, key=lambda own: -own.loss))


class _Fold:
    """A forest that learned from the rest of the genomes, and is judged on those of a fold."""

    def __init__(
        self,
        unit: Floats,
        rmst: Floats,
        weight: Floats,
        rest: NDArray[np.int64],
        fold: NDArray[np.int64],
    ) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self._forest = RandomForestRegressor(
            TREES, min_samples_leaf=2, max_features=0.5, random_state=0, n_jobs=1
        )
        self._forest.fit(unit[rest], rmst[rest], sample_weight=weight[rest])
        self._unit, self._rmst, self._weight = unit[fold], rmst[fold], weight[fold]
        mean = np.average(self._rmst, weights=self._weight)
        self._variance = (
            float(np.average((self._rmst - mean) ** 2, weights=self._weight)) or 1.0
        )
        self.forecast = float(self._r2(self._unit))

    def losses(self, keys: Sequence[tuple[int, ...]]) -> Floats:
        """R² that is lost when each set of genes is shuffled among genomes, in one order."""
        rng = generator(0, Purpose.BOOTSTRAP, generation=len(self._rmst), index=3)
        orders = [rng.permutation(len(self._rmst)) for _ in range(SHUFFLES)]
        shuffled = np.tile(self._unit, (len(keys), SHUFFLES, 1, 1))
        for place, genes in enumerate(keys):
            for own, order in zip(shuffled[place], orders, strict=True):
                own[:, genes] = own[order][:, genes]
        return self.forecast - self._r2(shuffled).mean(axis=1)

    def _r2(self, unit: Floats) -> Floats:
        """Of genomes ``(…, P, G)``: shape ``(…)``."""
        forecast = self._forest.predict(unit.reshape(-1, unit.shape[-1]))
        off = (self._rmst - forecast.reshape(unit.shape[:-1])) ** 2
        return np.asarray(1 - off @ self._weight / self._weight.sum() / self._variance)
