"""Who trains what, without anybody training."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cluster.roster import Roster
from tests.cluster.synthetic import trials

WORK = trials(40)


def roster(*actors: str) -> Roster:
    made = Roster()
    for actor in actors:
        made.hire(actor)
    return made


def ids(count: int) -> list[str]:
    return [t.id for t in WORK[:count]]


def test_one_actor_gets_what_fits():
    r = roster("a")
    r.add(WORK[:10])
    assert r.take("a", slots=4) == WORK[:4]
    assert r.take("a", slots=4) == []
    r.settle("a", [WORK[0].id])
    assert r.take("a", slots=4) == [WORK[4]]
    assert r.queued == 5


def test_scarce_work_is_shared_evenly_with_actors_that_have_not_asked_yet():
    r = roster("a", "b")
    r.add(WORK[:10])
    assert len(r.take("a", slots=32)) == 5
    assert len(r.take("b", slots=32)) == 5


def test_scarce_work_goes_to_actors_in_proportion_to_their_pace():
    r = roster("fast", "slow", "new")
    r.pace("fast", 30_000.0)
    r.pace("slow", 10_000.0)
    r.add(WORK[:12])
    assert len(r.take("slow", slots=32)) == 2
    assert len(r.take("fast", slots=32)) == 6
    assert len(r.take("new", slots=32)) == 4  # an average one, while nobody knows


def test_no_work_is_kept_back_for_an_actor_that_does_not_start():
    r = roster("here", "pending")
    r.pace("pending", 0.0)
    r.add(WORK[:10])
    assert len(r.take("here", slots=32)) == 10


def test_plenty_of_work_fills_slots_and_the_reserve():
    r = roster("a", "b")
    r.add(WORK)
    assert len(r.take("a", slots=4, reserve=2)) == 6


def test_an_actor_that_leaves_names_what_it_held():
    r = roster("a", "b")
    r.add(WORK[:6])
    held = r.take("a", slots=3)
    r.settle("a", [held[0].id])
    assert r.dismiss("a") == tuple(held[1:])
    assert r.dismiss("a") == ()
    assert len(r.take("b", slots=9)) == 3


def test_a_pack_goes_to_an_empty_hand_and_nothing_joins_it():
    r = roster("a", "b")
    r.add(WORK[:20])
    r.add(WORK[20:24], apart=True)
    assert r.take("a", slots=4) == WORK[20:24]
    assert r.take("a", slots=8) == []
    assert r.take("b", slots=4) == WORK[:4]
    r.settle("a", [t.id for t in WORK[20:23]])
    assert r.take("a", slots=8) == []
    r.settle("a", [WORK[23].id])
    assert r.take("a", slots=4) == WORK[4:8]


def test_a_pack_waits_for_a_hand_to_empty():
    r = roster("a")
    r.add(WORK[:3])
    assert r.take("a", slots=2) == WORK[:2]
    r.add(WORK[20:24], apart=True)
    assert r.take("a", slots=9) == []
    r.settle("a", ids(1))
    assert r.take("a", slots=9) == []
    r.settle("a", ids(2))
    assert r.take("a", slots=2) == WORK[20:24]


def test_a_pack_goes_to_whoever_is_free_first():
    r = roster("a", "b")
    r.add(WORK[:4])
    assert len(r.take("a", slots=2)) == len(r.take("b", slots=2)) == 2
    r.add(WORK[20:24], apart=True)
    assert r.take("a", slots=4) == []
    r.settle("b", [t.id for t in r.hand("b")])
    assert r.take("b", slots=4) == WORK[20:24]
    r.add(WORK[10:12])
    assert r.take("a", slots=3) != []


def test_one_pack_at_a_time():
    r = roster("a", "b")
    r.add(WORK[:2], apart=True)
    r.add(WORK[2:4], apart=True)
    assert r.take("a", slots=4) == WORK[:2]
    assert r.take("b", slots=4) == []
    assert r.dismiss("a") == tuple(WORK[:2])
    assert r.take("b", slots=4) == WORK[2:4]


def test_an_actor_lost_while_draining_frees_the_pack_for_another():
    r = roster("a", "b")
    r.add(WORK[:4])
    r.take("a", slots=2)
    r.take("b", slots=2)
    r.add(WORK[20:22], apart=True)
    assert r.take("a", slots=2) == []
    r.dismiss("a")
    assert r.take("b", slots=2) == []
    r.settle("b", [t.id for t in r.hand("b")])
    assert r.take("b", slots=2) == WORK[20:22]


@given(
    st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 4)
)
def test_everything_is_handed_out_once(actors, slots, packs):
    names = [f"actor-{i}" for i in range(actors)]
    r = roster(*names)
    r.add(WORK[: 40 - 5 * packs])
    for i in range(packs):
        r.add(WORK[40 - 5 * (i + 1) : 40 - 5 * i], apart=True)
    seen = []
    for turn in range(400):
        name = names[turn % actors]
        given = r.take(name, slots[turn % actors % len(slots)], reserve=turn % 3)
        seen += given
        r.settle(name, [t.id for t in r.hand(name)])
    assert sorted(t.seed for t in seen) == list(range(40))
    assert r.queued == 0


class Machine(RuleBasedStateMachine):
    """Actors come, ask, answer and vanish in any order; nothing is lost or doubled."""

    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.hired: list[str] = []
        self.count = 0
        self.added = 0
        self.settled: list[str] = []
        self.lost: list[str] = []
        self.apart: dict[str, int] = {}

    @rule()
    def hire(self) -> None:
        self.count += 1
        self.hired.append(f"actor-{self.count}")
        self.roster.hire(self.hired[-1])

    @rule(count=st.integers(1, 5), apart=st.booleans())
    def add(self, count: int, apart: bool) -> None:
        fresh = trials(self.added + count)[self.added :]
        for trial in fresh:
            if apart:
                self.apart[trial.id] = self.added
        self.added += count
        self.roster.add(fresh, apart)

    @precondition(lambda self: self.hired)
    @rule(who=st.integers(0, 9), slots=st.integers(1, 4), reserve=st.integers(0, 2))
    def take(self, who: int, slots: int, reserve: int) -> None:
        self.roster.take(self.hired[who % len(self.hired)], slots, reserve)

    @precondition(lambda self: self.hired)
    @rule(who=st.integers(0, 9), count=st.integers(1, 9))
    def settle(self, who: int, count: int) -> None:
        actor = self.hired[who % len(self.hired)]
        back = [t.id for t in self.roster.hand(actor)[:count]]
        self.settled += back
        self.roster.settle(actor, back)

    @precondition(lambda self: self.hired)
    @rule(who=st.integers(0, 9))
    def vanish(self, who: int) -> None:
        actor = self.hired.pop(who % len(self.hired))
        self.lost += [t.id for t in self.roster.dismiss(actor)]

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        held = [t.id for actor in self.hired for t in self.roster.hand(actor)]
        everything = held + self.settled + self.lost
        assert len(set(everything)) == len(everything)
        assert len(everything) + self.roster.queued == self.added

    @invariant()
    def packs_have_an_actor_to_themselves(self) -> None:
        busy = 0
        for actor in self.hired:
            packs = {self.apart.get(t.id) for t in self.roster.hand(actor)}
            assert len(packs) <= 1 or None not in packs
            busy += bool(packs - {None})
        assert busy <= 1


TestMachine = Machine.TestCase
pytestmark = pytest.mark.timeout(60)
