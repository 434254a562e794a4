"""What lies on the forge survives the address and the browser, and nothing else gets in."""

from __future__ import annotations

from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.lab.splicing import (
    MOST_DONORS,
    Splicing,
    of_data,
    of_query,
    position,
    steps,
    value_at,
)
from speciation.analysis.forge import Party
from speciation.genome.genome import HYPER17
from tests.dashboards.lab.hostile import JUNK

GENOMES = HYPER17.random(5, np.random.default_rng(0))
ADA, BOB, CYD = (
    Party(name, g) for name, g in zip(("Ada", "Bob", "Cyd"), GENOMES, strict=False)
)
PARTIES = {own.genome.id: own for own in (ADA, BOB, CYD)}
MADE = Splicing().among(ADA.genome.id, [BOB.genome.id, CYD.genome.id])
genes = st.sets(st.sampled_from(HYPER17.columns), max_size=6)


@st.composite
def splicings(draw) -> Splicing:
    made = MADE.taking(BOB.genome.id, sorted(draw(genes))).taking(
        CYD.genome.id, sorted(draw(genes))
    )
    for name in draw(genes):
        gene = HYPER17.genes[HYPER17.columns.index(name)]
        made = made.setting(name, float(gene.from_unit(draw(st.floats(0, 1)))))
    return made


@given(splicings())
def test_a_splicing_survives_its_address_and_its_data(made):
    assert of_query(dict(parse_qsl(made.query()))) == made
    assert of_data(made.data()) == made


@given(splicings())
def test_the_child_has_each_gene_of_whom_it_was_taken(made):
    child = made.child(PARTIES).genome
    for name in HYPER17.columns:
        giver = PARTIES[made.taken.get(name, made.recipient)].genome
        assert child.gene(name) == made.values.get(name, giver.gene(name))


def test_a_donor_who_leaves_takes_the_genes_along():
    made = MADE.taking(BOB.genome.id, ["beta1"]).taking(CYD.genome.id, ["beta2"])
    left = made.among(made.recipient, [CYD.genome.id])
    assert left.taken == {"beta2": CYD.genome.id}


def test_the_recipient_is_no_donor_and_donors_are_few():
    ids = [own.id for own in GENOMES]
    made = Splicing().among(ids[0], [*ids, ids[1]])
    assert made.donors == tuple(ids[1 : 1 + MOST_DONORS])


def test_a_gene_goes_back_to_the_recipient_whoever_gave_it():
    made = MADE.taking(BOB.genome.id, ["beta1"]).setting("dropout", 0.2)
    assert made.without(["beta1", "dropout"]) == MADE
    assert MADE.taking("f" * 32, ["beta1"]) == MADE


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_of_no_right_type_is_as_if_it_had_not_been_told(junk):
    assert of_data(junk) == Splicing()
    told = {"recipient": junk, "donors": junk, "taken": junk, "values": junk}
    assert of_data(told) == Splicing()
    mixed = {"recipient": ADA.genome.id, "taken": {"beta1": junk}, "values": {"beta1": junk}}
    made = of_data(mixed)
    assert made.taken == {}
    assert all(isinstance(own, float) for own in made.values.values())
    text = str(junk)
    assert of_query(dict.fromkeys(("recipient", "donors", "take", "set"), text)) == Splicing()


@pytest.mark.parametrize("gene", HYPER17.genes, ids=lambda own: own.name)
def test_a_slider_goes_from_end_to_end_on_the_genes_own_scale(gene):
    count = steps(gene)
    assert (value_at(gene, 0), value_at(gene, count)) == (gene.low, gene.high)
    for place in range(0, count + 1, 7):
        assert position(gene, value_at(gene, place)) == place
    middle = value_at(gene, count / 2)
    if gene.scale == "log":
        assert middle == pytest.approx(np.sqrt(gene.low * gene.high))
    if gene.scale == "integer":
        assert count == gene.high - gene.low
