"""Searches of other libraries: the only home of Optuna and cmaes, which may be missing.

Both work in the unit cube and minimise; what they are told is the rank of each point, and both
look at nothing but its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Parzen estimators are made anew for every point that is drawn, so of a long history TPE is
# told the best, among which its split falls (25 at most), and the latest of the others.
MOST_TOLD = 512
BEST_TOLD = 64


class PeerError(RuntimeError):
    """A library is not installed: one sentence that says how to install it."""


def require(module: str) -> None:
    """Check that a library is installed.

    Raises:
        PeerError: It is not.
    """
    if find_spec(module) is None:
        raise PeerError(
            f"this search needs {module}, which is not installed: "
            "pip install 'speciation-cluster[search]'"
        )


def tpe(
    units: NDArray[np.float64], rank: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Points by Optuna's TPE, multivariate, all else as it is by default.

    Args:
        units: Shape ``(N, D)``: points tried so far, N at least 1.
        rank: Shape ``(N,)``: 0 is the best.
        count: How many points, P.
        rng: The only source of chance.

    Returns:
        Shape ``(P, D)``.
    """
    require("optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    told = _worth_telling(rank)
    names = [f"u{i:03d}" for i in range(units.shape[1])]
    space: dict[str, Any] = {
        name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names
    }
    sampler = optuna.samplers.TPESampler(
        seed=_seed(rng), multivariate=True, n_startup_trials=0, constant_liar=False
    )
    study = optuna.create_study(sampler=sampler)
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(names, units[i].tolist(), strict=True)),
                distributions=space,
                value=float(rank[i]),
            )
            for i in told
        ]
    )
    asked = [study.ask(space).params for _ in range(count)]
    return np.array([[params[name] for name in names] for params in asked])


def cma_es(
    told: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]],
    count: int,
    dimension: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Points by CMA-ES, begun as Optuna's sampler begins: in the middle, σ a sixth of a range.

    Args:
        told: Points ``(P, D)`` and ranks ``(P,)`` of each generation so far.
        count: How many points, P: the size of every generation.
        dimension: D.
        rng: The only source of chance.

    Returns:
        Shape ``(P, D)``.
    """
    require("cmaes")
    import cmaes

    bounds = np.tile([0.0, 1.0], (dimension, 1))
    search = cmaes.CMA(
        mean=np.full(dimension, 0.5),
        sigma=1 / 6,
        bounds=bounds,
        seed=_seed(rng),
        population_size=count,
    )
    for units, rank in told:
        search.tell(list(zip(units, rank.astype(float).tolist(), strict=True)))
    return np.stack([search.ask() for _ in range(count)])


def _worth_telling(rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the best and of the latest, in the order in which they were tried."""
    best = np.argsort(rank, kind="stable")[:BEST_TOLD]
    rest = np.setdiff1d(np.arange(len(rank)), best)
    return np.sort(np.concatenate([best, rest[-(MOST_TOLD - BEST_TOLD) :]]))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**32))
