"""The page of a validation: figures of many genomes, each as numbers first and then drawn.

One HTML file that opens anywhere, offline, and a CSV for every figure beside it. Arms, groups
and layers are shown and hidden in the page, and what was chosen is what is saved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from plotly.io.json import to_json_plotly
from pyarrow.csv import WriteOptions, write_csv

from dashboards import controls, words
from dashboards.chart import Chart
from dashboards.figures import (
    arms,
    class_bars,
    components,
    importance,
    memorise_grok,
    phase,
    provenance,
    rmst_forest,
    shrinkage,
    speed,
    steps,
    success,
    survival,
)
from dashboards.importance import genes_of
from dashboards.markup import Html, join, tag
from dashboards.page import page, top
from speciation.analysis.comparison import Comparison
from speciation.analysis.estimates import Estimate, Summary
from speciation.analysis.phases import phases
from speciation.analysis.ranking import chance
from speciation.analysis.validation import Validation
from speciation.tables.files import LocalFiles
from speciation.tables.store import Store

SHOWN = 8  # arms that are on when the page opens, fastest first
FEW = 3  # arms whose bars and bands can lie upon each other
CROWDED = ("steps/bars", "phase/train bands", "phase/train lines")
"""Layers that are off when the page opens with more arms than that."""
MIDDLE = tuple(f"parallel/{name}" for name in importance.FIFTHS[1:-1])
"""Layers that are off when the page opens."""
POINTS = 12_000  # of all phase curves together
MOST_ROWS = 300


class Drawn(NamedTuple):
    """A validation as figures.

    Args:
        ranked: What each arm shows, fastest first.
        colour: Arm → its colour.
        charts: The figures, in the order of the page.
        unsaid: Why nothing is said of genes, in a sentence, if so.
    """

    ranked: list[Summary]
    colour: Mapping[str, str]
    charts: list[Chart]
    unsaid: str = ""


class Hidden(NamedTuple):
    """What is not shown when a page opens; the page's own choice where it is None."""

    arms: list[str] | None = None
    groups: list[str] | None = None
    layers: list[str] | None = None


AS_USUAL = Hidden()


def drawn(found: Validation, store: Store, kind: str) -> Drawn:
    """Every figure of a validation.

    Args:
        found: What was found.
        store: Where curves and genomes are.
        kind: Of the genomes, for the importance of genes.

    Raises:
        StoreError: The store cannot be read.
    """
    ranked = sorted(found.summaries, key=lambda own: (own.rmst.value, own.name))
    colour = arms.colours([own.name for own in ranked])
    genes = genes_of(store, found, kind)
    charts = [*charts_of(found, store, colour), *genes.charts]
    return Drawn(ranked, colour, charts, genes.unsaid)


def report(
    found: Validation, store: Store, told: Mapping[str, Any], kind: str, folder: Path
) -> list[Path]:
    """Write the page and the tables; each file is there whole, or not at all.

    Args:
        found: What was found.
        store: Where curves and genomes are.
        told: Task, model, precision, seeds and plan, as ``validation.json`` has them.
        kind: Of the genomes, for the importance of genes.
        folder: Where the files go; there already.

    Returns:
        The files, the page first.

    Raises:
        StoreError: The store cannot be read, or a file cannot be written.
    """
    figures = drawn(found, store, kind)
    files = LocalFiles(folder.absolute())
    files.replace("validation.html", whole(found, figures, told))
    tables = {own.name: own.numbers for own in figures.charts}
    tables = {"arms": found.table(), "pairs": found.pairs()} | tables
    for name, table in tables.items():
        files.replace(f"{name}.csv", _csv(table))
    return [folder / "validation.html", *(folder / f"{name}.csv" for name in tables)]


# -- Figures ----------------------------------------------------------------------------------


