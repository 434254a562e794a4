"""Is a fast engine still the same experiment? The verdict on two arms of the same trials.

One arm was trained by a reference, the other by what is to be judged: another backend, another
precision, another device. Single trials are chaotic, so a trial may end elsewhere when a sum is
taken in another order; but over many seeds the *distribution* must not move. Four things are
asked of every genome:

    steps     the difference of mean min(T, H) is within ±25 steps or ±2 %, whichever is more
    ratio     where both arms grokked, the mean ratio of their steps is within 5 %
    success   the difference of success rates is within ±2 points
    log-rank  no difference of the curves is found (secondary: finding nothing proves nothing)

The first three are equivalence tests: their 90 % intervals must lie within the margins, which
is two one-sided tests at 5 % (Schuirmann 1987). Everything must be shown for every genome, and
an intersection of tests needs no correction (Berger 1982): where any one claim is false, the
chance of passing is at most 5 %. What is *found different* is corrected for the number of
genomes, so that equal engines are rarely accused: by a wider interval that lies beyond the
margins altogether, or by a log-rank test after Holm. Between the two lies *inconclusive*: more
seeds will tell. Beyond single genomes, both arms must rank them alike, as far as chance allows.

Axes: G genomes, n shared seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from speciation.analysis.equivalence import (
    Agreement,
    Floats,
    Interval,
    holm,
    mean_interval,
    ranking_agreement,
    seeds_needed,
    success_interval,
    successes_needed,
    tost,
)
from speciation.analysis.survival import LogRank, log_rank, rmst_difference, times

ALPHA = 0.05
POWER = 0.9  # of a repetition that is told how many seeds to take
# Steps come in multiples of the evaluation interval, so a few differences may be equal by
# chance, and their interval would have no width.
LEAST_PAIRS = 10

STEPS_MARGIN, STEPS_MARGIN_SHARE = 25.0, 0.02
RATIO_MARGIN = 0.05
SUCCESS_MARGIN = 0.02
RANKING_MARGIN = 0.1  # of Kendall's tau


class Answer(StrEnum):
    """What was shown."""

    SAME = "same"
    INCONCLUSIVE = "inconclusive"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Two arms of the same trials.

    Args:
        names: Of the genomes, ``(G,)``.
        reference: Steps to grok, infinite where a trial did not within the horizon;
            shape ``(G, n)``.
        tested: The same seeds of the same genomes, by what is judged.
        horizon: H, in steps.

    Raises:
        ValueError: The shapes do not fit together, there are fewer than two seeds, or a time
            is beyond the horizon.
    """

    names: tuple[str, ...]
    reference: Floats
    tested: Floats
    horizon: int

    def __post_init__(self) -> None:
        shapes = (self.reference.shape, self.tested.shape)
        if len({*shapes}) > 1 or len(shapes[0]) != 2 or shapes[0][0] != len(self.names):
            raise ValueError(
                f"expected two arms of shape ({len(self.names)}, n), got {shapes[0]} and "
                f"{shapes[1]}"
            )
        if self.reference.shape[1] < 2:
            raise ValueError("arms are compared over at least 2 shared seeds")
        for arm in (self.reference, self.tested):
            if ((arm > self.horizon) & (arm < math.inf)).any():
                raise ValueError(f"a trial grokked beyond the horizon of {self.horizon} steps")

    def of(self, name: str) -> Arms:
        """The same for one genome alone."""
        row = [self.names.index(name)]
        return Arms((name,), self.reference[row], self.tested[row], self.horizon)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is asked, and the answer.

    Args:
        estimate: Tested arm less reference: steps, logarithm of a ratio, share, or tau.
        low: Lower end of its 90 % interval; infinite where nothing is known.
        high: Upper end.
        margin: The largest difference that does not matter.
        answer: What the interval shows.
        pairs: Shared seeds that it rests on.
        needed: About how many would show it with 90 % probability, were there no difference.
        p: Of the two one-sided tests; None where only the interval is looked at.
    """

    estimate: float
    low: float
    high: float
    margin: float
    answer: Answer
    pairs: int
    needed: int | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of one genome: mean of min(T, H), median (None if it did not), successes."""

    rmst: float
    median: float | None
    successes: int


