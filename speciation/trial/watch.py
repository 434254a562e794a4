"""When a trial is over: the vectorised watch over many trials at once.

The same rules as ``speciation.trial.grokking``, but as running counters, so that an engine can
decide for thousands of slots after each evaluation without looking back at their curves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speciation.trial.grokking import COLLAPSED, GROKKED, HOLD, MEMORISED

Bools = NDArray[np.bool_]


class Watch:
    """Counters of every slot.

    Args:
        slots: How many slots there are.
        interval: Steps between evaluations.
    """

    def __init__(self, slots: int, interval: int) -> None:
        self._interval = interval
        self._step = np.zeros(slots, dtype=np.int64)
        self._horizon = np.zeros(slots, dtype=np.int64)
        self._to_horizon = np.zeros(slots, dtype=bool)
        self._streak = np.zeros(slots, dtype=np.int64)  # evaluations in a row at 99 %
        self._memory = np.zeros(slots, dtype=np.int64)  # the same for the train set
        self._low = np.zeros(slots, dtype=np.int64)  # evaluations in a row after a collapse
        self._grokked = np.zeros(slots, dtype=bool)
        self._memorised = np.zeros(slots, dtype=bool)

    def start(self, slot: int, horizon: int, to_horizon: bool) -> None:
        """A new trial is in the slot."""
        for counter in (self._step, self._streak, self._memory, self._low):
            counter[slot] = 0
        self._grokked[slot] = self._memorised[slot] = False
        self._horizon[slot], self._to_horizon[slot] = horizon, to_horizon

    def take_from(self, slots: list[int], other: Watch, theirs: list[int]) -> None:
        """The trials of another watch's slots are in these slots now."""
        for name, counter in vars(self).items():
            if name != "_interval":
                counter[slots] = getattr(other, name)[theirs]

    def see(
        self,
        train_loss: NDArray[np.float32],
        train_accuracy: NDArray[np.float32],
        validation_accuracy: NDArray[np.float32],
    ) -> Bools:
        """Take in an evaluation of all slots, ``(slots,)`` each; say which trials are over."""
        self._step += self._interval
        self._streak = _count(self._streak, validation_accuracy >= GROKKED)
        self._memory = _count(self._memory, train_accuracy >= MEMORISED)
        self._grokked |= self._streak > HOLD
        self._memorised |= self._memory > HOLD
        self._low = _count(self._low, self._memorised & (train_accuracy <= COLLAPSED))

        began = self._step - (self._streak - 1) * self._interval
        still_open = (self._streak > 0) & (began <= self._horizon) & ~self._grokked
        out_of_time = (self._step >= self._horizon) & ~still_open
        lost = ~np.isfinite(train_loss) | ((self._low > HOLD) & ~self._grokked)
        return (self._grokked & ~self._to_horizon) | lost | out_of_time


def _count(run: NDArray[np.int64], goes_on: Bools) -> NDArray[np.int64]:
    """Length of the current run of true values."""
    return np.where(goes_on, run + 1, 0)
