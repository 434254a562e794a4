"""What a genome means to the engine: optimiser settings, schedule, noise and initial weights.

This is the only place where gene names turn into training. A genome kind that the engine can
train has a function here that writes a :class:`Recipe`; everything behind it knows recipes
only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from speciation.genome.genome import Genome
from speciation.trial.trial import Trial

T = TypeVar("T")

DROPOUT_LEVELS = 65536


@dataclass(frozen=True, slots=True)
class Recipe:
    """Numbers that training reads at every step; one value a trial.

    Betas come as ``1 - beta`` and ``log(beta)``, taken in double precision, because near 1
    their float32 difference would lose the digits that matter. ``dropout_threshold`` counts
    65,536ths: an activation is dropped when 16 random bits are below it.
    """

    learning_rate: float
    weight_decay: float
    one_minus_beta1: float
    log_beta1: float
    one_minus_beta2: float
    log_beta2: float
    grad_clip: float
    epsilon: float
    warmup_steps: float
    decay_trigger: float
    decay_rate: float
    dropout_threshold: float
    layer_scale: float
    inverse_embed_ratio: float


@dataclass(frozen=True, slots=True)
class InitialScale:
    """Standard deviations of the initial weights, by what the weights do."""

    query_key: float
    value: float
    ffn: float
    bias: float
    embed: float


RECIPE_COLUMNS = tuple(field.name for field in fields(Recipe))


def recipe(genome: Genome) -> Recipe:
    """How to train this genome.

    Raises:
        ValueError: The engine cannot train this genome kind.
    """
    return _of_kind(genome)(genome)[0]


def initial_scale(genome: Genome) -> InitialScale:
    """How to initialise this genome; errors as :func:`recipe`."""
    return _of_kind(genome)(genome)[1]


def recipe_row(genome: Genome) -> NDArray[np.float64]:
    """A recipe as numbers in the order of ``RECIPE_COLUMNS``, shape ``(columns,)``."""
    return np.array(astuple(recipe(genome)), dtype=np.float64)


def of_genomes(tell: Callable[[Genome], T], trials: Sequence[Trial]) -> list[T]:
    """What is to be told of each trial's genome; each genome is asked once."""
    told = {genome: tell(genome) for genome in {trial.genome for trial in trials}}
    return [told[trial.genome] for trial in trials]


def _of_kind(genome: Genome) -> Callable[[Genome], tuple[Recipe, InitialScale]]:
    if genome.kind not in _KINDS:
        raise ValueError(
            f"the engine cannot train genome kind {genome.kind!r}; it knows {', '.join(_KINDS)}"
        )
    return _KINDS[genome.kind]


def _hyper17(genome: Genome) -> tuple[Recipe, InitialScale]:
    gene = genome.gene
    beta1, beta2 = gene("beta1"), gene("beta2")
    return (
        Recipe(
            learning_rate=gene("learning_rate"),
            weight_decay=gene("weight_decay"),
            one_minus_beta1=1.0 - beta1,
            log_beta1=float(np.log(beta1)),
            one_minus_beta2=1.0 - beta2,
            log_beta2=float(np.log(beta2)),
            grad_clip=gene("grad_clip"),
            epsilon=gene("adam_epsilon"),
            warmup_steps=gene("warmup_steps"),
            decay_trigger=gene("decay_trigger"),
            decay_rate=gene("decay_rate"),
            dropout_threshold=float(round(gene("dropout") * DROPOUT_LEVELS)),
            layer_scale=gene("layer_scale"),
            inverse_embed_ratio=1.0 / gene("embed_ratio"),
        ),
        InitialScale(
            query_key=gene("init_attn_qk"),
            value=gene("init_attn_v"),
            ffn=gene("init_ffn"),
            bias=gene("bias_scale"),
            embed=gene("init_embed"),
        ),
    )


_KINDS: dict[str, Callable[[Genome], tuple[Recipe, InitialScale]]] = {"hyper17": _hyper17}