def charts_of(found: Validation, store: Store, colour: Mapping[str, str]) -> Iterator[Chart]:
    """Every figure of the trials, fastest arm first."""
    place = {name: rank for rank, name in enumerate(colour)}
    own = sorted(found.arms, key=lambda arm: place[arm.name])
    summaries = {one.name: one for one in found.summaries}
    ranked = [summaries[arm.name] for arm in own]
    table = survival.survival_table(own)
    yield Chart(
        "grokked-by-step",
        "How many have grokked by when",
        table,
        survival.draw_survival(table, found.horizon, colour),
        "Share of trials that had grokked by each step, a curve an arm.",
        "Kaplan and Meier's estimate with 95 % log-log bands, which hold at each step alone. "
        "Trials that never grokked stay at risk to the end. Where nobody or everybody has "
        "grokked no band is defined. In groups, bands are widened for trials that share a "
        "seed.",
    )
    if found.comparison is not None:
        table = rmst_forest.forest_table(found.comparison.differences)
        yield Chart(
            "differences",
            "How much later than the reference",
            table,
            rmst_forest.draw_forest(table, colour),
            "Differences of mean steps from the reference arm, with 95 % intervals.",
            "Differences of the mean of min(T, H) over shared seeds, with 95 % intervals by "
            "paired bootstrap, which know only of failures that were seen. Filled squares are "
            "told apart from the reference by the log-rank test after Holm's correction for "
            "all pairs. It compares whole curves, so where they cross it may not tell apart "
            "what has different means.",
        )
    yield Chart(
        "speed",
        "How fast they converge",
        speed.speed_table(own),
        speed.draw_speed(own, colour),
        "Steps of all trials as boxes, violins and points, a row an arm.",
        "Boxes reach from the first to the third quartile, whiskers from the 5th to the 95th "
        "percentile; the dashed line is the mean. A trial that did not grok stands hollow at "
        f"the horizon. Of many trials, {speed.MOST_POINTS} are drawn as points.",
    )
    table = success.success_table(ranked)
    yield Chart(
        "success",
        "How sure they are",
        table,
        success.draw_success(table, colour),
        "Success rate of each arm with Wilson's interval.",
        "Share of seeds on which a trial grokked within the horizon, with Wilson's 95 % "
        "interval; in groups, corrected for trials that share a seed.",
    )
    if any(arm.grokked.any() for arm in own):
        table = steps.steps_table(own)
        yield Chart(
            "steps",
            "When they grok",
            table,
            steps.draw_steps(table, colour),
            "Distribution of steps to grok, a histogram an arm.",
            "Share of all trials of an arm that grokked in each span of steps; those that "
            "never did are in none.",
        )
    yield from _learning(found, store, own, colour)
    if found.shrinkage:
        pairs = sorted(found.shrinkage, key=lambda pair: place[pair.name])
        table = shrinkage.shrinkage_table(pairs)
        yield Chart(
            "shrinkage",
            "What was selected, and what is confirmed",
            table,
            shrinkage.draw_shrinkage(table, colour),
            "Mean steps on the seeds of selection and on fresh ones, a pair an arm.",
            "Hollow: the mean on seeds that evolution chose by. Filled: on seeds it never "
            "saw. Both at one horizon, with 95 % intervals. Only the filled figure is to be "
            "published.",
        )
    varied = {name: parts for name, parts in found.components.items() if parts.deviation}
    if varied:
        names = sorted(varied, key=lambda name: place.get(name, len(place)))
        table = components.components_table({name: varied[name] for name in names})
        yield Chart(
            "components",
            "What luck is made of",
            table,
            components.draw_components(table, colour),
            "Share of the variance of each random stream.",
            "A crossed design: each stream's seed varied apart from the others. Shares of the "
            "variance of min(T, H), unbiased (so one of nothing may be below 0), with 95 % "
            "intervals over blocks. What no stream has alone stands under together.",
        )


