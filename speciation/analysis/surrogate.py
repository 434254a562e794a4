"""What a genome would come to, guessed from the trials of others.

A Gaussian process over the unit cube (Rasmussen and Williams 2006) learns the mean of
min(T, H), on a logarithmic scale, of genomes that were tried; each counts with the standard
error of its own mean. A prediction is a median and an interval, and is only ever called a
prediction. How far to trust it says the surrogate itself: every genome that it learned from is
predicted from all the others (equation 5.12 there), and those predictions are compared with
what was found.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from speciation.evolution.fitness import JUDGED_BY, fitness_table
from speciation.genome.genome import Genomes, kind_named
from speciation.tables.readers import genomes_frame
from speciation.tables.schema import QUESTION
from speciation.tables.store import Store

LEAST_GENOMES = 12
MOST_GENOMES = 400
"""Learning takes the cube of it: at this size, about two seconds."""

Z90 = 1.645  # two-sided 90 %
_BELIEF = np.array([[0.0, -Z90, Z90]])


class SurrogateError(ValueError):
    """Nothing can be predicted: one sentence."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction of the mean of min(T, H), in steps.

    Args:
        median: Half of the belief is below it.
        low: 5 % of the belief is below it.
        high: 95 % of the belief is below it; at most the horizon.
        nearest: Distance to the nearest genome that was tried, in [0, 1].
    """

    median: float
    low: float
    high: float
    nearest: float


@dataclass(frozen=True, slots=True)
class Trust:
    """How well genomes that were tried are predicted from the others.

    Args:
        genomes: How many there were.
        rank_correlation: Spearman's, of predicted and found.
        within: Share of what was found that lies in its 90 % interval.
        typical_factor: Median of how many times a prediction is off, at least 1.
    """

    genomes: int
    rank_correlation: float
    within: float
    typical_factor: float


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A fitted surrogate.

    Args:
        kind: Of the genomes.
        horizon: H in steps.
        trust: How far to believe it.
        units: What it learned from, ``(N, D)``.
        centre: Mean log steps of what it learned from.
        process: The Gaussian process of log steps less ``centre``.
    """

    kind: str
    horizon: int
    trust: Trust
    units: NDArray[np.float64]
    centre: float
    process: GaussianProcessRegressor

    def predict(self, genomes: Genomes) -> tuple[Prediction, ...]:
        """What each genome would come to.

        Raises:
            SurrogateError: The genomes are of another kind.
        """
        if genomes.kind != self.kind:
            raise SurrogateError(
                f"learned from {self.kind} genomes, it knows nothing of {genomes.kind} ones"
            )
        units = kind_named(self.kind).encode(genomes)
        mean, deviation = self.process.predict(units, return_std=True)
        apart = np.linalg.norm(units[:, None] - self.units[None], axis=2).min(axis=1)
        apart /= np.sqrt(units.shape[1])
        mean, top = mean + self.centre, np.log(self.horizon)
        quantiles = np.exp(np.minimum(mean[:, None] + _BELIEF * deviation[:, None], top))
        return tuple(
            Prediction(float(row[0]), float(row[1]), float(row[2]), float(d))
            for row, d in zip(quantiles, apart, strict=True)
        )


def of_store(store: Store) -> Surrogate:
    """A surrogate of the question that most trials of a store were asked, and its horizon.

    Raises:
        SurrogateError: There is too little to learn from.
        StoreError: The store cannot be read.
    """
    trials = store.scan("trials", (*JUDGED_BY, *QUESTION, "horizon")).table.to_pandas()
    if not len(trials):
        raise SurrogateError(f"the store {store.uri} has no trials to learn from")
    asked = trials.groupby([*QUESTION, "horizon"], dropna=False)["trial_id"].transform("size")
    usual = trials.iloc[int(asked.to_numpy().argmax())]
    for column in QUESTION:
        trials = trials[trials[column] == usual[column]]
    tried = trials["genome_id"].unique()
    return fit(trials, genomes_frame(store, genome_ids=tried), int(usual["horizon"]))


