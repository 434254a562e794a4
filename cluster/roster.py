"""Which actor trains what: a queue in front of many hands.

Pure bookkeeping, shared by the executors. Every actor has a *hand*: the trials that were sent
to it and have not come back. While work is scarce, hands are filled in proportion to how fast
their actors train, and to the brim (with a few trials in reserve, so that slots freed between
two calls are used) while there is plenty.
A pack that must run apart waits for an empty hand, and its actor gets nothing else until it is
through.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter

from speciation.trial.trial import Trial

_ID = attrgetter("id")


class Roster:
    """See the module. Actors are told apart by name."""

    def __init__(self) -> None:
        self._queue: deque[Trial] = deque()
        self._packs: deque[tuple[Trial, ...]] = deque()
        self._hands: dict[str, dict[str, Trial]] = {}
        self._pace: dict[str, float] = {}  # of those that are known
        self._held = 0  # trials in all hands
        self._reserved: str | None = None  # drains, or trains a pack
        self._pack_is_out = False

    @property
    def queued(self) -> int:
        """Trials that no actor has yet."""
        return len(self._queue) + sum(map(len, self._packs))

    def add(self, trials: Sequence[Trial], apart: bool = False) -> None:
        """Take trials in, to be run among others or apart from them."""
        if apart:
            self._packs.append(tuple(trials))
        else:
            self._queue.extend(trials)

    def hire(self, actor: str) -> None:
        """An actor will come and ask; work is kept back for it."""
        self._hands.setdefault(actor, {})

    def dismiss(self, actor: str) -> tuple[Trial, ...]:
        """An actor is gone; the trials in its hand."""
        if self._reserved == actor:
            self._reserved, self._pack_is_out = None, False
        self._pace.pop(actor, None)
        hand = tuple(self._hands.pop(actor, {}).values())
        self._held -= len(hand)
        return hand

    def pace(self, actor: str, trial_steps_a_second: float | None) -> None:
        """How fast an actor trains; while this is None, it counts as an average one."""
        if trial_steps_a_second is None:
            self._pace.pop(actor, None)
        else:
            self._pace[actor] = trial_steps_a_second

    def busy(self, actor: str) -> bool:
        """Whether an actor has any trial."""
        return bool(self._hands[actor])

    def hand(self, actor: str) -> tuple[Trial, ...]:
        """The trials that an actor has."""
        return tuple(self._hands[actor].values())

    def settle(self, actor: str, trial_ids: Iterable[str]) -> None:
        """These trials came back from an actor."""
        hand = self._hands[actor]
        before = len(hand)
        for trial_id in trial_ids:
            hand.pop(trial_id, None)
        self._held -= before - len(hand)
        if not hand and self._reserved == actor and self._pack_is_out:
            self._reserved, self._pack_is_out = None, False

    def take(self, actor: str, slots: int, reserve: int = 0) -> list[Trial]:
        """What to send to an actor now, possibly nothing.

        Args:
            actor: Who asks.
            slots: How many trials it trains at once.
            reserve: How many more it may keep waiting, if there is plenty.
        """
        hand = self._hands[actor]
        if self._packs and not self._pack_is_out and (not hand or self._reserved is None):
            self._reserved = actor
            if not hand:
                self._pack_is_out = True
                return self._give(actor, self._packs.popleft())
        if self._reserved == actor:
            return []
        if not self._queue:
            return []
        room = min(slots + reserve, self._share(actor)) - len(hand)
        batch = [self._queue.popleft() for _ in range(min(max(room, 0), len(self._queue)))]
        return self._give(actor, batch)

    def _share(self, actor: str) -> int:
        """How many of all unfinished trials an actor should have."""
        known = [pace for pace in self._pace.values() if pace > 0]
        usual = sum(known) / len(known) if known else 1.0
        paces = [self._pace.get(name, usual) for name in self._hands]
        share = self._pace.get(actor, usual) / sum(paces) if sum(paces) else 1.0
        return max(math.ceil((len(self._queue) + self._held) * share - 1e-9), 1)

    def _give(self, actor: str, trials: Sequence[Trial]) -> list[Trial]:
        hand = self._hands[actor]
        before = len(hand)
        hand.update(zip(map(_ID, trials), trials, strict=True))
        self._held += len(hand) - before
        return list(trials)
