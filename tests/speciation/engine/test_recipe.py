"""What a genome means to the engine, digit by digit."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from speciation.engine.recipe import RECIPE_COLUMNS, initial_scale, recipe, recipe_row
from speciation.genome.genome import Genome
from tests.speciation.engine.making import random_trials, with_genes


def genome(**genes: float) -> Genome:
    return with_genes(random_trials(1)[0], **genes).genome


def test_betas_near_one_keep_their_digits():
    """0.9999 in float32 minus one would be off by 2 parts in 10,000."""
    told = recipe(genome(beta1=0.99, beta2=0.9999))
    assert told.one_minus_beta2 == pytest.approx(1e-4, rel=1e-12)
    assert np.float32(told.one_minus_beta2) == pytest.approx(1e-4, rel=1e-7)
    assert told.log_beta1 == pytest.approx(math.log(0.99), rel=1e-15)


@pytest.mark.parametrize(("dropout", "threshold"), [(0.0, 0), (0.25, 16384), (0.5, 32768)])
def test_dropout_becomes_a_threshold_of_sixteen_bits(dropout, threshold):
    assert recipe(genome(dropout=dropout)).dropout_threshold == threshold


def test_starved_embeddings_are_divided_by_the_ratio():
    assert recipe(genome(embed_ratio=16.0)).inverse_embed_ratio == 1 / 16


def test_each_spread_comes_from_its_gene():
    scale = initial_scale(
        genome(init_attn_qk=0.1, init_attn_v=0.2, init_ffn=0.3, bias_scale=0.4, init_embed=0.5)
    )
    assert dataclasses.astuple(scale) == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_the_row_stands_in_the_order_of_its_columns():
    own = genome()
    row = dict(zip(RECIPE_COLUMNS, recipe_row(own), strict=True))
    assert row == dataclasses.asdict(recipe(own))
    for gene in ("learning_rate", "weight_decay", "grad_clip", "warmup_steps", "layer_scale"):
        assert row[gene] == own.gene(gene)


def test_a_genome_that_the_engine_cannot_train_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="cannot train genome kind 'toy'; it knows hyper17"):
        recipe(Genome("toy", (("depth", 3.0), ("width", 64.0))))
