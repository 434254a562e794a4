"""Which genes work only together: measured, by trying the combinations.

Take two genomes, one to begin with and one that is better. A *factor* is a gene, or a group of
genes, that is either the first genome's or the second's; some combinations of factors are bred
and tried on the same seeds. Of two factors, averaged over all backgrounds that were tried,

    alone_a = y(a) - y(),   alone_b = y(b) - y(),   both = y(a b) - y(),
    epistasis = both - alone_a - alone_b,

where y is the mean of min(T, H): less is better, so epistasis below zero is gain that neither
has without the other (Phillips 2008, "Epistasis: the essential role of gene interactions"). It
is additive on steps, and near the horizon, where nothing can be slower, effects shrink.

Each is a contrast of one seed's trials, and its interval comes from the spread over seeds, so
that what a seed does to all combinations alike takes nothing from the precision.

Axes: F factors, M combinations, S seeds, K contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from speciation.analysis.equivalence import holm
from speciation.analysis.survival import CONFIDENCE, Bools, Floats
from speciation.genome.genome import GeneTable, Genome, kind_named

LEVEL = 0.05
MOST_FACTORIAL = 10  # factors, of which all combinations are still few


class EpistasisError(ValueError):
    """Genomes that cannot be taken apart so: one sentence."""


class Verdict(StrEnum):
    """What a pair was shown to be, errors held below 5 % over all pairs."""

    ONLY_TOGETHER = "only together"  # a gain, though none shows one alone
    SYNERGY = "more together"
    REDUNDANT = "less together"
    ADDITIVE = "no more than the sum"  # or too little to be seen


@dataclass(frozen=True)
class Design:
    """Which combinations are tried.

    Args:
        factors: Name → its genes, F of them.
        taken: Shape ``(M, F)``: whether a combination has a factor of the second genome.
    """

    factors: Mapping[str, tuple[str, ...]]
    taken: Bools

    def genomes(self, first: Genome, second: Genome) -> list[Genome]:
        """The combinations, M of them and none twice."""
        genes, others = dict(first.genes), dict(second.genes)
        return [
            Genome(first.kind, tuple((genes | _of(self.factors, row, others)).items()))
            for row in self.taken
        ]


def groups_of(kind: str, by: str) -> dict[str, tuple[str, ...]]:
    """Name → genes, of the gene groups of a kind or of its single genes.

    Args:
        kind: Of the genomes.
        by: "group" or "gene".

    Raises:
        EpistasisError: The kind has no gene groups.
    """
    table = kind_named(kind)
    if by == "gene":
        return {name: (name,) for name in table.columns}
    if not isinstance(table, GeneTable):
        raise EpistasisError(f"{kind} genomes have no gene groups; take single genes")
    columns = table.columns
    return {name: tuple(columns[i] for i in places) for name, places in table.groups.items()}


def factors_between(
    first: Genome, second: Genome, groups: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The groups of genes in which two genomes differ, with the genes that do.

    Args:
        first: A genome.
        second: Another of the same kind.
        groups: Name → genes.

    Raises:
        EpistasisError: They are of two kinds, or differ in fewer than two groups.
    """
    if first.kind != second.kind:
        raise EpistasisError(
            f"both genomes must be of one kind, got {first.kind} and {second.kind}"
        )
    differing = {
        name: tuple(gene for gene in genes if first.gene(gene) != second.gene(gene))
        for name, genes in groups.items()
    }
    found = {name: genes for name, genes in differing.items() if genes}
    if len(found) < 2:
        raise EpistasisError(
            f"the genomes differ in {', '.join(found) or 'nothing'}; interactions need two "
            "factors or more that differ"
        )
    return found


def factorial(factors: Mapping[str, tuple[str, ...]]) -> Design:
    """All 2**F combinations.

    Raises:
        EpistasisError: There are too many factors for that.
    """
    count = len(factors)
    if count > MOST_FACTORIAL:
        raise EpistasisError(
            f"{count} factors have {2**count:,} combinations; of more than {MOST_FACTORIAL}, "
            "try substitutions instead"
        )
    numbers = np.arange(2**count)[:, None]
    return Design(factors, (numbers >> np.arange(count) & 1).astype(bool))


def substitutions(factors: Mapping[str, tuple[str, ...]]) -> Design:
    """The second genome, and it without each factor and without each two: few, and near it."""
    count = len(factors)
    without: list[tuple[int, ...]] = [(), *((i,) for i in range(count))]
    without += combinations(range(count), 2)
    taken = np.ones((len(without), count), dtype=bool)
    for row, lacking in enumerate(without):
        taken[row, list(lacking)] = False
    return Design(factors, taken)


