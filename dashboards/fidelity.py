"""The report of a fidelity comparison: one HTML file that opens anywhere, offline.

Two arms trained the same trials; are they one experiment? The page says so in its headline,
shows every difference within its margins, the curves of both arms upon each other, and whether
engines that are wrong on purpose were caught.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboards import words
from dashboards.figures import provenance
from dashboards.figures.forest import ANSWERS, differences, draw_differences
from dashboards.figures.grokked import REFERENCE, TESTED, Panel, draw_panels, panels
from dashboards.markup import Html, join, tag, text
from dashboards.page import keys, page, plot, top
from speciation.analysis.fidelity import (
    RANKING_MARGIN,
    RATIO_MARGIN,
    STEPS_MARGIN,
    STEPS_MARGIN_SHARE,
    SUCCESS_MARGIN,
    Answer,
    Criterion,
    Fidelity,
    GenomeVerdict,
    Planted,
    Ranking,
)
from speciation.tables.files import LocalFiles

HEADLINES = {
    Answer.SAME: "the same experiment as",
    Answer.INCONCLUSIVE: "not yet shown to be the same experiment as",
    Answer.DIFFERENT: "not the same experiment as",
}
LEAST_P = 0.001


def report(fidelity: Fidelity, document: Mapping[str, Any], output: Path) -> None:
    """Write the report; the file is there whole, or not at all.

    Args:
        fidelity: Arms and verdict.
        document: ``fidelity.json``: how they were trained.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The file cannot be written.
    """
    LocalFiles(output.absolute().parent).replace(output.name, _page(fidelity, document))


def _page(fidelity: Fidelity, document: Mapping[str, Any]) -> bytes:
    return page(
        f"{fidelity.tested} against {fidelity.reference}: fidelity",
        _header(fidelity, document),
        tag(
            "main",
            _differences(fidelity),
            _curves(fidelity),
            _controls(fidelity),
            _made(document),
        ),
        tag(
            "footer",
            "Differences are the tested arm less the reference. Intervals are 90 %, those of "
            "curves 95 %, pointwise.",
        ),
    )


def headline(fidelity: Fidelity) -> str:
    """The verdict in a sentence."""
    answer = HEADLINES[fidelity.verdict.answer]
    missed = sum(not control.caught for control in fidelity.controls)
    blind = f", and {words.counted(missed, 'planted fault')} went unseen" if missed else ""
    return f"{fidelity.tested} is {answer} {fidelity.reference}{blind}"


# -- Parts --------------------------------------------------------------------------------


def _header(fidelity: Fidelity, document: Mapping[str, Any]) -> Html:
    genomes, controls = fidelity.verdict.genomes, fidelity.controls
    worst = max(genomes, key=lambda genome: abs(genome.steps.estimate))
    shown = sum(genome.answer == Answer.SAME for genome in genomes)
    caught = sum(control.caught for control in controls)
    glance = {
        "genomes": (f"{shown} of {len(genomes)}", "shown to be the same in both arms"),
        "seeds": (f"{document['seeds']:,}", "shared by all arms, never used in evolution"),
        "largest difference": (
            f"{words.signed(worst.steps.estimate, 1)} steps",
            f"{worst.name}; {_interval(worst.steps)}",
        ),
        "planted faults": (f"{caught} of {len(controls)}", "caught by the same comparison"),
    }
    return top(
        join("Fidelity of ", tag("b", fidelity.tested)),
        headline(fidelity),
        glance,
        "Single trials are chaotic: with sums in another order, a trial groks at another step. "
        "What must not move is the distribution over seeds.",
    )


def _differences(fidelity: Fidelity) -> Html:
    """Is every difference within its margins?"""
    verdict = fidelity.verdict
    return tag(
        "section",
        tag("h2", "Differences and their margins"),
        keys({answer.value: colour for answer, colour in ANSWERS.items()}),
        plot(
            draw_differences(differences(verdict)),
            "differences",
            "Differences of mean steps, of the ratio of steps and of success, by genome.",
            "A dot is a difference, tested arm less reference, and a bar its 90 % interval. "
            f"The grey field is the margin: ±{STEPS_MARGIN:.0f} steps or "
            f"±{100 * STEPS_MARGIN_SHARE:.0f} % of the mean of min(T, H), whichever is more; "
            f"±{100 * RATIO_MARGIN:.0f} % of the steps where both arms grokked; "
            f"±{100 * SUCCESS_MARGIN:.0f} points of the success rate. Same is said only where "
            "a whole bar is within its field; different, where a wider interval, corrected "
            "for the number of genomes, is outside of it. What lies between needs more seeds.",
        ),
        tag("div", _table(verdict.genomes), class_="scroll"),
        tag(
            "p",
            "A log-rank test compares whole curves; its p is corrected for the number of tests "
            f"(Holm). Over all genomes together, p is {_p(verdict.log_rank_p)}. It stands "
            "beside the margins: finding no difference proves none.",
        ),
        _ranking(verdict.ranking) if verdict.ranking else None,
    )


def _table(genomes: tuple[GenomeVerdict, ...]) -> Html:
    names = ("genome", "mean steps", "Δ steps", "ratio", "grokked", "log-rank p", "answer")
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    return tag("table", tag("thead", head), tag("tbody", *map(_row, genomes)), class_="hall")


def _row(genome: GenomeVerdict) -> Html:
    """Figures of both arms stand one above the other, the reference first."""
    cells = (
        _two(words.number(genome.reference.rmst), words.number(genome.tested.rmst)),
        _with(words.signed(genome.steps.estimate, 1), _interval(genome.steps)),
        _with(_ratio(genome.ratio), f"the same step on {genome.identical:,} seeds"),
        _two(
            f"{genome.reference.successes:,} of {genome.seeds:,}",
            f"{genome.tested.successes:,} of {genome.seeds:,}",
        ),
        _p(genome.log_rank_p),
        _answer(genome),
    )
    name = tag("th", genome.name, scope="row")
    return tag("tr", name, *(tag("td", cell) for cell in cells))


def _answer(genome: GenomeVerdict) -> Html:
    """With the number of seeds that would tell, where these did not."""
    if genome.answer != Answer.INCONCLUSIVE:
        return text(genome.answer.value)
    asked = (genome.steps, genome.ratio, genome.success)
    needed = max(
        (c.needed for c in asked if c.needed and c.answer == Answer.INCONCLUSIVE), default=None
    )
    return _with(genome.answer.value, f"about {needed:,} seeds would tell" if needed else "")


def _ranking(ranking: Ranking) -> Html:
    found, loss = ranking.agreement, ranking.loss
    cost, low, high = (f"{round(x, 3) + 0.0:.3f}" for x in (loss.estimate, loss.low, loss.high))
    return tag(
        "p",
        f"Do both arms rank the genomes alike? Kendall's tau between them is {found.tau:.3f}. "
        f"By halves of the seeds it is {found.across:.3f} across the arms, and "
        f"{found.ceiling:.3f} within an arm, which is as much as chance allows. So the other "
        f"arm costs {cost} (90 % {low} to {high}), and may cost {RANKING_MARGIN}: "
        f"{loss.answer.value}.",
    )


def _curves(fidelity: Fidelity) -> Html:
    return tag(
        "section",
        tag("h2", "Curves of both arms"),
        keys({fidelity.reference: REFERENCE, fidelity.tested: TESTED}),
        plot(
            draw_panels(panels(fidelity.arms)),
            "curves",
            "Share of trials that had grokked by each step, both arms, a panel a genome.",
            "The share of seeds that had grokked (Kaplan and Meier), with 95 % intervals for "
            "each step alone. The tested arm is drawn thin upon the reference.",
        ),
    )


def _controls(fidelity: Fidelity) -> Html | None:
    if not fidelity.controls:
        return None
    every = [panel for control in fidelity.controls for panel in _panel(control)]
    return tag(
        "section",
        tag("h2", "Planted faults"),
        tag(
            "p",
            "A comparison that never finds anything proves nothing. So engines that are wrong "
            "on purpose were held against the same reference, and must be found different.",
        ),
        tag("table", tag("tbody", *map(_control, fidelity.controls))),
        keys({fidelity.reference: REFERENCE, "with the fault": TESTED}),
        plot(
            draw_panels(every),
            "controls",
            "Share of trials that had grokked by each step, reference and faulty engine.",
            "As above, with the faulty engine in the place of the tested arm.",
        ),
    )


def _panel(control: Planted) -> list[Panel]:
    return panels(control.arms, (f"{control.name}, {control.verdict.name}",))


def _control(control: Planted) -> Html:
    found = control.verdict
    return tag(
        "tr",
        tag("th", control.name, scope="row"),
        tag("td", _with(control.fault, f"on {found.name}")),
        tag("td", _with(f"{words.signed(found.steps.estimate)} steps", _interval(found.steps))),
        tag("td", f"log-rank p {_p(found.log_rank_p)}"),
        tag("td", "caught" if control.caught else "not caught"),
    )


def _made(document: Mapping[str, Any]) -> Html:
    """What is needed to do it again."""
    versions = document["versions"]
    facts = {
        "task": words.task(document["task"]),
        "model": words.model(document["model"]),
        "horizon": words.counted(document["horizon"], "step"),
        "seeds": f"{document['seeds']:,}, from the start of pool B",
        "device": document["device"],
        "slots": f"{document['slots']:,}, each refilled as its trial ends",
        "commit": document["commit"],
        "sources": f"{document['sources']} (hash of the code that trains)",
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    return tag("section", tag("h2", "How it was made"), provenance.draw_facts(facts))


# -- Words --------------------------------------------------------------------------------


def _two(first: str, second: str) -> Html:
    return join(first, tag("br"), second)


def _with(main: str, small: str) -> Html:
    return join(main, tag("small", small) if small else None)


def _interval(asked: Criterion) -> str:
    return f"90 % {words.signed(asked.low, 1)} to {words.signed(asked.high, 1)}"


def _ratio(asked: Criterion) -> str:
    return f"{math.exp(asked.estimate):.3f}" if asked.pairs else words.NOTHING


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= LEAST_P else f"below {LEAST_P}"
