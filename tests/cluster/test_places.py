"""When an actor is late, and where no engine starts: without any Ray, on made-up clocks."""

from __future__ import annotations

import pytest

from cluster.campaign import Cause
from cluster.places import GivenUp, Listening, Pace, Place, late


def starting(node: str | None = "node-1", **fields: object) -> Place:
    """A place that was called at second 0 and has not answered."""
    return Place("gpu-0", node=node, call="a reference", **fields)


def overdue(place: Place, now: float, took: tuple[float, ...] = ()) -> Cause | None:
    """Why a place's actor is given up, where starts and calls took so long so far."""
    calls, starts = Pace(), Pace(900, least=120)
    calls.seconds.extend(took)
    starts.seconds.extend(took)
    found = late(place, now, calls, starts)
    return found and found[0]


def test_calls_are_overdue_when_they_take_much_longer_than_calls_did():
    pace = Pace()
    assert pace.deadline(first=True) == 900
    pace.seconds.extend([1.0] * 99 + [1000.0])
    assert pace.deadline() == 30
    pace.seconds.extend([20.0] * 256)
    assert pace.deadline() == 60
    assert pace.deadline(first=True) == 900


def test_who_waits_for_room_is_never_late():
    assert starting(node=None).waiting
    assert overdue(starting(node=None), now=1e9, took=(1.0,)) is None


def test_who_is_starting_is_late_when_the_others_are_long_ready():
    assert not starting().waiting
    assert overdue(starting(), now=899) is None
    assert overdue(starting(), now=901) is Cause.STARTING
    assert overdue(starting(), now=119, took=(10.0,)) is None
    assert overdue(starting(), now=121, took=(10.0,)) is Cause.STARTING
    assert overdue(starting(), now=299, took=(100.0,)) is None


def test_who_is_left_alone_is_late_no_more():
    assert overdue(starting(left_alone=True), now=1e9) is None


def test_who_is_ready_is_late_as_a_call_is():
    ready = starting(slots=4, calls=1)
    assert overdue(ready, now=29, took=(1.0,)) is None
    assert overdue(ready, now=31, took=(1.0,)) is Cause.HUNG
    assert overdue(starting(slots=4, calls=0), now=31, took=(1.0,)) is None  # may compile


def test_who_is_not_called_is_not_late():
    assert overdue(Place("gpu-0", node="node-1", slots=4), now=1e9) is None


def test_the_reason_names_the_machine_as_rays_dashboard_does():
    _, reason = late(starting(node="0123456789abcdef"), 1000, Pace(), Pace()) or (None, "")
    assert reason == "an actor on node 01234567 was still starting after 1000 s"


def given_up(*nodes: str | None) -> GivenUp:
    """A place on each of these machines, given up."""
    found = GivenUp()
    for number, node in enumerate(nodes):
        found.add(Place(f"gpu-{number}", node=node))
    return found


def test_a_machine_is_avoided_once_no_card_of_it_is_left():
    assert given_up("a").avoided({"a": 8, "b": 8}, 1) == []
    assert given_up("a", "b", "a").avoided({"a": 2, "b": 2}, 1) == ["a"]
    assert given_up("a", None).avoided({"a": 1}, 0.5) == []  # two actors a card
    assert given_up("a", "a").avoided({"a": 1}, 0.5) == ["a"]


def test_a_machine_that_is_gone_is_no_reason_against_the_next_one():
    found = given_up("a", "b", None)
    found.forget({"b"})
    assert len(found) == 2
    assert "gpu-0" not in found
    assert "gpu-1" in found


def test_a_driver_that_was_stopped_blames_nobody_for_being_late():
    now = [0.0]
    clock = Listening(lambda: now[0])
    began = clock()
    now[0] += 3600  # a pause
    assert clock() - began <= 5
    for _ in range(40):
        now[0] += 0.5
        clock()
    assert clock() - began == pytest.approx(25)


def test_a_clock_that_goes_back_takes_nothing_away():
    now = [100.0]
    clock = Listening(lambda: now[0])
    now[0] = 50.0
    assert clock() == 0
    now[0] = 51.0
    assert clock() == 1
