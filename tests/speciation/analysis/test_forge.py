"""The forge makes exactly the genome that was asked for, and says what it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.analysis.forge import (
    Party,
    assemble,
    compare,
    genes_named,
    mutate,
    splice,
    transfer,
)
from speciation.genome.genome import HYPER17, GenomeError

TANK, SPRINTER, THIRD = (
    Party(name, genome)
    for name, genome in zip(
        ("Tank", "Sprinter", "Third"), HYPER17.random(3, np.random.default_rng(0)), strict=True
    )
)
any_genes = st.sets(st.sampled_from(HYPER17.columns), min_size=1)


# -- Transfer ---------------------------------------------------------------------------------


@given(any_genes)
def test_a_transfer_takes_the_named_genes_of_the_donor_and_no_other(genes):
    child = transfer(TANK, SPRINTER, genes).genome
    for name in HYPER17.columns:
        giver = SPRINTER if name in genes else TANK
        assert child.gene(name) == giver.genome.gene(name)


def test_a_transfer_of_everything_is_the_donor():
    assert transfer(TANK, SPRINTER, HYPER17.groups).genome == SPRINTER.genome


def test_a_child_is_named_by_what_it_inherited():
    forged = transfer(TANK, SPRINTER, ["beta1", "weight_decay"])
    assert forged.name == "Tank + weight decay, beta1 of Sprinter"
    assert forged.changed == ("weight_decay", "beta1")
    forged = transfer(TANK, SPRINTER, ["Metabolic-Rate", "Embed Ratio"])
    assert forged.name == "Tank + metabolic rate, embed ratio of Sprinter"
    forged = transfer(TANK, SPRINTER, ["plasticity", "beta1", "beta2", "dropout", "grad_clip"])
    assert forged.name == "Tank + cognitive reflexes, plasticity, grad clip, 1 more of Sprinter"


def test_a_childs_provenance_names_both_parents_and_the_genes():
    told = transfer(TANK, SPRINTER, ["beta1"]).provenance()
    assert told["operator"] == "transfer"
    assert told["parents"] == [TANK.genome.id, SPRINTER.genome.id]
    assert told["genes"] == {"beta1": SPRINTER.genome.gene("beta1")}


@pytest.mark.parametrize("genes", [["beta3"], ["beta1", ""], ["x" * 1000]])
def test_a_gene_that_is_none_is_named_with_those_that_are(genes):
    with pytest.raises(
        GenomeError, match=r"is no gene of a hyper17 genome; genes are learning"
    ):
        transfer(TANK, SPRINTER, genes)


def test_a_transfer_of_nothing_is_refused():
    with pytest.raises(GenomeError, match="at least one gene"):
        transfer(TANK, SPRINTER, [])


@pytest.mark.parametrize(
    "word", ["weight_decay", "weight-decay", "Weight Decay", " WEIGHT_DECAY "]
)
def test_a_gene_may_be_written_as_people_do(word):
    assert genes_named(HYPER17, [word]) == ("weight_decay",)


# -- Assembly ---------------------------------------------------------------------------------


@given(any_genes, any_genes)
def test_of_two_gifts_of_one_gene_the_later_counts_and_a_value_before_both(first, second):
    child = assemble(
        TANK, [(SPRINTER, sorted(first)), (THIRD, sorted(second))], {"dropout": 0.25}
    ).genome
    for name in HYPER17.columns:
        giver = THIRD if name in second else SPRINTER if name in first else TANK
        wanted = 0.25 if name == "dropout" else giver.genome.gene(name)
        assert child.gene(name) == wanted


def test_an_assembled_child_names_every_donor_and_what_was_set_by_hand():
    forged = assemble(TANK, [(SPRINTER, ["beta1"]), (THIRD, ["sensory"])], {"dropout": 0.25})
    assert forged.name == "Tank + beta1 of Sprinter + sensory of Third with dropout 0.25"
    told = forged.provenance()
    assert told["operator"] == "assemble"
    assert told["parent_names"] == ["Tank", "Sprinter", "Third"]
    assert list(told["genes"]) == ["beta1", "dropout", "init_embed", "embed_ratio"]


def test_an_assembly_of_one_step_is_that_step_and_of_none_is_the_recipient():
    assert assemble(TANK, [], {"dropout": 0.25}).operator == "splice"
    assert assemble(TANK, [(SPRINTER, ["beta1"])], {}).operator == "transfer"
    nothing = assemble(TANK, [], {})
    assert (nothing.genome, nothing.name, nothing.changed) == (TANK.genome, "Tank", ())


# -- Splice -----------------------------------------------------------------------------------


def test_a_splice_sets_values_and_says_them():
    forged = splice(TANK, {"embed_ratio": 14.0})
    assert forged.genome.gene("embed_ratio") == 14.0
    assert forged.changed == ("embed_ratio",)
    assert forged.name == "Tank with embed ratio 14"


def test_a_splice_that_changes_nothing_is_the_recipient():
    forged = splice(TANK, {"beta1": TANK.genome.gene("beta1")})
    assert (forged.genome, forged.name, forged.changed) == (TANK.genome, "Tank", ())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "at least one gene"),
        ({"beta1": 2.0}, r"gene 'beta1' should be a number in \[0.5, 0.99\], got 2.0"),
        ({"beta1": float("nan")}, "gene 'beta1' should be a finite number"),
        ({"warmup_steps": 0.5}, "gene 'warmup_steps' should be a whole number"),
        ({"sensory": 1.0}, "'sensory' is no gene"),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(values, sentence):
    with pytest.raises(GenomeError, match=sentence):
        splice(TANK, values)


# -- Mutate -----------------------------------------------------------------------------------


def test_mutants_come_again_from_the_same_seed():
    first, again = (mutate(TANK, 0.1, 0.3, np.random.default_rng(7), count=4) for _ in range(2))
    assert [own.genome for own in first] == [own.genome for own in again]
    assert len({own.genome.id for own in first}) == 4
    for forged in first:
        assert forged.changed
        assert forged.provenance()["dose"] == 0.1
        assert forged.name.startswith("Tank irradiated in ")


@pytest.mark.parametrize("bad", [{"dose": -1.0}, {"rate": 2.0}, {"count": 0}, {"count": 1001}])
def test_radiation_out_of_range_is_refused(bad):
    given = {"dose": 0.1, "rate": 0.3, "count": 1} | bad
    with pytest.raises(GenomeError, match=r"must be|dose"):
        mutate(TANK, given["dose"], given["rate"], np.random.default_rng(0), given["count"])


# -- Compare ----------------------------------------------------------------------------------


def test_a_comparison_holds_unit_coordinates_and_real_values():
    found = compare(TANK, [SPRINTER, THIRD])
    assert found.names == ("Tank", "Sprinter", "Third")
    assert found.units.shape == found.values.shape == (3, 17)
    assert found.values[1, 0] == SPRINTER.genome.gene("learning_rate")
    for i, gene in enumerate(found.genes):
        assert found.units[:, i] == pytest.approx(gene.to_unit(found.values[:, i]))
    assert found.distances[0] == 0
    assert (found.distances[1:] > 0).all()


def test_genes_that_differ_come_widest_first():
    child = splice(TANK, {"beta1": 0.5 if TANK.genome.gene("beta1") > 0.9 else 0.99})
    nudged = splice(Party("c", child.genome), {"dropout": TANK.genome.gene("dropout") / 2})
    found = compare(TANK, [Party("nudged", nudged.genome)])
    assert set(found.differing()) == {"beta1", "dropout"}
    apart = dict(zip((g.name for g in found.genes), np.ptp(found.units, axis=0), strict=True))
    assert apart[found.differing()[0]] >= apart[found.differing()[1]]
    assert compare(TANK, [TANK]).differing() == ()