@dataclass(frozen=True)
class Epistasis:
    """What trials of a design show; steps throughout, with 95 % intervals.

    Args:
        effects: A row a factor, the largest gain first: ``factor, effect, low, high, p,
            adjusted`` (after Holm, over factors).
        pairs: A row a pair, the strongest first: ``first, second, epistasis, low, high, p,
            adjusted`` (after Holm, over pairs), ``first_alone``, ``second_alone`` and ``both``
            with their intervals, and ``verdict``.
        means: A row a combination: its factors of the second genome, and mean steps.
        seeds: S that every combination was finished on.
        horizon: H in steps.
    """

    effects: pd.DataFrame
    pairs: pd.DataFrame
    means: pd.DataFrame
    seeds: int
    horizon: int


def epistasis(design: Design, steps: Floats, horizon: int) -> Epistasis:
    """Effects and interactions of the factors of a design.

    Args:
        design: F factors in M combinations.
        steps: Shape ``(S, M)``: min(T, H) of each combination on each seed; NaN where the
            machine failed. A seed counts if every combination was finished on it.
        horizon: H in steps.

    Raises:
        EpistasisError: Fewer than three seeds count.
    """
    steps = steps[~np.isnan(steps).any(axis=1)]
    if len(steps) < 3:
        raise EpistasisError(
            f"intervals need three seeds or more that every combination was finished on, "
            f"got {len(steps)}"
        )
    names = list(design.factors)
    return Epistasis(
        _effects(names, design.taken, steps),
        _pairs(names, design.taken, steps),
        _means(names, design.taken, steps),
        len(steps),
        horizon,
    )


def _effects(names: Sequence[str], taken: Bools, steps: Floats) -> pd.DataFrame:
    weights = np.stack([_averaged(taken, (i,)) for i in range(len(names))])
    found = _estimates(steps, weights[:, 1] - weights[:, 0], "effect")
    found.insert(0, "factor", list(names))
    found["adjusted"] = holm(found["p"])
    return found.sort_values("effect", kind="stable", ignore_index=True)


def _pairs(names: Sequence[str], taken: Bools, steps: Floats) -> pd.DataFrame:
    pairs = list(combinations(range(len(names)), 2))
    # Without both, with the first, with the second, with both: each (K, M).
    neither, one, other, both = np.stack([_averaged(taken, pair) for pair in pairs], axis=1)
    found = _estimates(steps, both - one - other + neither, "epistasis")
    found.insert(0, "first", [names[i] for i, _ in pairs])
    found.insert(1, "second", [names[j] for _, j in pairs])
    found["adjusted"] = holm(found["p"])
    contrasts = {"first_alone": one, "second_alone": other, "both": both}
    for name, weights in contrasts.items():
        told = _estimates(steps, weights - neither, name).drop(columns="p")
        found = found.join(told.rename(columns={"low": f"{name}_low", "high": f"{name}_high"}))
    found["verdict"] = [_verdict(row) for _, row in found.iterrows()]
    return found.sort_values("epistasis", kind="stable", ignore_index=True)


def _averaged(taken: Bools, of: tuple[int, ...]) -> Floats:
    """Weights of the mean over backgrounds that were tried with every choice of some factors.

    Returns:
        Shape ``(2**len(of), M)``: a row a choice, the first factor changing fastest.
    """
    rest = np.delete(taken, list(of), axis=1)
    _, background = np.unique(rest, axis=0, return_inverse=True)
    choices = 2 ** len(of)
    complete = np.bincount(background.ravel())[background.ravel()] == choices
    choice = taken[:, list(of)] @ (1 << np.arange(len(of)))
    weights = (choice == np.arange(choices)[:, None]) & complete
    return weights / weights.sum(axis=1, keepdims=True)


def _estimates(steps: Floats, weights: Floats, name: str) -> pd.DataFrame:
    """Contrasts ``(K, M)`` with Student's intervals and p over seeds, a row each."""
    values = steps @ weights.T
    mean, count = values.mean(axis=0), len(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(count)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * error
    # Without any spread a difference is sure, and no difference is none.
    sure = np.where(mean == 0, 0.0, np.inf)
    t = np.divide(np.abs(mean), error, out=sure, where=error > 0)
    p = 2 * stats.t.sf(t, count - 1)
    return pd.DataFrame({name: mean, "low": mean - half, "high": mean + half, "p": p})


def _verdict(row: pd.Series) -> Verdict:
    if row["adjusted"] >= LEVEL:
        return Verdict.ADDITIVE
    if row["epistasis"] > 0:
        return Verdict.REDUNDANT
    alone = row["first_alone_high"] < 0 or row["second_alone_high"] < 0
    gains = row["both_high"] < 0
    return Verdict.ONLY_TOGETHER if gains and not alone else Verdict.SYNERGY


def _means(names: Sequence[str], taken: Bools, steps: Floats) -> pd.DataFrame:
    of = [", ".join(n for n, has in zip(names, row, strict=True) if has) for row in taken]
    return pd.DataFrame({"taken": of, "steps": steps.mean(axis=0)})


def _of(
    factors: Mapping[str, tuple[str, ...]], row: Bools, genes: Mapping[str, float]
) -> dict[str, float]:
    """The genes of the factors that are taken."""
    return {
        gene: genes[gene]
        for has, own in zip(row, factors.values(), strict=True)
        if has
        for gene in own
    }
