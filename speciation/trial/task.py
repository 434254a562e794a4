"""The tasks: which table of answers a transformer has to learn, and from how much of it.

A task is ``a ∘ b = y`` over a small set. The model sees some of all pairs and is judged on the
rest; it groks when it has understood the table rather than remembered its rows. A *track* is a
task with the horizon at which its figures are compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speciation import seeds
from speciation.seeds import Purpose

Pairs = NDArray[np.int64]

# Commutative operations modulo a prime, and the others, as functions of residue arrays.
COMMUTATIVE: dict[str, Callable[[Pairs, Pairs], Pairs]] = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "x2+y2": lambda a, b: a * a + b * b,
    "x2+xy+y2": lambda a, b: a * a + a * b + b * b,
}
ORDERED: dict[str, Callable[[Pairs, Pairs], Pairs]] = {
    "subtract": lambda a, b: a - b,
    "x3+xy": lambda a, b: a * a * a + a * b,
}
DIVISION = "divide"
PERMUTATIONS = ("s5-compose", "s5-conjugate")
OPERATIONS = (*COMMUTATIVE, *ORDERED, DIVISION, *PERMUTATIONS)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


@dataclass(frozen=True, slots=True)
class Task:
    """What has to be learned, from which share, and how often it is looked at.

    Args:
        operation: One of ``OPERATIONS``.
        modulus: The prime; ignored (but fixed at 120) for the permutation group S5.
        train_fraction: Share of all pairs that is trained on.
        batch: Examples a step, drawn with replacement; None is every train pair, each step.
        symmetric: Keep ``a ∘ b`` and ``b ∘ a`` on the same side of the split.
        eval_interval: Steps between evaluations on the whole train and validation sets.

    Raises:
        ValueError: A value is out of range; the sentence names it.
    """

    operation: str = "add"
    modulus: int = 97
    train_fraction: float = 0.5
    batch: int | None = 512
    symmetric: bool = False
    eval_interval: int = 25

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(
                f"task operation {self.operation!r} is unknown; "
                f"use one of {', '.join(OPERATIONS)}"
            )
        if self.operation in PERMUTATIONS:
            if self.modulus != 120:
                raise ValueError(
                    f"{self.operation} has 120 elements, so modulus must be 120, "
                    f"got {self.modulus}"
                )
        elif not _is_prime(self.modulus) or self.modulus > 1000:
            raise ValueError(f"task modulus must be a prime below 1000, got {self.modulus}")
        if not 0.01 <= self.train_fraction <= 0.99:
            raise ValueError(
                f"task train_fraction must be in [0.01, 0.99], got {self.train_fraction}"
            )
        if self.batch is not None and not 1 <= self.batch <= 65536:
            raise ValueError(f"task batch must be in [1, 65536] or none, got {self.batch}")
        if self.symmetric and self.operation not in COMMUTATIVE:
            raise ValueError(
                f"a symmetric split needs a commutative operation, not {self.operation!r}"
            )
        if not 1 <= self.eval_interval <= 1000:
            raise ValueError(
                f"task eval_interval must be in [1, 1000] steps, got {self.eval_interval}"
            )

    @property
    def element_count(self) -> int:
        """Tokens that stand for numbers; one more stands for ``=``."""
        return self.modulus

    @property
    def pair_count(self) -> int:
        """Examples in all, train and validation."""
        return len(table(self.operation, self.modulus)[0])

    @property
    def train_count(self) -> int:
        """Examples trained on, the same for every seed."""
        if self.symmetric:
            mirrored = int(self.train_fraction * (self.pair_count - self.modulus) / 2)
            return 2 * mirrored + int(self.train_fraction * self.modulus)
        return int(self.train_fraction * self.pair_count)

    @property
    def batch_size(self) -> int:
        """Examples that a step trains on."""
        return self.train_count if self.batch is None else self.batch

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as hashed into every trial id."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Track:
    """A task with the horizon (steps) at which figures are compared."""

    name: str
    task: Task
    horizon: int


TRACKS: dict[str, Track] = {
    track.name: track
    for track in (
        Track("add97-mb512", Task(), 2500),
        Track("add97-full", Task(train_fraction=0.4, batch=None), 2500),
        Track("add113-full", Task(modulus=113, train_fraction=0.3, batch=None), 20000),
    )
}


@cache
def table(operation: str, modulus: int) -> tuple[Pairs, Pairs, Pairs]:
    """All examples of an operation: left, right and answer, each of shape ``(pair_count,)``."""
    if operation in PERMUTATIONS:
        return _permutation_table(operation)
    left, right = (side.reshape(-1) for side in np.divmod(np.arange(modulus**2), modulus))
    if operation == DIVISION:
        left, right = left[right != 0], right[right != 0]
        inverse = np.array([pow(int(b), -1, modulus) if b else 0 for b in range(modulus)])
        answer = left * inverse[right]
    else:
        answer = (COMMUTATIVE | ORDERED)[operation](left, right)
    return left, right, answer % modulus


def split(task: Task, seed: int) -> NDArray[np.int64]:
    """Every example in a seed's order; the first ``task.train_count`` of them are trained on.

    Returns:
        Indices into :func:`table`, shape ``(pair_count,)``.
    """
    if not task.symmetric:
        return seeds.permutation(seed, Purpose.SPLIT, 0, task.pair_count)
    left, right, _ = table(task.operation, task.modulus)
    upper = np.flatnonzero(left < right)
    diagonal = np.flatnonzero(left == right)
    order = upper[seeds.permutation(seed, Purpose.SPLIT, 0, len(upper))]
    # With all pairs in row order, the mirror of a*p + b is b*p + a.
    mirror = right * task.modulus + left
    mirrored = np.stack([order, mirror[order]], axis=1).reshape(-1)
    diagonal = diagonal[seeds.permutation(seed, Purpose.SPLIT, 1, len(diagonal))]
    on_diagonal = int(task.train_fraction * len(diagonal))
    off_diagonal = task.train_count - on_diagonal
    return np.concatenate(
        [
            diagonal[:on_diagonal],
            mirrored[:off_diagonal],
            diagonal[on_diagonal:],
            mirrored[off_diagonal:],
        ]
    )


def _permutation_table(operation: str) -> tuple[Pairs, Pairs, Pairs]:
    """S5, its 120 elements numbered in lexicographic order."""
    elements = np.array(list(itertools.permutations(range(5))))
    number = {tuple(element): i for i, element in enumerate(elements.tolist())}
    left, right = (side.reshape(-1) for side in np.divmod(np.arange(120**2), 120))
    a, b = elements[left], elements[right]
    product = np.take_along_axis(a, b, axis=1)  # (a∘b)(x) = a(b(x))
    if operation == "s5-conjugate":
        product = np.take_along_axis(product, np.argsort(a, axis=1), axis=1)  # a∘b∘a⁻¹
    return left, right, np.array([number[tuple(row)] for row in product.tolist()])
