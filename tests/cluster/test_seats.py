"""Several campaigns at one executor: each hears of its own trials, all of them, once."""

from __future__ import annotations

from multiprocessing import Pipe
from threading import Thread
from typing import Any

import pytest

from cluster.campaign import ActorLost, Finished
from cluster.executor import ExecutorError
from cluster.local_executor import LocalExecutor
from cluster.parcel import parcel
from cluster.seats import Dealer, Dealt, Seat, Submitted, Waiting
from tests.cluster.runs import FAST
from tests.cluster.synthetic import PLAN, Behaviour, trials


def dealer(behaviour: Behaviour = FAST, curves: bool = False) -> Dealer:
    return Dealer(LocalExecutor(PLAN, behaviour), curves=curves)


def dealt(dealer: Dealer, *seats: str) -> dict[str, list[Any]]:
    """Deal until nobody waits any more; what each seat heard."""
    heard: dict[str, list[Any]] = {seat: [] for seat in seats}
    while dealer.busy:
        dealer.deal(0.0)
        for seat in seats:
            heard[seat] += dealer.answer(seat).events
    return heard


def finished(events: list[Any]) -> list[str]:
    return [key for event in events if isinstance(event, Finished) for key in event.results.ids]


def test_each_seat_hears_of_its_own_trials_alone():
    table, many = dealer(), trials(20)
    table.take("a", Submitted(parcel(many[:12]), apart=False))
    table.take("b", Submitted(parcel(many[12:]), apart=False))
    heard = dealt(table, "a", "b")
    assert sorted(finished(heard["a"])) == sorted(t.id for t in many[:12])
    assert sorted(finished(heard["b"])) == sorted(t.id for t in many[12:])


def test_what_finishes_within_a_moment_is_told_as_one():
    table, many = dealer(Behaviour(slots=4)), trials(20)
    table.take("a", Submitted(parcel(many), apart=False))
    table.deal(60.0)  # it ends when nobody waits any more
    (event,) = table.answer("a").events
    assert sorted(event.results.ids) == sorted(t.id for t in many)


def test_a_trial_that_two_want_is_trained_once_and_told_to_both():
    executor = LocalExecutor(PLAN, Behaviour(slots=8))
    table, many = Dealer(executor, curves=False), trials(6)
    for seat in ("a", "b"):
        table.take(seat, Submitted(parcel(many), apart=False))
    heard = dealt(table, "a", "b")
    assert sorted(finished(heard["a"])) == sorted(finished(heard["b"]))
    alone = LocalExecutor(PLAN, Behaviour(slots=8))
    alone.submit(many)
    told: list[str] = []
    while len(told) < len(many):
        told += finished(alone.wait(0.0))
    assert executor.trial_steps == alone.trial_steps


@pytest.mark.parametrize("curves", [False, True])
def test_curves_are_dealt_out_only_where_they_are_wanted(curves):
    table = dealer(curves=curves)
    table.take("a", Submitted(parcel(trials(3)), apart=False))
    events = dealt(table, "a")["a"]
    assert sum(len(event.results.curves) for event in events) == (3 if curves else 0)


def test_a_lost_engine_is_told_to_each_seat_for_the_trials_it_waits_for():
    many = trials(4)
    table = dealer(Behaviour(slots=4, poison=frozenset({many[0].id})))
    table.take("a", Submitted(parcel(many[:2]), apart=False))
    table.take("b", Submitted(parcel(many[2:]), apart=False))
    heard = dealt(table, "a", "b")
    for seat, own in (("a", many[:2]), ("b", many[2:])):
        (loss,) = heard[seat]
        assert isinstance(loss, ActorLost)
        assert [t.id for t in loss.trials] == [t.id for t in own]
        assert "illegal memory access" in loss.reason


def test_a_seat_that_left_hears_nothing_and_may_take_its_place_again():
    table, many = dealer(), trials(3)
    table.take("a", Submitted(parcel(many), apart=False))
    table.leave("a")
    table.take("b", Submitted(parcel(many[:1]), apart=False))
    heard = dealt(table, "a", "b")
    assert heard["a"] == []
    assert finished(heard["b"]) == [many[0].id]


def answering(connection, *answers: Dealt) -> Thread:
    """The other end of a connection: hears what a seat says and answers when it waits."""

    def listen() -> None:
        for answer in answers:
            while not isinstance(connection.recv(), Waiting):
                pass
            connection.send(answer)
        connection.close()

    thread = Thread(target=listen, daemon=True)
    thread.start()
    return thread


def test_a_seat_counts_what_it_was_told():
    table, many = dealer(), trials(5)
    table.take("a", Submitted(parcel(many), apart=False))
    results = dealt(table, "a")["a"]
    ours, theirs = Pipe()
    seat = Seat(ours, 8)
    thread = answering(theirs, Dealt(tuple(results), 16, stop=False), Dealt((), 16, stop=True))
    seat.submit(many)
    assert (seat.capacity, seat.occupied) == (8, 5)
    assert sorted(finished(seat.wait(1.0))) == sorted(t.id for t in many)
    assert (seat.capacity, seat.occupied, seat.stop_asked) == (16, 0, False)
    assert seat.trial_steps == sum(
        sum(event.results.trials["steps_run"].to_pylist()) for event in results
    )
    assert seat.wait(1.0) == []
    assert seat.stop_asked
    thread.join()


def test_a_seat_says_that_the_other_end_is_gone_and_that_it_is_closed():
    ours, theirs = Pipe()
    theirs.close()
    seat = Seat(ours, 8)
    with pytest.raises(ExecutorError, match="is gone"):
        seat.wait(0.0)
    with pytest.raises(ExecutorError, match="is gone"):
        seat.submit(trials(1))
    assert seat.close() == []
    with pytest.raises(ExecutorError, match="take a new one"):
        seat.wait(0.0)
