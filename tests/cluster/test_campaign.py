"""Every failure a cluster can suffer, as values: no process dies in this file."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.campaign import (
    MAX_BARREN_ROUNDS,
    Abandon,
    ActorLost,
    Answered,
    Append,
    Campaign,
    CapacityChanged,
    Cause,
    Close,
    Command,
    Event,
    Fail,
    Finished,
    Pack,
    Stopped,
    Submit,
    Suspect,
)
from cluster.results import Results
from speciation.trial.trial import Trial, failed
from tests.cluster.synthetic import result, trials

a, b, c, d, e = trials(5)


def finished(*trials: Trial) -> Finished:
    return Finished(Results.of(result(t) for t in trials))


def appended(*trials: Trial) -> Append:
    return Append(Results.of(result(t) for t in trials))


def lost(*trials: Trial) -> ActorLost:
    return ActorLost("gpu-0", trials, "out of memory")


def moves(campaign: Campaign, event: Event) -> list[Command]:
    """What comes of an event, but for suspicions, which have tests of their own."""
    return [c for c in campaign.handle(event) if not isinstance(c, Suspect)]


def same(commands: list[Command], expected: list[Command]) -> bool:
    """Results are tables, so commands are compared by what they are about."""
    return [_about(x) for x in commands] == [_about(x) for x in expected]


def _about(command: Command) -> object:
    if isinstance(command, Append):
        return "append", tuple(command.results.ids), command.results.failed
    return command


# -- Nothing goes wrong -------------------------------------------------------------------


def test_work_is_submitted_stored_and_closed():
    campaign = Campaign([a, b], max_in_flight=10)
    assert campaign.start() == [Submit((a, b))]
    assert same(campaign.handle(finished(b)), [appended(b)])
    assert campaign.done == 1
    assert same(campaign.handle(finished(a)), [appended(a), Close()])
    assert (campaign.done, campaign.total, campaign.in_flight) == (2, 2, 0)


def test_nothing_to_do_closes_at_once_and_once():
    campaign = Campaign([], max_in_flight=10)
    assert campaign.start() == [Close()]
    assert campaign.handle(Finished(Results.of([]))) == []


def test_a_trial_given_twice_is_run_once():
    assert Campaign([a, a], max_in_flight=9).start() == [Submit((a,))]


def test_what_somebody_else_has_answered_is_waited_for_no_more():
    campaign = Campaign([a, b, c, d], max_in_flight=2)
    campaign.start()
    assert campaign.waiting == (c, d)
    assert campaign.handle(Answered(frozenset({a.id, c.id}))) == [Submit((d,))]
    assert (campaign.unfinished, campaign.waiting) == ((b, d), ())
    assert campaign.handle(finished(a)) == []  # it was under way, and is no news
    assert campaign.handle(Answered(frozenset({b.id, d.id}))) == [Close()]


def test_suspects_that_somebody_else_has_answered_are_not_tried_again():
    campaign = Campaign([a, b], max_in_flight=2)
    campaign.start()
    campaign.handle(ActorLost("gpu-0", (a, b), "it died"))
    assert campaign.suspects == 2
    assert campaign.handle(Answered(frozenset({a.id}))) == [Submit((b,), apart=True)]


def test_back_pressure_holds_work_back():
    campaign = Campaign([a, b, c, d], max_in_flight=2)
    assert campaign.start() == [Submit((a, b))]
    assert same(campaign.handle(finished(a)), [appended(a), Submit((c,))])
    assert campaign.in_flight == 2


def test_more_actors_get_more_work():
    campaign = Campaign([a, b, c, d], max_in_flight=1)
    assert campaign.start() == [Submit((a,))]
    assert campaign.handle(CapacityChanged(3)) == [Submit((b, c))]


def test_fewer_actors_get_no_more_until_the_rest_is_done():
    campaign = Campaign([a, b, c], max_in_flight=2)
    campaign.start()
    assert campaign.handle(CapacityChanged(0)) == []
    assert same(campaign.handle(finished(a)), [appended(a)])
    assert same(campaign.handle(finished(b)), [appended(b), Submit((c,))])


# -- Late, twice, unknown -----------------------------------------------------------------


def test_a_repeated_result_is_dropped():
    campaign = Campaign([a, b], max_in_flight=9)
    campaign.start()
    campaign.handle(finished(a))
    assert campaign.handle(finished(a)) == []
    assert same(campaign.handle(finished(b, b, a)), [appended(b), Close()])


def test_a_result_of_another_campaign_is_dropped():
    campaign = Campaign([a], max_in_flight=9)
    campaign.start()
    assert campaign.handle(finished(e)) == []


def test_a_lost_trial_whose_result_comes_late_is_not_run_again():
    campaign = Campaign([a, b, c], max_in_flight=9)
    campaign.start()
    assert moves(campaign, lost(a, b, c)) == [Submit((a, b), apart=True)]
    assert same(campaign.handle(finished(c)), [appended(c)])
    assert same(campaign.handle(finished(a, b)), [appended(a, b), Close()])


def test_a_late_result_pardons_a_trial_that_was_given_up():
    campaign = Campaign([a, b], max_in_flight=9, max_strikes=1)
    campaign.start()
    assert moves(campaign, lost(a)) == [Fail((a,), "poison: out of memory")]
    assert campaign.failed == 1
    assert same(campaign.handle(finished(a)), [appended(a)])
    assert (campaign.failed, campaign.done) == (0, 1)
    assert campaign.handle(finished(a)) == []


# -- Empty slots are lent -----------------------------------------------------------------


def test_empty_slots_are_lent_to_spare_trials_and_nobody_waits_for_them():
    campaign = Campaign([a, b], max_in_flight=3, spare=[c, d])
    assert campaign.start() == [Submit((a, b, c))]
    assert same(campaign.handle(finished(a, b)), [appended(a, b), Close()])
    assert campaign.under_way == (c,)


def test_a_spare_trial_that_comes_twice_is_stored_once():
    campaign = Campaign([a, b], max_in_flight=9, spare=[c, d])
    campaign.start()
    assert same(campaign.handle(finished(c)), [appended(c)])
    assert campaign.handle(finished(c)) == []
    assert same(campaign.handle(finished(c, a)), [appended(a)])


def test_a_spare_trial_that_is_lost_is_forgotten():
    campaign = Campaign([a, b], max_in_flight=9, spare=[c])
    campaign.start()
    assert moves(campaign, lost(c)) == []
    assert campaign.under_way == ()
    assert same(campaign.handle(finished(a, b)), [appended(a, b), Close()])


def test_spare_trials_that_are_wanted_by_now_are_not_begun_again():
    campaign = Campaign([a, b, c], max_in_flight=9, under_way=[c, d])
    assert campaign.start() == [Submit((a, b))]
    assert same(campaign.handle(finished(c, d)), [appended(c, d)])


# -- Actors die ---------------------------------------------------------------------------


def test_an_actor_that_held_nothing_costs_nothing():
    campaign = Campaign([a], max_in_flight=9)
    campaign.start()
    assert moves(campaign, lost()) == []
    assert same(campaign.handle(finished(a)), [appended(a), Close()])


def test_what_had_finished_is_not_blamed():
    campaign = Campaign([a, b, c], max_in_flight=9)
    campaign.start()
    campaign.handle(finished(a))
    assert moves(campaign, lost(a, b, c)) == [Submit((b,), apart=True)]
    assert campaign.suspects == 2


def test_what_was_elsewhere_is_not_blamed():
    campaign = Campaign([a, b, c, d], max_in_flight=9)
    campaign.start()
    moves(campaign, lost(a, b))
    assert campaign.suspects == 2
    assert campaign.in_flight == 3  # a apart; c and d go on


def test_suspects_run_in_halves_one_pack_at_a_time():
    campaign = Campaign([a, b, c, d, e], max_in_flight=9)
    campaign.start()
    assert moves(campaign, lost(a, b, c, d)) == [Submit((a, b), apart=True)]
    assert same(campaign.handle(finished(a)), [appended(a)])
    assert same(campaign.handle(finished(b)), [appended(b), Submit((c, d), apart=True)])
    assert moves(campaign, lost(c, d)) == [Submit((c,), apart=True)]
    assert same(campaign.handle(finished(c)), [appended(c), Submit((d,), apart=True)])
    assert same(campaign.handle(finished(d, e)), [appended(d, e), Close()])


def test_poison_is_given_up_after_killing_alone_three_times():
    campaign = Campaign([a, b], max_in_flight=9)
    campaign.start()
    assert moves(campaign, lost(a, b)) == [Submit((a,), apart=True)]
    assert moves(campaign, lost(a)) == [Submit((a,), apart=True)]
    assert moves(campaign, lost(a)) == [Submit((a,), apart=True)]
    assert moves(campaign, lost(a)) == [
        Fail((a,), "poison: out of memory"),
        Submit((b,), apart=True),
    ]
    assert same(campaign.handle(finished(b)), [appended(b), Close()])
    assert (campaign.done, campaign.failed) == (2, 1)


def test_an_actor_lost_twice_in_one_breath_counts_once():
    campaign = Campaign([a], max_in_flight=9, max_strikes=2)
    campaign.start()
    assert moves(campaign, lost(a)) == [Submit((a,), apart=True)]
    assert moves(campaign, lost(a)) == [Fail((a,), "poison: out of memory"), Close()]
    assert moves(campaign, lost(a)) == []


def test_fresh_work_goes_on_beside_suspects():
    campaign = Campaign([a, b, c, d], max_in_flight=2)
    campaign.start()
    assert moves(campaign, lost(a, b)) == [Submit((a,), apart=True), Submit((c, d))]


def test_actors_that_die_of_everything_end_the_campaign_and_blame_nobody():
    campaign = Campaign(trials(4096), max_in_flight=4096)
    commands, losses = campaign.start(), 0
    while isinstance(command := commands[0], Submit):
        losses += 1
        commands = moves(campaign, lost(*command.trials))
        commands = [x for x in commands if not isinstance(x, Fail)]
    assert commands == [Abandon("out of memory")]
    assert losses == MAX_BARREN_ROUNDS
    assert campaign.failed <= 4


# -- Results that say failed --------------------------------------------------------------


def test_a_failed_result_is_tried_again_and_then_believed():
    campaign = Campaign([a], max_in_flight=9)
    campaign.start()
    said = Finished(Results.of([failed(a, "ECC error")]))
    assert campaign.handle(said) == [Submit((a,))]
    assert campaign.handle(said) == [Submit((a,))]
    assert same(campaign.handle(said), [Append(said.results), Close()])
    assert campaign.failed == 1
    assert campaign.handle(said) == []


def test_a_cluster_that_is_lost_at_once_is_one_round_however_large():
    work = trials(640)
    campaign = Campaign(work, max_in_flight=640)
    campaign.start()
    for actor in range(64):
        held = tuple(work[10 * actor : 10 * actor + 10])
        commands = campaign.handle(ActorLost(f"gpu-{actor}", held, "the switch is gone"))
        assert not any(isinstance(c, Abandon) for c in commands)
    assert campaign.suspects == 640


# -- Suspicions outlive the driver --------------------------------------------------------


def test_a_suspicion_is_told_before_its_suspects_run_again():
    campaign = Campaign([a, b, c], max_in_flight=9)
    campaign.start()
    first, second = Pack((a, b), 0, 1, "out of memory"), Pack((c,), 0, 1, "out of memory")
    assert campaign.handle(lost(a, b, c)) == [
        Suspect((first, second)),
        Submit((a, b), apart=True),
    ]


def test_every_strike_is_told_before_the_next_attempt():
    campaign = Campaign([a, b], max_in_flight=1)
    campaign.start()
    for strikes in (1, 2):
        commands = campaign.handle(lost(a))
        assert commands[0] == Suspect((Pack((a,), strikes, strikes, "out of memory"),))
        assert Submit((a,), apart=True) in commands
    assert campaign.handle(lost(a))[:2] == [
        Suspect((Pack((a,), 3, 3, "out of memory"),)),
        Fail((a,), "poison: out of memory"),
    ]


def test_a_campaign_goes_on_where_another_suspected():
    earlier = [Pack((b, c), 0, 1, "boom"), Pack((d,), 2, 4, "boom")]
    campaign = Campaign([a, b, c, d], max_in_flight=9, suspicions=earlier)
    assert campaign.start() == [Submit((b, c), apart=True), Submit((a,))]
    assert same(
        campaign.handle(finished(a, b, c)), [appended(a, b, c), Submit((d,), apart=True)]
    )
    commands = campaign.handle(lost(d))
    assert commands[0] == Suspect((Pack((d,), 3, 5, "out of memory"),))
    assert commands[1:] == [Fail((d,), "poison: out of memory"), Close()]


def test_what_was_condemned_before_is_not_tried_again():
    condemned = [Pack((a,), 3, 12, "boom")]
    campaign = Campaign([a], max_in_flight=9, suspicions=condemned)
    assert campaign.start() == [Fail((a,), "poison: boom"), Close()]


# -- Nobody is to blame -------------------------------------------------------------------


def left(*trials: Trial) -> ActorLost:
    return ActorLost("gpu-0", trials, "the node is gone", Cause.LEFT, innocent=True)


def test_a_machine_that_leaves_puts_nobody_under_suspicion():
    campaign = Campaign([a, b, c], max_in_flight=3)
    campaign.start()
    assert campaign.handle(left(a, b)) == [Submit((a, b))]
    assert campaign.suspects == 0


def test_suspects_on_a_machine_that_leaves_are_tried_again_as_they_were():
    campaign = Campaign([a, b, c, d], max_in_flight=9)
    campaign.start()
    campaign.handle(lost(a, b, c, d))
    assert campaign.handle(left(a, b)) == [Submit((a, b), apart=True)]
    assert campaign.handle(lost(a, b))[0] == Suspect(
        (Pack((a,), 0, 2, "out of memory"), Pack((b,), 0, 2, "out of memory"))
    )


def test_losses_with_a_result_between_them_never_end_a_campaign():
    work = trials(3 * MAX_BARREN_ROUNDS)
    campaign = Campaign(work, max_in_flight=2)
    campaign.start()
    for one, other in itertools.pairwise(work):
        assert not any(isinstance(x, Abandon) for x in campaign.handle(left(one, other)))
        campaign.handle(finished(one))


def test_machines_that_leave_for_ever_are_abandoned_in_the_end():
    campaign = Campaign([a], max_in_flight=9)
    campaign.start()
    said = [campaign.handle(left(a)) for _ in range(MAX_BARREN_ROUNDS)]
    assert said[-1] == [Abandon("the node is gone")]
    assert all(commands == [Submit((a,))] for commands in said[:-1])


@given(
    st.integers(2, 300),
    st.lists(st.integers(0, 299), min_size=1, max_size=3, unique=True),
    st.integers(0),
)
def test_drivers_may_die_between_strikes_and_poison_is_still_contained(slots, bad, seed):
    """However often the driver dies, no trial costs more than log2(slots) + 3 actors."""
    rng = random.Random(seed)
    pack = trials(slots)
    poison = {pack[i % slots].id for i in bad}
    stored: dict[str, Pack] = {}
    ended: set[str] = set()
    killed: Counter[str] = Counter()

    def resumed() -> tuple[Campaign, list[Command]]:
        packs = {id(p): p for key, p in stored.items() if key not in ended}
        own = [
            replace(p, trials=tuple(t for t in p.trials if t.id not in ended))
            for p in packs.values()
        ]
        campaign = Campaign(
            [t for t in pack if t.id not in ended], max_in_flight=slots, suspicions=own
        )
        return campaign, campaign.start()

    campaign, waiting = resumed()
    while waiting:
        command = waiting.pop(0)
        if isinstance(command, Suspect):
            stored |= {t.id: p for p in command.packs for t in p.trials}
            if rng.random() < 0.3:
                campaign, waiting = resumed()
        elif isinstance(command, Submit):
            guilty = poison & {t.id for t in command.trials}
            killed.update(guilty)
            waiting += campaign.handle((lost if guilty else finished)(*command.trials))
        elif isinstance(command, Append):
            ended |= set(command.results.ids)
        elif isinstance(command, Fail):
            assert {t.id for t in command.trials} <= poison
            ended |= {t.id for t in command.trials}
    assert ended == {t.id for t in pack}
    assert set(killed) == poison
    assert max(killed.values()) <= math.ceil(math.log2(slots)) + 3


# -- Stopping -----------------------------------------------------------------------------


def test_after_a_stop_results_are_taken_in_and_nothing_is_submitted():
    campaign = Campaign([a, b, c], max_in_flight=2)
    campaign.start()
    assert campaign.handle(Stopped()) == []
    assert same(campaign.handle(finished(a)), [appended(a)])
    assert moves(campaign, lost(b)) == []


def test_a_stop_after_the_last_result_still_closes():
    campaign = Campaign([a], max_in_flight=2)
    campaign.start()
    campaign.handle(Stopped())
    assert same(campaign.handle(finished(a)), [appended(a), Close()])


# -- Laws ---------------------------------------------------------------------------------

SOME = trials(24)


class Chaos:
    """Actors that hold what they are given, and die of poison or for no reason."""

    def __init__(self, campaign: Campaign, poison: set[str], rng: random.Random) -> None:
        self.campaign, self.poison, self.rng = campaign, poison, rng
        self.hands: list[list[Trial]] = [[], [], []]
        self.runs: dict[str, int] = {}
        self.stored: list[str] = []
        self.given_up: set[str] = set()
        self.suspected: tuple[Pack, ...] = ()
        self.closed = 0

    def execute(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Submit) and command.apart:
                self.hands.append(list(command.trials))
            elif isinstance(command, Submit):
                for t in command.trials:
                    self.hands[self.rng.randrange(3)].append(t)
            elif isinstance(command, Append):
                self.stored += command.results.ids
            elif isinstance(command, Fail):
                self.given_up |= {t.id for t in command.trials}
            elif isinstance(command, Suspect):
                self.suspected += command.packs
            else:
                self.closed += 1

    def happen(self) -> Event:
        hand = self.rng.choice([h for h in self.hands if h])
        held, hand[:] = tuple(hand), []
        for t in held:
            self.runs[t.id] = self.runs.get(t.id, 0) + 1
        if any(t.id in self.poison for t in held) or self.rng.random() < 0.2:
            return ActorLost("x", held, "boom")
        return finished(*held, *held[:1])


@given(st.sets(st.integers(0, 23), max_size=2), st.integers(1, 30), st.integers(0))
def test_whatever_happens_every_trial_ends_once(poisoned, max_in_flight, seed):
    campaign = Campaign(
        SOME, max_in_flight=max_in_flight, max_strikes=10**9, max_barren_rounds=10**9
    )
    poison = {SOME[i].id for i in poisoned}
    chaos = Chaos(campaign, set(), random.Random(seed))
    chaos.execute(campaign.start())
    while not chaos.closed:
        # The poison works for a while only, so that the campaign must end.
        chaos.poison = poison if sum(chaos.runs.values()) < 300 else set()
        chaos.execute(campaign.handle(chaos.happen()))
        assert campaign.in_flight == sum(map(len, chaos.hands))
    assert sorted(chaos.stored) == sorted(t.id for t in SOME)
    assert chaos.closed == 1


@pytest.mark.parametrize("slots", [1, 2, 7, 64, 2048])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_poison_is_found_in_logarithmic_time_and_no_innocent_suffers(slots, place):
    pack = trials(slots)
    bad = pack[{"first": 0, "middle": slots // 2, "last": slots - 1}[place]]
    campaign = Campaign(pack, max_in_flight=slots)
    waiting = campaign.start()
    deaths, given_up = 0, []
    while waiting:
        command = waiting.pop()
        if isinstance(command, Submit):
            killed = bad in command.trials
            deaths += killed
            event = lost(*command.trials) if killed else finished(*command.trials)
            waiting += campaign.handle(event)
        elif isinstance(command, Fail):
            given_up += command.trials
    assert given_up == [bad]
    assert deaths <= math.ceil(math.log2(slots)) + 3
    assert campaign.done == slots
