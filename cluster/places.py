"""A device's place in the crew, when its actor is late, and where no engine starts at all.

An actor is *waiting* while no machine has room for it, which may take as long as a cluster
takes to grow; nobody is late for that. From the moment its process runs it is *starting*: it
imports, builds its engine and trains a first trial of its own, so that a device which hangs
does so before it holds anybody's work. Then it is called and answers. What takes much longer
than it took others is hung, and Ray never notices, so deadlines are ours. Where starts hang
again and again the last one is left alone: it keeps its card, on which the next would hang too,
and is used if it gets ready after all. Where they fail the place is given up, and a machine
without a place that is left is avoided.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.campaign import Cause

LISTENED = 5.0  # most seconds between two looks that count as waiting
FIRST_DEADLINE = 900.0  # of what may compile, while it is not known how long that takes
LEAST_DEADLINE = 30.0
DEADLINE_FACTOR = 3.0

NO_ROOM = "no machine of the cluster has room for an engine yet: waiting for one"


@dataclass
class Place:
    """A device's place, whoever holds it at the moment."""

    name: str
    starts: int = 0
    failed_starts: int = 0  # in a row
    halvings: int = 0
    node: str | None = None  # where its actor is; None while that waits for room
    leaving: bool = False  # its machine is being drained
    left_alone: bool = False  # its actor hangs, and keeps others from hanging there
    actor: Any = None
    call: Any = None  # the one outstanding reference
    called_at: float = 0.0
    calls: int = 0  # that this actor has answered
    slots: int = 0  # 0 until it is ready
    occupied: int = 0
    trial_steps: int = 0
    finished_last: int = 0

    @property
    def waiting(self) -> bool:
        """No machine has room for its actor yet."""
        return not self.slots and self.node is None


class Listening:
    """Seconds in which an answer could have been heard.

    While this process is stopped it hears nothing, and nobody is late for that: of a long time
    between two looks only a little counts.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._before, self._heard = clock, clock(), 0.0

    def __call__(self) -> float:
        """Now."""
        now = self._clock()
        self._heard += min(max(now - self._before, 0.0), LISTENED)
        self._before = now
        return self._heard


@dataclass
class Pace:
    """How long something takes, and so when it is overdue: seconds."""

    first_deadline: float = FIRST_DEADLINE
    least: float = LEAST_DEADLINE
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=256))

    def deadline(self, first: bool = False) -> float:
        """How long is too long; ``first`` says that this may take longer than others did."""
        if first or not self.seconds:
            return self.first_deadline
        slow = sorted(self.seconds)[int(0.99 * (len(self.seconds) - 1))]
        return max(self.least, DEADLINE_FACTOR * slow)


def late(place: Place, now: float, calls: Pace, starts: Pace) -> tuple[Cause, str] | None:
    """Whether a place's actor hangs, and what to say of it.

    Args:
        place: The place.
        now: Seconds, on the clock of its calls.
        calls: How long calls take.
        starts: How long starts take, from when the process runs.
    """
    waited = now - place.called_at
    if place.call is None or place.waiting or place.left_alone:
        return None
    if not place.slots:
        where = f"on node {(place.node or '')[:8]}"
        reason = f"an actor {where} was still starting after {waited:.0f} s"
        return (Cause.STARTING, reason) if waited > starts.deadline() else None
    overdue = waited > calls.deadline(first=place.calls == 0)
    return (Cause.HUNG, f"no answer for {waited:.0f} s") if overdue else None


class GivenUp:
    """Places where engines fail to start, and the machines that they were on."""

    def __init__(self) -> None:
        self._nodes: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def add(self, place: Place) -> None:
        """Give a place up."""
        self._nodes[place.name] = place.node

    def forget(self, alive: Collection[str]) -> None:
        """A machine that is gone is no reason against the one that takes its place.

        Args:
            alive: Machines that stay.
        """
        gone = [name for name, node in self._nodes.items() if node and node not in alive]
        for name in gone:
            del self._nodes[name]

    def avoided(self, devices: Mapping[str, float], each: float) -> list[str]:
        """Machines without a device that is left.

        Args:
            devices: Machine → its devices.
            each: Devices that an actor takes.
        """
        lost = Counter(node for node in self._nodes.values() if node)
        return sorted(n for n, count in lost.items() if count >= _room(devices, n, each))


def _room(devices: Mapping[str, float], node: str, each: float) -> int:
    return int(devices.get(node, 0.0) / each + 1e-9)
