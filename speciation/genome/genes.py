"""The genes: names, ranges and scales, and the way to unit coordinates and back.

Evolution works on unit coordinates in [0, 1]; only a gene knows what a coordinate means.
Mutation, crossover, colour and distance therefore never learn that a learning rate is
logarithmic, or that a warm-up is a whole number of steps.

    value  --to_unit-->  coordinate in [0, 1]  --from_unit-->  value

Values come back with nine significant digits, so that a genome's content hash does not
depend on the last bit of a machine's ``exp``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["linear", "log", "log1m", "integer"]

SIGNIFICANT_DIGITS = 9
# 10**0 … 10**22: every power of ten that a float64 holds exactly.
_POWERS = np.array([float(f"1e{k}") for k in range(23)])


@dataclass(frozen=True, slots=True)
class Gene:
    """One hyperparameter: its name, group, scale and range.

    Args:
        name: What the engine calls it.
        group: The gene complex that it belongs to; see :data:`GROUPS`.
        scale: Where equal steps of the unit coordinate are equal: on the value ("linear"), on
            its logarithm ("log"), on the logarithm of 1 - value ("log1m", for decay rates
            near one), or on the value rounded to a whole number ("integer").
        low: Value at coordinate 0.
        high: Value at coordinate 1.
        meaning: One clause for people.

    Raises:
        ValueError: The range is empty, not finite, or outside of what the scale can hold.
    """

    name: str
    group: str
    scale: Scale
    low: float
    high: float
    meaning: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(
                f"gene {self.name!r} needs finite low < high, got {self.low} and {self.high}"
            )
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"log gene {self.name!r} needs low > 0, got {self.low}")
        if self.scale == "log1m" and self.high >= 1:
            raise ValueError(f"log1m gene {self.name!r} needs high < 1, got {self.high}")
        if self.scale == "integer" and (
            self.low != int(self.low) or self.high != int(self.high)
        ):
            raise ValueError(
                f"integer gene {self.name!r} needs whole ends, got {self.low} and {self.high}"
            )

    def to_unit(self, values: ArrayLike) -> NDArray[np.float64]:
        """Unit coordinates of values inside the range.

        Args:
            values: A number or an array of any shape.

        Returns:
            The same shape, in [0, 1]; a number gives an array of shape ``()``.
        """
        low, high = self._ends()
        return np.clip((self._on_scale(values) - low) / (high - low), 0.0, 1.0)

    def from_unit(self, units: ArrayLike) -> NDArray[np.float64]:
        """Values at unit coordinates; undoes :meth:`to_unit`.

        Args:
            units: A number or an array of any shape; clipped to [0, 1].

        Returns:
            The same shape, in [low, high], rounded to nine significant digits (to a whole
            number for an integer gene).
        """
        low, high = self._ends()
        scaled = low + np.clip(np.asarray(units, dtype=np.float64), 0.0, 1.0) * (high - low)
        values = np.clip(self._off_scale(scaled), self.low, self.high)
        rounded = np.rint(values) if self.scale == "integer" else round_significant(values)
        # Rounding may step over an end that has more than nine digits itself.
        return np.clip(rounded, self.low, self.high)

    def contains(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Where values are finite, in range, and whole if the gene is an integer."""
        array = np.asarray(values, dtype=np.float64)
        inside = (array >= self.low) & (array <= self.high)  # NaN compares false
        return inside & (array == np.rint(array)) if self.scale == "integer" else inside

    def describe_range(self) -> str:
        """The range in words, for error messages: ``a whole number in [0, 500]``."""
        noun = "a whole number" if self.scale == "integer" else "a number"
        return f"{noun} in [{self.low:g}, {self.high:g}]"

    def _ends(self) -> tuple[float, float]:
        return float(self._on_scale(self.low)), float(self._on_scale(self.high))

    def _on_scale(self, values: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=np.float64)
        if self.scale == "log":
            return np.asarray(np.log(array))
        if self.scale == "log1m":
            # Minus, so that the coordinate grows with the value.
            return np.asarray(-np.log1p(-array))
        return array

    def _off_scale(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.scale == "log":
            return np.asarray(np.exp(scaled))
        if self.scale == "log1m":
            return np.asarray(-np.expm1(-scaled))
        return scaled


def round_significant(values: ArrayLike) -> NDArray[np.float64]:
    """Values rounded to nine significant digits, each the float nearest to that decimal.

    A whole number of at most nine digits divided by an exact power of ten is correctly rounded
    by IEEE arithmetic, so the result is the float that ``float("1.23456789e-05")`` reads, on
    every machine.

    Args:
        values: Any shape; zero or magnitudes in [1e-14, 1e22].
    """
    array = np.asarray(values, dtype=np.float64)
    magnitude = np.floor(np.log10(np.where(array == 0, 1.0, np.abs(array))))
    shift = (SIGNIFICANT_DIGITS - 1 - magnitude).astype(np.int64)
    up, down = _POWERS[np.clip(shift, 0, 22)], _POWERS[np.clip(-shift, 0, 22)]
    return np.asarray(np.rint(array * up / down) / up * down)


def group_columns(genes: Iterable[Gene]) -> dict[str, tuple[int, ...]]:
    """Columns of each gene group, groups in order of first appearance."""
    groups: dict[str, tuple[int, ...]] = {}
    for column, gene in enumerate(genes):
        groups[gene.group] = (*groups.get(gene.group, ()), column)
    return groups


GENES: tuple[Gene, ...] = (
    Gene("learning_rate", "metabolic rate", "log", 1e-4, 3e-2, "AdamW step size after warm-up"),
    Gene("weight_decay", "metabolic rate", "log", 1e-2, 3.0, "decoupled decay of every weight"),
    Gene("beta1", "cognitive reflexes", "log1m", 0.5, 0.99, "decay of the first moment"),
    Gene("beta2", "cognitive reflexes", "log1m", 0.8, 0.9999, "decay of the second moment"),
    Gene("grad_clip", "homeostasis", "log", 0.05, 10.0, "limit of the global gradient norm"),
    Gene("adam_epsilon", "homeostasis", "log", 1e-12, 1e-4, "Adam's epsilon"),
    Gene("warmup_steps", "life cycle", "integer", 0, 500, "steps of linear warm-up"),
    Gene("decay_trigger", "life cycle", "log", 1e-8, 1e-1, "loss variance that starts decay"),
    Gene(
        "decay_rate", "life cycle", "log", 1e-5, 1e-2, "learning-rate decay a step, once begun"
    ),
    Gene("dropout", "signal modulation", "linear", 0.0, 0.5, "dropout on residual branches"),
    Gene("layer_scale", "signal modulation", "log", 0.1, 2.0, "factor on residual branches"),
    Gene("init_attn_qk", "plasticity", "log", 0.01, 1.0, "initial spread of Wq and Wk"),
    Gene("init_attn_v", "plasticity", "log", 0.01, 1.0, "initial spread of Wv and Wo"),
    Gene("init_ffn", "plasticity", "log", 0.01, 1.0, "initial spread of W1 and W2"),
    Gene("bias_scale", "plasticity", "log", 1e-3, 0.5, "initial spread of every bias"),
    Gene("init_embed", "sensory", "log", 0.02, 2.0, "initial spread of every embedding"),
    Gene("embed_ratio", "sensory", "log", 0.03, 30.0, "what token embeddings are divided by"),
)
"""The hyper17 genome, in the order of every table and figure."""

GROUPS: dict[str, tuple[int, ...]] = group_columns(GENES)
"""Gene group → its columns in :data:`GENES`: the complexes that group crossover keeps whole."""