def _learning(
    found: Validation, store: Store, own: list[Any], colour: Mapping[str, str]
) -> Iterator[Chart]:
    """How arms learn: curves, classes, and memorising against grokking."""
    seen = phases(store, _trial_ids(found), found.horizon, max(POINTS // len(own), 24))
    seen = {arm.name: seen[arm.name] for arm in own if arm.name in seen}
    if seen:
        yield Chart(
            "phase",
            "The phase transition",
            phase.phase_table(seen),
            phase.draw_phase(seen, colour),
            "Median accuracy and loss against steps, train and validation, with bands.",
            "Medians over seeds with 95 % bands from order statistics. Dotted is train, solid "
            "is validation. A trial that has ended keeps its last value.",
        )
    classes = found.classes.set_index("name").loc[[arm.name for arm in own]].reset_index()
    table = class_bars.class_table(classes)
    yield Chart(
        "classes",
        "How they learn",
        table,
        class_bars.draw_classes(table),
        "Shares of learning classes, a bar an arm.",
        "A Grokker memorises first and understands much later; a Smooth Learner does both "
        "together, a Delayed is between the two. A Memoriser never understands, an "
        "Underfitter does not even memorise, a Collapser understands and forgets.",
    )
    table = memorise_grok.memorise_table(found, [arm.name for arm in own])
    if len(table):
        yield Chart(
            "memorise-grok",
            "Memorising against grokking",
            table,
            memorise_grok.draw_memorise(table, found.horizon, colour),
            "Steps to memorise against steps to grok, a dot a trial.",
            "Trials that did both. On the dotted line both happen at once; far above it, a "
            "trial understood long after it had learned by heart.",
        )


def _trial_ids(found: Validation) -> dict[str, list[str]]:
    trials = found.trials
    return {
        arm.name: trials.trial_id[trials.rows_of(arm.genomes)].tolist() for arm in found.arms
    }


# -- The page ---------------------------------------------------------------------------------


def whole(
    found: Validation, figures: Drawn, told: Mapping[str, Any], hidden: Hidden = AS_USUAL
) -> bytes:
    """The page, complete.

    Args:
        found: What was found.
        figures: Of it.
        told: Task, model, precision, seeds and plan, as ``validation.json`` has them.
        hidden: What is off when it opens.
    """
    return page(
        f"Validation: {words.counted(len(figures.ranked), 'arm')}",
        _header(found, figures.ranked),
        tag("main", content(found, figures, told, hidden)),
        tag(
            "footer",
            "Intervals are 95 %. A trial that does not grok counts with the full horizon; one "
            "that the machine failed is counted, and left out of everything else.",
        ),
        style=controls.STYLE,
        script=controls.SCRIPT,
    )


def content(
    found: Validation, figures: Drawn, told: Mapping[str, Any], hidden: Hidden = AS_USUAL
) -> Html:
    """Switches, the table and all figures, for the script of ``controls.py``."""
    ranked, colour, charts, unsaid = figures
    crowded = [*MIDDLE, *(CROWDED if len(ranked) > FEW else ())]
    listed = {
        "arms": [
            {
                "name": own.name,
                "colour": colour[own.name],
                "group": found.member_of.get(own.name),
            }
            for own in ranked
        ],
        "hidden": [own.name for own in ranked[SHOWN:]] if hidden.arms is None else hidden.arms,
        "groups": hidden.groups or [],
        "layers": crowded if hidden.layers is None else hidden.layers,
    }
    data = Html(json.dumps(listed).replace("<", "\\u003c"))
    return join(
        tag("div", class_="panel", id="panel", role="group", aria_label="arms"),
        tag("script", data, type="application/json", id="arms"),
        tag(
            "section",
            tag("h2", "Figures of every arm"),
            _table(found, ranked),
            _in_words(found, told),
            id="every",
        ),
        *map(_section, charts),
        tag("section", tag("h2", "Which genes matter"), tag("p", unsaid)) if unsaid else None,
        _made(found, told),
    )


def _header(found: Validation, ranked: list[Summary]) -> Html:
    best, comparison = ranked[0], found.comparison
    seeds = sorted({own.seeds for own in ranked})
    glance = {
        "arms": (f"{len(ranked):,}", words.counted(_genomes(found), "genome")),
        "fresh seeds": (
            f"{seeds[0]:,}" if len(seeds) == 1 else f"{seeds[0]:,}–{seeds[-1]:,}",
            f"{sum(own.trials for own in ranked):,} trials to {found.horizon:,} steps",
        ),
        "fastest": (_steps(found.told(best, "rmst")), best.name),
        "machine's failures": (f"{found.outcomes['failed'].sum():,}", "shown, left out"),
    }
    return top(
        "Validation on seeds that evolution never saw",
        _headline(ranked, comparison),
        glance,
        comparison.advice if comparison else None,
    )


def _genomes(found: Validation) -> int:
    return len({own for arm in found.arms for own in arm.genomes})


def _headline(ranked: list[Summary], comparison: Comparison | None) -> str:
    best = ranked[0]
    if not best.successes:
        return "No trial grokked within the horizon"
    if comparison is None:
        done = f"{best.successes:,} of {words.counted(best.trials, 'fresh seed')}"
        return f"{best.name} groks in {words.number(best.rmst.value)} steps, on {done}"
    luck = comparison.luck
    sure = comparison.best.get(best.name)
    said = f"{best.name} leads with {words.number(best.rmst.value)} steps"
    if luck is not None and luck.plausible:
        return f"{said}, as the best of {len(ranked):,} equal arms might by luck"
    return said + (f": the best with a probability of {chance(sure)}" if sure else "")


def _table(found: Validation, ranked: list[Summary]) -> Html:
    names = (
        *("arm", "seeds", "mean steps", "grokked", "steps a success", "median", "90 % by"),
        "P(best)",
    )
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    best = found.comparison.best if found.comparison else {}
    body = [_row(own, found, best.get(own.name)) for own in ranked[:MOST_ROWS]]
    rest = len(ranked) - MOST_ROWS
    return join(
        tag(
            "div",
            tag("table", tag("thead", head), tag("tbody", *body), class_="many"),
            class_="scroll",
        ),
        tag("p", tag("small", f"{rest:,} more arms stand in arms.csv")) if rest > 0 else None,
    )


def _in_words(found: Validation, told: Mapping[str, Any]) -> Html | None:
    """What a terminal says of it, but for what stands at the top."""
    top = found.comparison.advice if found.comparison else None
    said = [words.sentence(own) for own in told.get("sentences", ()) if own != top]
    return tag("ul", *(tag("li", own) for own in said), class_="said") if said else None


def _row(own: Summary, found: Validation, best: float | None) -> Html:
    rmst, rate = found.told(own, "rmst"), found.told(own, "success")
    cells = (
        _with(f"{own.seeds:,}", f"{own.failed:,} more failed" if own.failed else ""),
        _with(_steps(rmst), _range(rmst)),
        _with(
            f"{100 * rate.value:.1f} %",
            f"{own.successes:,} of {own.trials:,}, {100 * rate.low:.1f}–"
            f"{100 * rate.high:.1f} %",
        ),
        _with(_steps(own.ert), _range(own.ert)),
        _with(_steps(own.median), _range(own.median)),
        _with(_steps(own.q90), _range(own.q90)),
        words.NOTHING if best is None else chance(best),
    )
    name = tag("th", own.name, scope="row")
    return tag("tr", name, *(tag("td", cell) for cell in cells))


def _with(main: str, small: str) -> Html:
    return join(main, tag("small", small) if small else None)


def _steps(own: Estimate) -> str:
    return words.number(own.value) if np.isfinite(own.value) else "not reached"


def _range(own: Estimate) -> str:
    if np.isnan(own.low) or np.isnan(own.high):
        return ""
    high = words.number(own.high) if np.isfinite(own.high) else "∞"
    return f"{words.number(max(own.low, 0.0))}–{high}" if np.isfinite(own.low) else ""


def _section(chart: Chart) -> Html:
    data = Html(to_json_plotly(chart.drawing).replace("<", "\\u003c"))
    style = f"height:{chart.drawing['layout']['height']:.0f}px"
    return tag(
        "section",
        tag("h2", chart.title),
        tag(
            "figure",
            tag(
                "div",
                class_="plot",
                id=chart.name,
                role="img",
                aria_label=chart.label,
                style=style,
            ),
            tag("script", data, type="application/json", id=f"{chart.name}-data"),
            tag("figcaption", chart.caption),
        ),
    )


def _made(found: Validation, told: Mapping[str, Any]) -> Html:
    """What is needed to do it again."""
    seeds = told["seeds"]
    facts = {
        "task": words.task(told["task"]),
        "model": words.model(told["model"]),
        "horizon": words.counted(found.horizon, "step"),
        "precision": told["precision"],
        "seeds": f"{seeds['count']:,} of pool {seeds['pool']}, from {seeds['first']:,}",
        "trials": f"{told['plan']['asked']:,} asked, {told['plan']['found']:,} known before",
    }
    looks = [tag("li", look) for look in told.get("looks", ())]
    return tag(
        "section",
        tag("h2", "How it was made"),
        provenance.draw_facts(facts),
        tag("p", "Looks of the stopping rule:") if looks else None,
        tag("ul", *looks) if looks else None,
    )


def _csv(table: pd.DataFrame) -> bytes:
    """A table whose texts no spreadsheet takes for formulas."""
    safe = table.copy()
    for column in safe.columns:
        if safe[column].dtype == object or pd.api.types.is_string_dtype(safe[column]):
            risky = [v for v in safe[column].unique() if str(v).startswith(tuple("=+-@"))]
            safe[column] = safe[column].replace({value: f"'{value}" for value in risky})
    sink = pa.BufferOutputStream()
    told = pa.Table.from_pandas(safe, preserve_index=False)
    write_csv(told, sink, WriteOptions(quoting_style="needed"))
    return sink.getvalue().to_pybytes()