@dataclass(frozen=True, slots=True)
class GenomeVerdict:
    """All that is asked of one genome.

    Args:
        name: Of the genome.
        seeds: Shared by both arms.
        identical: Seeds on which both arms ended at the same step: all, for the same engine.
        reference: How it did there.
        tested: How it did here.
        steps: See the module.
        ratio: See the module; on the scale of logarithms.
        success: See the module.
        log_rank: Of the two curves.
        log_rank_p: Its p after Holm, over all log-rank tests of the verdict.
        answer: Same if everything is, different if anything is.
    """

    name: str
    seeds: int
    identical: int
    reference: Arm
    tested: Arm
    steps: Criterion
    ratio: Criterion
    success: Criterion
    log_rank: LogRank
    log_rank_p: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class Ranking:
    """Whether both arms rank genomes alike; see ``ranking_agreement``."""

    agreement: Agreement
    loss: Criterion


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on two arms.

    Args:
        genomes: Each of them.
        ranking: Of the genomes; None of a single one.
        log_rank: Stratified by genome: a drift that all share.
        log_rank_p: Its p after Holm, over all log-rank tests of the verdict.
        answer: Same if everything is, different if anything is.
    """

    genomes: tuple[GenomeVerdict, ...]
    ranking: Ranking | None
    log_rank: LogRank
    log_rank_p: float
    answer: Answer


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A control: an engine that is wrong on purpose, held against the reference.

    Args:
        name: Of the fault.
        fault: What is wrong, as a clause.
        arms: The reference and the wrong engine, on the genome where the fault shows.
        verdict: On that genome.
    """

    name: str
    fault: str
    arms: Arms
    verdict: GenomeVerdict

    @property
    def caught(self) -> bool:
        """Whether the comparison found it different; not knowing is not enough."""
        return self.verdict.answer == Answer.DIFFERENT


@dataclass(frozen=True, slots=True, eq=False)
class Fidelity:
    """A comparison, and the controls that say what it is worth.

    Args:
        reference: What trained the one arm, in words.
        tested: What trained the other.
        arms: Both.
        verdict: On them.
        controls: On the same reference.
    """

    reference: str
    tested: str
    arms: Arms
    verdict: Verdict
    controls: tuple[Planted, ...]

    @property
    def passed(self) -> bool:
        """Both arms are the same experiment, and every planted fault was caught."""
        caught = all(control.caught for control in self.controls)
        return caught and self.verdict.answer == Answer.SAME


def verdict(arms: Arms) -> Verdict:
    """What two arms of the same trials show."""
    strata = [
        (times(one, arms.horizon), times(other, arms.horizon))
        for one, other in zip(arms.reference, arms.tested, strict=True)
    ]
    tests = [*(log_rank([stratum]) for stratum in strata), log_rank(strata)]
    adjusted = holm([test.p for test in tests]).tolist()
    genomes = tuple(
        _genome(arms.of(name), len(strata), test, p)
        for name, test, p in zip(arms.names, tests[:-1], adjusted[:-1], strict=True)
    )
    ranking = _ranking(arms) if len(strata) > 1 else None
    answers = [
        *(genome.answer for genome in genomes),
        *([ranking.loss.answer] if ranking else []),
        _of_log_rank(adjusted[-1]),
    ]
    return Verdict(genomes, ranking, tests[-1], adjusted[-1], _all_of(answers))


# -- One genome -----------------------------------------------------------------------------


def _genome(arms: Arms, looks: int, test: LogRank, adjusted: float) -> GenomeVerdict:
    """The verdict on one genome, one of ``looks`` that are judged together."""
    first, second = arms.reference[0], arms.tested[0]
    steps = _steps(first, second, arms.horizon, looks)
    ratio = _ratio(first, second, looks)
    success = _success(first, second, looks)
    asked = (steps.answer, ratio.answer, success.answer, _of_log_rank(adjusted))
    return GenomeVerdict(
        name=arms.names[0],
        seeds=len(first),
        identical=int((first == second).sum()),
        reference=_arm(first, arms.horizon),
        tested=_arm(second, arms.horizon),
        steps=steps,
        ratio=ratio,
        success=success,
        log_rank=test,
        log_rank_p=adjusted,
        answer=_all_of(asked),
    )


