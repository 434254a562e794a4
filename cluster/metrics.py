"""A run's numbers as Ray's metrics, for Prometheus and whatever draws it.

The same numbers as in a run's pulse. Tags are few: the run's name and, for outcomes, which one;
never a hash or a seed, since every new value of a tag is a new series for ever.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Sequence

from cluster.job_queue import State
from cluster.pulse import Pulse

PREFIX = "speciation_"

GAUGES = {
    "trials_per_second": "Trials that finish a second.",
    "trial_steps_per_second": "Training steps a second, over all trials.",
    "occupied_slots": "Slots with a trial in them.",
    "slots": "Slots of all engines.",
    "generation": "Generations closed.",
    "best_fitness": "Fitness of the best genome of the last closed generation.",
    "queue_jobs": "Jobs of the queue by state.",
}
COUNTERS = {
    "trials": "Trials finished.",
    "trial_steps": "Training steps done.",
    "outcomes": "How trials ended.",
}
TAGS = {"queue_jobs": ("state",), "outcomes": ("run", "outcome")}


def tags_of(name: str) -> tuple[str, ...]:
    """The tags of a metric, besides those that Ray adds."""
    return TAGS.get(name, ("run",))


class Metrics:
    """What a process tells Ray.

    Args:
        run: The run's name, without the hash that its id has; none for the dispatcher.
    """

    def __init__(self, run: str = "") -> None:
        from ray.util.metrics import Counter, Gauge  # the names above can be had without Ray

        self._gauges = {n: Gauge(PREFIX + n, t, tags_of(n)) for n, t in GAUGES.items()}
        self._counters = {n: Counter(PREFIX + n, t, tags_of(n)) for n, t in COUNTERS.items()}
        for name, metric in {**self._gauges, **self._counters}.items():
            if "run" in tags_of(name):
                metric.set_default_tags({"run": run})
        self._counted: Count[str] = Count()

    def pulse(self, pulse: Pulse) -> None:
        """Tell how a run is doing."""
        told = {
            "trials_per_second": pulse.trials_a_second,
            "trial_steps_per_second": pulse.steps_a_second,
            "occupied_slots": pulse.occupied,
            "slots": pulse.capacity,
            "generation": pulse.generation,
            "best_fitness": pulse.best,
        }
        for name, value in told.items():
            if value is not None:
                self._gauges[name].set(value)
        self._count("trials", pulse.finished)
        self._count("trial_steps", pulse.trial_steps)
        for outcome, count in pulse.outcomes.items():
            self._count("outcomes", count, outcome=outcome)

    def queue(self, states: Sequence[State]) -> None:
        """Tell how many jobs stand where."""
        counted = Count(states)
        for state in State:
            self._gauges["queue_jobs"].set(counted[state], tags={"state": state.value})

    def _count(self, name: str, total: int, **tags: str) -> None:
        """Bring a counter to a total; a total only grows."""
        key = f"{name} {tags}"
        if (more := total - self._counted[key]) > 0:
            self._counters[name].inc(more, tags=tags)
            self._counted[key] = total
