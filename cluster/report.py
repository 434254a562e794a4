"""What an actor says after each call, in a form that costs its driver little.

A driver hears of thousands of trials a second, so an actor makes the rows of its results
itself, as Arrow tables, and names beside them only what the driver looks at. Trials are told by
their ids: the driver knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from speciation.tables.schema import result_tables
from speciation.trial.trial import Milestones, Outcome, Trial, TrialResult

# Id, outcome, steps to grok, steps run, best validation accuracy, device.
Ended = tuple[str, str, int | None, int, float | None, str]


@dataclass(frozen=True, slots=True)
class Report:
    """See the module.

    Args:
        ended: The trials that did.
        tables: Their rows: ``trials`` but for who asked, and ``curves``.
        occupied: Slots with a trial in them.
        trial_steps: Trained by this actor so far.
        seconds: That the call took.
    """

    ended: tuple[Ended, ...]
    tables: tuple[pa.Table, pa.Table]
    occupied: int
    trial_steps: int
    seconds: float


def report_of(
    results: Sequence[TrialResult], occupied: int, trial_steps: int, seconds: float
) -> Report:
    """The report of a call, made beside the device."""
    ended = tuple(
        (
            result.trial.id,
            str(result.outcome),
            result.milestones.steps_to_grok,
            result.steps_run,
            result.best_validation_accuracy,
            result.device,
        )
        for result in results
    )
    return Report(ended, result_tables(results), occupied, trial_steps, seconds)


def results_of(report: Report, find: Callable[[str], Trial]) -> tuple[TrialResult, ...]:
    """The results of a report, without what only its tables hold.

    Args:
        report: What an actor said.
        find: Trial id → trial.
    """
    return tuple(
        TrialResult(
            find(own),
            Outcome(outcome),
            milestones=Milestones(steps_to_grok=grok),
            steps_run=steps,
            best_validation_accuracy=best,
            device=device,
        )
        for own, outcome, grok, steps, best, device in report.ended
    )