def fit(trials: pd.DataFrame, genomes: pd.DataFrame, horizon: int) -> Surrogate:
    """A surrogate of one task and model, from its trials.

    Args:
        trials: Rows of ``trials`` that answer one question.
        genomes: Rows of ``genomes`` with the genes of their genomes, all of one kind.
        horizon: H in steps.

    Raises:
        SurrogateError: There are too few tried genomes, or genomes of several kinds.
    """
    known = genomes.drop_duplicates("genome_id").set_index("genome_id")
    table = fitness_table(trials[trials["genome_id"].isin(known.index)], horizon)
    table = table[np.isfinite(table["rmst"]) & (table["rmst"] > 0)]
    # Ids are hashes, so their order is a fair draw; the best are always among those learned.
    best = table.nsmallest(MOST_GENOMES // 4, "rmst")
    rest = table.drop(best.index).sort_values("genome_id").head(MOST_GENOMES - len(best))
    table = pd.concat([best, rest]).sort_values("genome_id")
    if len(table) < LEAST_GENOMES:
        raise SurrogateError(
            f"a prediction needs at least {LEAST_GENOMES} genomes that were tried on this task "
            f"and model, and the store has {len(table)}"
        )
    own = known.loc[table["genome_id"]]
    kinds = sorted(set(own["kind"]))
    if len(kinds) != 1:
        raise SurrogateError(f"a prediction needs genomes of one kind, got {', '.join(kinds)}")
    kind = kind_named(kinds[0])
    units = kind.encode(Genomes(kind.name, own[list(kind.columns)].to_numpy(np.float64)))
    steps = np.log(table["rmst"].to_numpy(np.float64))
    centre = float(steps.mean())
    process = _learned(units, steps - centre, _relative_errors(table))
    return Surrogate(kind.name, horizon, _trust(process), units, centre, process)


def _relative_errors(table: pd.DataFrame) -> NDArray[np.float64]:
    """Standard error of log steps, about; of one trial alone, a usual one."""
    relative = (table["rmst_se"] / table["rmst"]).to_numpy(np.float64)
    usual = 0.25 / np.sqrt(table["trials"].to_numpy(np.float64))  # the CV of T is 13 to 30 %
    return np.maximum(np.where(np.isfinite(relative), relative, usual), 0.01)


def _learned(
    units: NDArray[np.float64], steps: NDArray[np.float64], errors: NDArray[np.float64]
) -> GaussianProcessRegressor:
    """The process of steps ``(N,)``, which are centred and on a logarithmic scale."""
    scale = max(float(steps.std()), 0.05)
    smooth = Matern(length_scale=1.0, length_scale_bounds=(0.05, 20.0), nu=2.5)
    kernel = ConstantKernel(scale**2, (1e-4, 1e2)) * smooth + WhiteKernel(
        0.1 * scale**2, (1e-6, 1e1)
    )
    process = GaussianProcessRegressor(kernel, alpha=errors**2, random_state=0)
    with warnings.catch_warnings():
        # A length at its bound means that the landscape is flat there, which is no mistake.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return process.fit(units, steps)


def left_out(process: GaussianProcessRegressor) -> tuple[NDArray[np.float64], ...]:
    """Each learned value predicted from all the others: means and deviations, ``(N,)`` each.

    Rasmussen and Williams 2006, equation 5.12: no second fit is needed.
    """
    inverse = cho_solve((process.L_, True), np.eye(len(process.L_)))
    variance = 1.0 / np.diag(inverse)
    return process.y_train_ - process.alpha_ * variance, np.sqrt(variance)


def _trust(process: GaussianProcessRegressor) -> Trust:
    mean, deviation = left_out(process)
    off = np.abs(process.y_train_ - mean)
    apart = np.ptp(mean) > 0 and np.ptp(process.y_train_) > 0
    return Trust(
        genomes=len(mean),
        rank_correlation=float(spearmanr(mean, process.y_train_)[0]) if apart else 0.0,
        within=float((off <= Z90 * deviation).mean()),
        typical_factor=float(np.exp(np.median(off))),
    )
