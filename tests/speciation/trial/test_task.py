"""Tasks: the tables are the operations, the splits keep their promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speciation.trial.task import (
    COMMUTATIVE,
    OPERATIONS,
    PERMUTATIONS,
    TRACKS,
    Task,
    split,
    table,
)


def task_of(operation: str, **settings) -> Task:
    return Task(operation, 120 if operation in PERMUTATIONS else 7, **settings)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("add", lambda a, b: (a + b) % 7),
        ("subtract", lambda a, b: (a - b) % 7),
        ("multiply", lambda a, b: (a * b) % 7),
        ("divide", lambda a, b: next(y for y in range(7) if (y * b) % 7 == a)),
        ("x2+y2", lambda a, b: (a**2 + b**2) % 7),
        ("x2+xy+y2", lambda a, b: (a**2 + a * b + b**2) % 7),
        ("x3+xy", lambda a, b: (a**3 + a * b) % 7),
    ],
)
def test_every_answer_is_the_operation(operation, expected):
    left, right, answer = table(operation, 7)
    assert [expected(a, b) for a, b in zip(left, right, strict=True)] == list(answer)


def test_division_never_divides_by_zero_and_has_all_other_pairs():
    left, right, _ = table("divide", 7)
    assert 0 not in right
    assert len(set(zip(left, right, strict=True))) == 42


def test_composing_permutations_is_a_group():
    _, _, answer = table("s5-compose", 120)
    square = answer.reshape(120, 120)
    assert all(len(set(row)) == 120 for row in square)
    assert list(square[0]) == list(range(120))  # element 0 is the identity
    a, b, c = 17, 55, 103
    assert square[square[a, b], c] == square[a, square[b, c]]


def test_conjugating_undoes_itself():
    compose = table("s5-compose", 120)[2].reshape(120, 120)
    conjugate = table("s5-conjugate", 120)[2].reshape(120, 120)
    for a, b in ((3, 40), (77, 119)):
        assert compose[conjugate[a, b], a] == compose[a, b]


@pytest.mark.parametrize("operation", OPERATIONS)
@given(seed=st.integers(0, 2**63 - 1))
def test_a_split_holds_every_example_once(operation, seed):
    task = task_of(operation)
    order = split(task, seed)
    assert np.array_equal(np.sort(order), np.arange(task.pair_count))
    assert 0 < task.train_count < task.pair_count


@given(
    seed=st.integers(0, 2**63 - 1),
    operation=st.sampled_from(sorted(COMMUTATIVE)),
    fraction=st.floats(0.1, 0.9),
)
def test_a_symmetric_split_keeps_mirror_images_together(seed, operation, fraction):
    task = Task(operation, 11, train_fraction=fraction, symmetric=True)
    left, right, _ = table(operation, 11)
    order = split(task, seed)
    train = {(left[i], right[i]) for i in order[: task.train_count]}
    assert sorted(order) == list(range(task.pair_count))
    assert all((b, a) in train for a, b in train)


def test_seeds_split_differently():
    task = Task()
    assert not np.array_equal(split(task, 0), split(task, 1))


def test_the_tracks_have_the_published_sizes():
    counts = {name: track.task.train_count for name, track in TRACKS.items()}
    assert counts == {"add97-mb512": 4704, "add97-full": 3763, "add113-full": 3830}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"operation": "plus"}, "operation 'plus' is unknown"),
        ({"modulus": 96}, "modulus must be a prime"),
        ({"operation": "s5-compose"}, "120 elements"),
        ({"train_fraction": 1.5}, "train_fraction must be in"),
        ({"batch": 0}, "batch must be in"),
        ({"operation": "subtract", "symmetric": True}, "commutative"),
        ({"eval_interval": 0}, "eval_interval must be in"),
    ],
)
def test_a_wrong_task_is_refused_in_a_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Task(**settings)
