"""Training on every device that Ray knows: one actor a GPU or, without any, one a core.

An actor holds an engine. Each call hands it trials, lets it train for about a second and
returns what finished; the driver keeps exactly one call to every actor outstanding. So Ray sees
a few calls a second however many trials there are, and an actor that dies costs only its
unfinished steps. Actors are never restarted by Ray, which would hide why they died: their loss
is an event, and they are replaced here. A machine that is being drained is given nothing new,
what ends there or goes with a machine puts no trial under suspicion, and where memory runs out
slots are halved.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import ray
import ray._private.state

from cluster.campaign import ActorLost, Cause, Event, Finished
from cluster.engine_actor import EngineActor, Ready
from cluster.engine_host import make_planned_engine
from cluster.executor import (
    MAX_HALVINGS,
    EnginePlan,
    ExecutorError,
    MakeEngine,
    is_out_of_memory,
)
from cluster.parcel import parcel
from cluster.places import FIRST_DEADLINE, NO_ROOM, GivenUp, Listening, Pace, Place, late
from cluster.ray_session import in_one_line, join
from cluster.roster import Roster
from speciation.trial.trial import Trial

_logger = logging.getLogger(__name__)

WORK_SECONDS = 1.0
MOST_RESERVE = 8  # trials waiting in an actor, for each of its slots
CLOSE_SECONDS = 5.0
LOOK_SECONDS = 2.0  # between looks for machines that joined or leave
MAX_FAILED_STARTS = 3  # of one place, in a row
MAX_LOST_PLACES = 3  # by an executor that has no other
FIRST_START = 900.0  # seconds that a start may take, while it is not known how long one takes
LEAST_START = 120.0  # and that it may always take: what it imports may come from a slow disk
WAITING_SECONDS = 20.0  # after which it is said that an actor waits for room
START_SECONDS = 60.0  # after which no work is kept back for an actor that has not started

# What Ray says of an actor whose machine is gone, or cannot be reached.
_LEFT = re.compile(
    r"node (has |was )?(died|dead|terminated|drained|preempted)|unavailable", re.I
)


class RayExecutor:
    """Engines on Ray; see ``cluster.executor.Executor``.

    Args:
        plan: Which engine; its device and slots are decided by each actor where they say so.
        address: A running cluster's (``host:port``, ``auto`` or ``ray://…``); None starts one
            here, for as long as this executor is open. Where this process uses Ray already,
            that Ray is used, and left running.
        label: What actors are called in Ray's dashboard.
        most_actors: More are never useful.
        gpus: That an actor takes; a fraction lets several share one.
        make: Builds an engine in an actor; picklable.
        work_seconds: How long a call trains.
        clock: Seconds, never going back.
        tell: Told which cluster was joined, if one was, and that no machine has room.

    Raises:
        ExecutorError: There is no such cluster, or no suitable device in it.
    """

    def __init__(
        self,
        plan: EnginePlan,
        *,
        address: str | None = None,
        label: str = "engine",
        most_actors: int = 1_000_000,
        gpus: float = 1.0,
        make: MakeEngine = make_planned_engine,
        work_seconds: float = WORK_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._plan, self._make, self._label = plan, make, label
        self._most_actors, self._work_seconds, self._gpus = most_actors, work_seconds, gpus
        self._clock, self._tell = Listening(clock), tell
        self._roster = Roster()
        self._places: dict[str, Place] = {}
        self._pace, self._start_pace = Pace(FIRST_DEADLINE), Pace(FIRST_START, LEAST_START)
        self._steps_before = 0
        self._starts: Counter[str] = Counter()  # of each place
        self._given_up = GivenUp()
        self._room = 0  # for so many actors
        self._said_no_room = False
        self._avoided: list[str] = []  # machines where no engine starts
        self._looked_at = -LOOK_SECONDS
        self._open = True
        self._ours = not ray.is_initialized()
        if self._ours:
            join(address, tell)
        try:
            self._uses_gpus = plan.device != "cpu" and _resource("GPU") > 0
            if plan.device == "cuda" and not self._uses_gpus:
                raise ExecutorError(
                    "device is cuda, but Ray sees no GPU here; use --device auto, or --address "
                    "of a cluster that has one"
                )
            self._look()
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        """Slots of all actors that are ready."""
        return sum(place.slots for place in self._places.values())

    @property
    def occupied(self) -> int:
        """Slots with a trial in them, as last heard."""
        return sum(place.occupied for place in self._places.values())

    @property
    def trial_steps(self) -> int:
        """Training steps so far, over all actors, as last heard."""
        return self._steps_before + sum(p.trial_steps for p in self._places.values())

    @property
    def actors(self) -> int:
        """Actors that are ready to train."""
        return sum(place.slots > 0 for place in self._places.values())

    @property
    def waiting(self) -> int:
        """Actors that no machine has had room for, for a while."""
        long_ago = self._clock() - WAITING_SECONDS
        places = self._places.values()
        return sum(place.waiting and place.called_at <= long_ago for place in places)

    def submit(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Take trials into the queue."""
        self._roster.add(trials, apart)

    def wait(self, timeout_s: float) -> list[Event]:
        """What happened; see the protocol."""
        if not self._open:
            raise ExecutorError("this executor is closed; make a new one to go on")
        if gone := self._look():
            return gone
        for place in list(self._places.values()):
            self._feed(place)
        if not any(place.call for place in self._places.values()):
            time.sleep(timeout_s)
            return []
        events = [event for place in self._answered(timeout_s) for event in self._hear(place)]
        return events + list(self._overdue())

    def close(self) -> list[Event]:
        """Hear what is being said, then give every device back."""
        if not self._open:
            return []
        self._open = False
        events: list[Event] = []
        with contextlib.suppress(ray.exceptions.RayError, ExecutorError):
            calls = [
                place.call for place in self._places.values() if place.slots and place.call
            ]
            if calls:
                ray.wait(calls, num_returns=len(calls), timeout=CLOSE_SECONDS)
            for place in self._answered(0.0):
                events += [e for e in self._hear(place) if isinstance(e, Finished)]
        for place in self._places.values():
            with contextlib.suppress(ray.exceptions.RayError, ValueError):
                ray.kill(place.actor)
        if self._ours:
            ray.shutdown()
        self._steps_before, self._places = self.trial_steps, {}
        return events

    # -- Actors -------------------------------------------------------------------------

    def _look(self) -> list[Event]:
        """Give every device that Ray has an actor. Machines may join and leave at any time."""
        if self._clock() - self._looked_at < LOOK_SECONDS:
            return []
        self._looked_at = self._clock()
        kind = "gpu" if self._uses_gpus else "cpu"
        devices, leaving = _machines(kind.upper())
        self._given_up.forget(devices.keys() - leaving)
        events: list[Event] = []
        for place in list(self._places.values()):
            if place.waiting and (node := _node_of(place.actor)):
                place.node, place.called_at = node, self._clock()
            place.leaving = place.node in leaving
            if place.node is not None and place.node not in devices:
                events += self._lose(place, "its machine is gone", Cause.LEFT)
        each = self._gpus if self._uses_gpus else 1.0
        self._avoided = self._given_up.avoided(devices, each)
        room = sum(count for node, count in devices.items() if node not in leaving)
        self._room = int(room / each + 1e-9)
        self._man(kind)
        no_room = bool(self.waiting and not self.capacity)
        if no_room and not self._said_no_room:
            self._tell(NO_ROOM)
        self._said_no_room = no_room
        return events

    def _man(self, kind: str) -> None:
        """Have as many actors started as there is room for, and none that has lost it."""
        hopeful = [place for place in self._places.values() if not place.left_alone]
        staying = [place for place in hopeful if not place.leaving]
        alone = sum(p.left_alone and not p.leaving for p in self._places.values())
        wanted = min(max(self._room - len(self._given_up) - alone, 0), self._most_actors)
        if wanted == 0 and len(staying) == len(hopeful):
            wanted = 1  # Ray starts it as soon as there is a device
        for place in reversed(staying[wanted:]):
            if not place.slots:  # its device left before it started
                self._forget(place)
        names = (f"{kind}-{number}" for number in itertools.count())
        free = (n for n in names if n not in self._places and n not in self._given_up)
        for _ in range(len(staying), wanted):
            place = Place(next(free))
            self._places[place.name] = place
            self._start(place)

    def _start(self, place: Place) -> None:
        self._starts[place.name] += 1
        place.starts = self._starts[place.name]
        again = f" ({place.starts})" if place.starts > 1 else ""
        plan = replace(self._plan, halvings=place.halvings, share=min(self._gpus, 1.0))
        if plan.device == "auto":
            plan = replace(plan, device="cuda" if self._uses_gpus else "cpu")
        actor_class = ray.remote(EngineActor).options(
            name=f"{self._label} {place.name}{again}",
            num_gpus=self._gpus if self._uses_gpus else 0,
            num_cpus=0 if self._uses_gpus else 1,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=1,
            label_selector=_elsewhere_than(self._avoided),
        )
        place.actor = actor_class.remote(plan, self._make)
        place.call = place.actor.ready.options(name="start").remote()
        place.called_at = self._clock()
        place.calls = place.slots = place.occupied = place.finished_last = 0
        place.node, place.left_alone = None, False
        self._roster.hire(place.name)

    def _forget(self, place: Place) -> tuple[Trial, ...]:
        """Give a place up; what its actor held."""
        with contextlib.suppress(ray.exceptions.RayError, ValueError):
            ray.kill(place.actor)
        self._steps_before += place.trial_steps
        place.trial_steps, place.call = 0, None
        self._places.pop(place.name, None)
        return self._roster.dismiss(place.name)

    def _lose(self, place: Place, reason: str, cause: Cause) -> list[Event]:
        """Replace an actor, if its machine is still there; what it held is told."""
        if place.leaving:
            cause = (
                Cause.LEFT
            )  # what a machine that is being drained does to it is no trial's fault
        if cause is Cause.STARTING and place.failed_starts == MAX_FAILED_STARTS - 1:
            return self._leave_alone(place, reason)
        slots = place.slots
        place.node = place.node or _node_of(place.actor)
        trials = self._forget(place)
        innocent = cause in (Cause.LEFT, Cause.STARTING)
        innocent |= cause is Cause.MEMORY and slots != 1
        if cause is Cause.MEMORY and place.halvings < MAX_HALVINGS:
            place.halvings += 1
        elif not slots and cause is not Cause.LEFT:
            place.failed_starts += 1
        if place.failed_starts >= MAX_FAILED_STARTS:
            self._given_up.add(place)
            _logger.warning("%s is given up, no engine starts there: %s", place.name, reason)
            self._insist_on_hope(reason)
        elif cause is Cause.LEFT:
            self._looked_at = -LOOK_SECONDS  # perhaps only its process could not be reached
        else:
            self._places[place.name] = place
            self._start(place)
        return [ActorLost(place.name, trials, reason, cause, innocent)]

    def _leave_alone(self, place: Place, reason: str) -> list[Event]:
        """Let an actor hang: its card shall be nobody's, and it may get ready after all."""
        place.failed_starts += 1
        place.left_alone = True
        self._roster.pace(place.name, 0.0)
        _logger.warning("%s is left alone, no engine gets ready there: %s", place.name, reason)
        self._insist_on_hope(reason)
        return [ActorLost(place.name, (), reason, Cause.STARTING, innocent=True)]

    def _insist_on_hope(self, reason: str) -> None:
        """Another device may be free, unless all that there are, or several, failed us."""
        alone = sum(place.left_alone for place in self._places.values())
        lost = alone + len(self._given_up)
        if alone == len(self._places) and lost >= min(self._room, MAX_LOST_PLACES):
            raise ExecutorError(f"no engine could be started on Ray: {reason}")
        self._looked_at = -LOOK_SECONDS

    # -- Calls --------------------------------------------------------------------------

    def _feed(self, place: Place) -> None:
        """Call an actor that is not being called, if there is anything for it to do."""
        if place.call is not None:
            return
        if place.leaving:
            if self._roster.busy(place.name):
                self._call(place, [])
            else:
                self._forget(place)
            return
        # As many as finished in the last call will finish in the next: have them at hand.
        reserve = min(2 * place.finished_last, MOST_RESERVE * place.slots)
        fresh = self._roster.take(place.name, place.slots, reserve)
        if self._roster.busy(place.name):
            self._call(place, fresh)

    def _call(self, place: Place, fresh: Sequence[Trial]) -> None:
        train = place.actor.work.options(name="train")
        place.call = train.remote(parcel(fresh) if fresh else None, self._work_seconds)
        place.called_at = self._clock()

    def _answered(self, timeout_s: float) -> list[Place]:
        """Places whose call is over, after at most so many seconds."""
        calling = {place.call: place for place in self._places.values() if place.call}
        if not calling:
            return []
        try:
            ray.wait(list(calling), num_returns=1, timeout=timeout_s)
            ready, _ = ray.wait(list(calling), num_returns=len(calling), timeout=0)
        except ray.exceptions.RayError as error:
            raise ExecutorError(
                f"the connection to Ray is lost: {in_one_line(error)}"
            ) from error
        return [calling[call] for call in ready]

    def _hear(self, place: Place) -> list[Event]:
        """Take in an answer, and call again at once: the device shall not wait for us."""
        call, place.call = place.call, None
        try:
            answer = ray.get(call)
        except Exception as error:  # whatever an engine raised, or Ray says of its end
            return self._lose(place, in_one_line(error), _cause(error))
        if isinstance(answer, Ready):
            place.slots, place.node, place.failed_starts = answer.slots, answer.node, 0
            place.left_alone = False
            self._start_pace.seconds.append(answer.seconds)
            self._roster.pace(place.name, None)
            return []
        self._pace.seconds.append(self._clock() - place.called_at)
        place.calls += 1
        trained = answer.trial_steps - place.trial_steps
        if place.occupied >= place.slots / 2 and trained and place.calls > 1:
            self._roster.pace(place.name, trained / max(answer.seconds, 1e-3))
        place.occupied, place.trial_steps = answer.occupied, answer.trial_steps
        place.finished_last = len(answer.results)
        self._roster.settle(place.name, answer.results.ids)
        if self._open:
            self._feed(place)
        return [Finished(answer.results)] if len(answer.results) else []

    def _overdue(self) -> Iterator[Event]:
        """Ray never notices an actor that hangs: deadlines are ours."""
        now = self._clock()
        for place in list(self._places.values()):
            if not place.slots and now - place.called_at > START_SECONDS:
                self._roster.pace(place.name, 0.0)
            if found := late(place, now, self._pace, self._start_pace):
                cause, reason = found
                yield from self._lose(place, reason, cause)


