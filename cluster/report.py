"""What an actor says after each call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.results import Results
from speciation.trial.trial import TrialResult


@dataclass(frozen=True, slots=True)
class Report:
    """See the module.

    Args:
        results: Of the trials that ended.
        occupied: Slots with a trial in them.
        trial_steps: Trained by this actor so far.
        seconds: That the call took.
    """

    results: Results
    occupied: int
    trial_steps: int
    seconds: float


def report_of(
    results: Sequence[TrialResult], occupied: int, trial_steps: int, seconds: float
) -> Report:
    """The report of a call, made beside the device."""
    return Report(Results.of(results).packed(), occupied, trial_steps, seconds)