def _arm(steps_to_grok: Floats, horizon: int) -> Arm:
    ordered = np.sort(steps_to_grok)
    median = float(ordered[(len(ordered) - 1) // 2])  # of the data: half of infinity is none
    return Arm(
        rmst=float(np.minimum(steps_to_grok, horizon).mean()),
        median=median if median < math.inf else None,
        successes=int(np.isfinite(steps_to_grok).sum()),
    )


def _steps(first: Floats, second: Floats, horizon: int, looks: int) -> Criterion:
    """The difference of mean min(T, H), by Student's interval and by bootstrap.

    Neither is trusted alone: Student's wants means that are normal, and the bootstrap's is too
    narrow for few seeds. So the interval reaches from the lower to the upper end of both.
    """
    margin = max(STEPS_MARGIN, STEPS_MARGIN_SHARE * float(np.minimum(first, horizon).mean()))
    gained = np.minimum(second, horizon) - np.minimum(first, horizon)

    def interval(confidence: float) -> Interval:
        low, high = mean_interval(gained, confidence)
        drawn = rmst_difference(first, second, horizon, confidence)
        return min(low, drawn.low), max(high, drawn.high)

    asked = _judge(float(gained.mean()), interval, margin, looks, len(gained))
    return replace(asked, needed=_needed(gained, margin), p=tost(gained, margin))


def _ratio(first: Floats, second: Floats, looks: int) -> Criterion:
    """The mean logarithm of the ratio of steps, over seeds on which both arms grokked.

    Those seeds are chosen by what happened to them, so this stands beside the comparison of
    all seeds, and never in its place.
    """
    both = np.isfinite(first) & np.isfinite(second)
    logs = np.log(second[both] / first[both])
    margin = math.log(1 + RATIO_MARGIN)
    mean = float(logs.mean()) if len(logs) else math.nan
    asked = _judge(mean, lambda c: mean_interval(logs, c), margin, looks, len(logs))
    return replace(asked, needed=_needed(logs, margin), p=tost(logs, margin))


def _success(first: Floats, second: Floats, looks: int) -> Criterion:
    """The difference of success rates, over all seeds."""
    one, other = np.isfinite(first), np.isfinite(second)
    gained = other.astype(np.float64) - one
    asked = _judge(
        float(gained.mean()),
        lambda confidence: success_interval(one, other, confidence),
        SUCCESS_MARGIN,
        looks,
        len(gained),
    )
    least = successes_needed(SUCCESS_MARGIN, 1 - 2 * ALPHA)
    return replace(asked, needed=max(_needed(gained, SUCCESS_MARGIN) or 0, least))


# -- Genomes together -------------------------------------------------------------------------


def _ranking(arms: Arms) -> Ranking:
    """Whether the arms agree on a ranking as well as an arm agrees with itself.

    Only a loss of agreement matters, so the interval is looked at on that side alone.
    """
    first, second = (np.minimum(arm, arms.horizon) for arm in (arms.reference, arms.tested))
    agreement = ranking_agreement(first, second, confidence=1 - 2 * ALPHA)
    # Where chance alone decides the order, there is none that could be kept.
    if agreement.ceiling < RANKING_MARGIN or agreement.low < RANKING_MARGIN < agreement.high:
        answer = Answer.INCONCLUSIVE
    else:
        answer = Answer.SAME if agreement.high <= RANKING_MARGIN else Answer.DIFFERENT
    loss = Criterion(
        estimate=agreement.loss,
        low=agreement.low,
        high=agreement.high,
        margin=RANKING_MARGIN,
        answer=answer,
        pairs=arms.reference.shape[1],
    )
    return Ranking(agreement, loss)


# -- Answers ----------------------------------------------------------------------------------


def _judge(
    estimate: float,
    interval: Callable[[float], Interval],
    margin: float,
    looks: int,
    pairs: int,
) -> Criterion:
    """What an interval shows; ``interval`` gives that of a confidence.

    One of ``looks`` genomes would be accused by chance; Bonferroni's wider interval forbids it.
    """
    low, high = interval(1 - 2 * ALPHA)
    wide_low, wide_high = interval(1 - ALPHA / looks)
    if pairs < LEAST_PAIRS:
        answer = Answer.INCONCLUSIVE
    elif -margin < low and high < margin:
        answer = Answer.SAME
    elif wide_high < -margin or margin < wide_low:
        answer = Answer.DIFFERENT
    else:
        answer = Answer.INCONCLUSIVE
    return Criterion(estimate, low, high, margin, answer, pairs)


def _needed(differences: Floats, margin: float) -> int | None:
    if len(differences) < 2:
        return None
    return seeds_needed(float(differences.std(ddof=1)), margin, ALPHA, POWER)


def _of_log_rank(adjusted: float) -> Answer:
    """Finding a difference accuses; finding none is no obstacle."""
    return Answer.DIFFERENT if adjusted < ALPHA else Answer.SAME


def _all_of(answers: Sequence[Answer]) -> Answer:
    """Same if all are, different if any is."""
    for answer in (Answer.DIFFERENT, Answer.INCONCLUSIVE):
        if answer in answers:
            return answer
    return Answer.SAME