def _resource(name: str) -> float:
    return float(ray.cluster_resources().get(name, 0.0))


def _machines(kind: str) -> tuple[dict[str, float], set[str]]:
    """Devices of each machine, by its id, and which machines are being drained."""
    leaving = set(ray._private.state.state.get_draining_nodes())
    alive = {n["NodeID"]: n["Resources"] for n in ray.nodes() if n["Alive"]}
    return {node: float(has.get(kind, 0.0)) for node, has in alive.items()}, leaving


def _node_of(actor: Any) -> str | None:
    """The machine where an actor's process runs; None while none has room for it.

    Before there is a process, Ray names a machine that it merely asked.
    """
    told = ray._private.state.state.actor_table(actor._actor_id.hex())
    return str(told["Address"]["NodeID"]) if told.get("Pid") else None


def _elsewhere_than(nodes: Sequence[str]) -> dict[str, str] | None:
    """What Ray is told, so that an actor starts on none of these machines."""
    return {"ray.io/node-id": f"!in({','.join(nodes)})"} if nodes else None


def _cause(error: Exception) -> Cause:
    """What kind of end an actor had."""
    if is_out_of_memory(error):
        return Cause.MEMORY
    unreachable = isinstance(error, ray.exceptions.ActorUnavailableError)
    died = isinstance(error, ray.exceptions.RayActorError | ray.exceptions.NodeDiedError)
    if unreachable or (died and _LEFT.search(str(error))):
        return Cause.LEFT
    return Cause.DIED if died else Cause.RAISED
