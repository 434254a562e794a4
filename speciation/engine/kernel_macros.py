"""What Python decides, as macros for the sources of kernels: nothing is written down twice."""

from __future__ import annotations

from speciation.engine import layout, model, optimizer
from speciation.engine.layout import Layout
from speciation.engine.recipe import DROPOUT_LEVELS, RECIPE_COLUMNS
from speciation.engine.training import GAP_QUANTILES, SEEN
from speciation.seeds import Purpose
from speciation.trial.trial import ModelShape

Words = tuple[str, ...]


def definitions(plan: Layout, shape: ModelShape) -> Words:
    """Every size, offset, column and constant, as options of a compiler."""
    offsets, size = {}, 0
    for weight in plan.weights:
        offsets[f"AT_{weight.name.replace('.', '_')}"] = size
        size += weight.size
    return words(
        SIZE=size,
        ELEMENTS=plan.elements,
        VOCABULARY=plan.vocabulary,
        WIDTH=shape.d_model,
        HEADS=shape.heads,
        HIDDEN=shape.d_ff,
        **offsets,
        **{f"RECIPE_{name}": i for i, name in enumerate(RECIPE_COLUMNS)},
        **{f"SEEN_{name}": i for i, name in enumerate(SEEN)},
        SEEN_COLUMNS=len(SEEN),
        **{f"QUANTILE_{i}": quantile for i, quantile in enumerate(GAP_QUANTILES)},
        PURPOSE_SPLIT=int(Purpose.SPLIT),
        PURPOSE_INIT=int(Purpose.INIT),
        PURPOSE_ORDER=int(Purpose.ORDER),
        PURPOSE_DROPOUT=int(Purpose.DROPOUT),
        DROPOUT_LEVELS=DROPOUT_LEVELS,
        NORM_EPSILON=model.NORM_EPSILON,
        PAD_LOGIT=layout.PAD_LOGIT,
        LOSS_WEIGHT=optimizer.LOSS_WEIGHT,
        LOSSES_NEEDED=optimizer.LOSSES_NEEDED,
        CLIP_EPSILON=optimizer.CLIP_EPSILON,
    )


def words(**values: float) -> Words:
    """Macros as options: names in capitals, numbers as Python writes them."""
    return tuple(f"-D{name.upper()}={value!r}" for name, value in values.items())
