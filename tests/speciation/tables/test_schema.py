from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from speciation.genome.genome import HYPER17
from speciation.tables.schema import TABLES, gene_columns, genome_row, result_rows
from speciation.tables.store import Store
from speciation.trial.task import Task
from speciation.trial.trial import (
    PRECISIONS,
    LearningClass,
    Milestones,
    ModelShape,
    Outcome,
    Trial,
    failed,
)
from tests.speciation.tables import facts


@pytest.mark.parametrize("spec", TABLES.values(), ids=TABLES)
def test_a_tables_key_is_required_and_all_its_special_columns_exist(spec):
    assert set(spec.key) <= set(spec.required) <= set(spec.columns)
    assert set(spec.judged) <= set(spec.columns)


@pytest.mark.parametrize("spec", TABLES.values(), ids=TABLES)
def test_an_empty_table_has_ranks_and_weights_of_no_rows(spec):
    assert all(len(ranks) == 0 for ranks in spec.prefer(spec.empty()))
    assert len(spec.weigh(spec.empty())) == 0


def test_every_gene_of_every_kind_has_a_column_of_its_own():
    assert set(HYPER17.columns) <= set(gene_columns())
    birth = {"genome_id", "kind", "name", "origin", "mother", "father", "run", "generation"}
    assert not birth & set(gene_columns())
    assert all(TABLES["genomes"].columns[gene] == pa.float64() for gene in gene_columns())


def test_a_results_rows_fill_exactly_the_columns_of_their_tables():
    trials, curves = result_rows([facts.result()], "run-1", 3, "A")
    assert set(trials.column_names) == set(TABLES["trials"].columns)
    assert set(curves.column_names) == set(TABLES["curves"].columns)


def test_a_row_says_what_the_result_said(tmp_path):
    told = facts.result(
        learning_class=LearningClass.GROKKER,
        milestones=Milestones(300, 250, 275, 250, 100, 0.25, 0.99),
        wall_seconds=1.5,
        backend="torch",
        final_train_loss=float("nan"),
    )
    store = Store(tmp_path)
    for table, rows in zip(
        ("trials", "curves"), result_rows([told], "run-1", 3, "A"), strict=True
    ):
        store.append(table, rows)

    row = store.scan("trials").table.to_pylist()[0]
    assert (row["trial_id"], row["genome_id"]) == (told.trial.id, told.trial.genome.id)
    assert (row["steps_to_grok"], row["first_95"], row["steps_to_memorise"]) == (300, 250, 100)
    assert (row["outcome"], row["learning_class"]) == ("grokked", "Grokker")
    assert (row["run"], row["generation"], row["pool"]) == ("run-1", 3, "A")
    assert (row["batch"], row["examples_seen"]) == (512, 512 * 375)
    assert row["efficiency"] == (2500 - 300) / 20
    assert np.isnan(row["final_train_loss"])

    curves = store.scan("curves").table.to_pylist()[0]
    for name in ("step", "train_loss", "gap_q90", "learning_rate"):
        np.testing.assert_array_equal(curves[name], getattr(told.curves, name))


def test_a_failed_trial_has_a_row_with_its_reason_and_no_curves():
    trials, curves = result_rows([failed(facts.trial(), "out of memory")], "run-1", None, "B")
    row = trials.to_pylist()[0]
    assert (row["outcome"], row["reason"]) == ("failed", "out of memory")
    assert row["efficiency"] is None
    assert len(curves) == 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_rows_precision_is_its_trials(precision):
    asked = facts.trial(precision=precision)
    trials, _ = result_rows([facts.result(asked), failed(asked, "lost")], "r", 0, "A")
    assert trials["precision"].to_pylist() == [precision] * 2


def test_a_full_batch_is_written_as_zero():
    whole = Trial(facts.genomes()[0], Task(batch=None), ModelShape(), seed=2, horizon=2500)
    assert result_rows([facts.result(whole)], "r", 0, "A")[0]["batch"].to_pylist() == [0]


def test_a_censored_trial_has_no_efficiency():
    censored = facts.result(outcome=Outcome.CENSORED, steps=2500)
    assert result_rows([censored], "r", 0, "A")[0]["efficiency"].null_count == 1


def test_a_genomes_row_holds_its_genes_and_its_birth(tmp_path):
    child, mother, father = facts.genomes(3)
    row = genome_row(
        child,
        origin="crossover",
        run="run-1",
        generation=4,
        mother=mother.id,
        father=father.id,
        donor_genes=("beta1", "dropout"),
    )
    store = Store(tmp_path)
    store.append("genomes", [row])
    stored = store.scan("genomes").table.to_pylist()[0]
    assert stored["genome_id"] == child.id
    assert {gene: stored[gene] for gene, _ in child.genes} == dict(child.genes)
    assert (stored["mother"], stored["donor_genes"]) == (mother.id, ["beta1", "dropout"])
    assert (stored["origin"], stored["generation"], stored["name"]) == ("crossover", 4, None)
