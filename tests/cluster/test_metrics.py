"""A run's numbers as Ray's metrics: the same as its pulse says, and counted once."""

from __future__ import annotations

import pytest

from cluster.job_queue import State
from cluster.metrics import COUNTERS, GAUGES, Metrics
from cluster.pulse import Pulse

pytestmark = pytest.mark.ray
told = pytest.importorskip("ray.util.metrics", reason="metrics are Ray's")


@pytest.fixture
def seen(monkeypatch) -> dict[tuple[str, tuple], float]:
    """What was told, by name and tags; Ray itself is not there."""
    found: dict[tuple[str, tuple], float] = {}

    class Fake:
        def __init__(self, name, description, tags) -> None:
            self.name, self.tags, self.default = name, tags, {}

        def set_default_tags(self, tags) -> None:
            self.default = tags

        def key(self, tags):
            given = {**self.default, **(tags or {})}
            assert set(given) == set(self.tags), "a metric must have all its tags"
            return self.name, tuple(sorted(given.items()))

        def set(self, value, tags=None) -> None:
            found[self.key(tags)] = value

        def inc(self, value, tags=None) -> None:
            assert value > 0
            found[self.key(tags)] = found.get(self.key(tags), 0) + value

    monkeypatch.setattr(told, "Gauge", Fake)
    monkeypatch.setattr(told, "Counter", Fake)
    return found


def of(name: str, **tags: str) -> tuple[str, tuple]:
    return f"speciation_{name}", tuple(sorted({"run": "mine", **tags}.items()))


def test_metrics_say_what_the_pulse_says(seen):
    metrics = Metrics("mine")
    pulse = Pulse(
        "mine-12345678",
        generation=3,
        finished=50,
        trial_steps=900,
        trials_a_second=2.5,
        steps_a_second=40.0,
        occupied=7,
        capacity=8,
        best=123.0,
        outcomes={"grokked": 30, "censored": 20},
    )
    metrics.pulse(pulse)
    assert seen == {
        of("trials_per_second"): 2.5,
        of("trial_steps_per_second"): 40.0,
        of("occupied_slots"): 7,
        of("slots"): 8,
        of("generation"): 3,
        of("best_fitness"): 123.0,
        of("trials"): 50,
        of("trial_steps"): 900,
        of("outcomes", outcome="grokked"): 30,
        of("outcomes", outcome="censored"): 20,
    }
    assert {name for name, _ in seen} | {"speciation_queue_jobs"} == {
        f"speciation_{name}" for name in (*GAUGES, *COUNTERS)
    }


def test_what_was_counted_is_not_counted_again(seen):
    metrics = Metrics("mine")
    for finished in (10, 10, 25):
        metrics.pulse(Pulse("mine-1", finished=finished, outcomes={"grokked": finished}))
    assert seen[of("trials")] == seen[of("outcomes", outcome="grokked")] == 25


def test_before_a_generation_is_closed_there_is_no_best(seen):
    Metrics("mine").pulse(Pulse("mine-1"))
    assert of("best_fitness") not in seen


def test_the_queue_is_counted_by_state(seen):
    Metrics().queue([State.QUEUED, State.QUEUED, State.RUNNING])
    by_state = {dict(tags)["state"]: value for (_, tags), value in seen.items()}
    assert by_state == {"queued": 2, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0}
