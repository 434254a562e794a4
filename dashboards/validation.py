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
import pyarrow.compute as pc
from plotly.io.json import to_json_plotly
from pyarrow.csv import WriteOptions, write_csv

from dashboards import controls, words
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
from dashboards.markup import Html, join, tag
from dashboards.page import page, tiles
from speciation.analysis.comparison import Comparison
from speciation.analysis.effects import Effects, effects
from speciation.analysis.estimates import Estimate, Summary
from speciation.analysis.phases import phases
from speciation.analysis.validation import ROWS, SETTINGS, Validation
from speciation.evolution.fitness import fitness_table
from speciation.genome.genome import Genomes, kind_named
from speciation.tables.files import LocalFiles
from speciation.tables.readers import genomes_frame
from speciation.tables.store import Store

SHOWN = 8  # arms that are on when the page opens, fastest first
FEW = 3  # arms whose bars and bands can lie upon each other
CROWDED = ("steps/bars", "phase/train bands", "phase/train lines")
"""Layers that are off when the page opens with more arms than that."""
POINTS = 12_000  # of all phase curves together
MOST_ROWS = 300
JUDGED_BY = (
    *("trial_id", "genome_id", "outcome", "steps_to_grok", "steps_run"),
    "best_validation_accuracy",
)


class Chart(NamedTuple):
    """A figure: its numbers, its drawing, and how to read it."""

    name: str
    title: str
    numbers: pd.DataFrame
    drawing: arms.Drawing
    label: str
    caption: str


class Drawn(NamedTuple):
    """A validation as figures.

    Args:
        ranked: What each arm shows, fastest first.
        colour: Arm → its colour.
        charts: The figures, in the order of the page.
    """

    ranked: list[Summary]
    colour: Mapping[str, str]
    charts: list[Chart]


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
    charts = [*charts_of(found, store, colour), *importance_charts(store, found, kind)]
    return Drawn(ranked, colour, charts)


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
    tables = {"arms": found.table(), **{own.name: own.numbers for own in figures.charts}}
    for name, table in tables.items():
        files.replace(f"{name}.csv", _csv(table))
    return [folder / "validation.html", *(folder / f"{name}.csv" for name in tables)]


# -- Figures ----------------------------------------------------------------------------------


def charts_of(found: Validation, store: Store, colour: Mapping[str, str]) -> Iterator[Chart]:
    """Every figure of the trials, fastest arm first."""
    own = sorted(found.arms, key=lambda arm: list(colour).index(arm.name))
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
        "Trials that never grokked stay at risk to the end. Trials of a group that share a "
        "seed are taken as independent in these bands, and in no other figure.",
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
            "paired bootstrap. Filled squares are told apart from the reference by the "
            "log-rank test after Holm's correction for all pairs.",
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
    table = steps.steps_table(own)
    yield Chart(
        "steps",
        "When they grok",
        table,
        steps.draw_steps(table, colour),
        "Distribution of steps to grok, a histogram an arm.",
        "Share of all trials of an arm that grokked in each span of steps; those that never "
        "did are in none.",
    )
    yield from _learning(found, store, own, colour)
    if found.shrinkage:
        table = shrinkage.shrinkage_table(found.shrinkage)
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
    if found.components:
        table = components.components_table(found.components)
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
        "together; an Underfitter does neither.",
    )
    table = memorise_grok.memorise_table(found)
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


# -- Genes ------------------------------------------------------------------------------------


def importance_charts(store: Store, found: Validation, kind: str) -> Iterator[Chart]:
    """Which genes matter, over all trials in the store of the same experiment."""
    table = _by_genome(store, found, kind)
    genes = [gene for gene in kind_named(kind).columns if gene in table]
    learned = _effects(table, genes)
    if learned is None or learned.forecast <= 0:
        return
    leading = [own.genes[0] for own in learned.genes]
    shown = f"{100 * learned.forecast:.0f} %"
    yield Chart(
        "importance",
        "Which genes matter",
        importance.importance_table(learned),
        importance.draw_importance(learned),
        "Importance of genes and of pairs of genes for the mean steps.",
        f"A forest of trees learned from {learned.genomes:,} genomes how genes go with mean "
        f"steps; on genomes new to it, it forecasts {shown} of the variance. Bars are "
        "what that forecast loses when a gene is shuffled, and on the right what two genes say "
        "only together: co-adapted genes. Bars ± a standard error.",
    )
    yield Chart(
        "slices",
        "Slices",
        table[["genome_id", "rmst", "trials", *leading[: importance.LEADING]]],
        importance.draw_slices(table, leading),
        "Mean steps of each genome against each leading gene.",
        "A dot is a genome; each gene from the low to the high end of its own scale.",
    )
    yield Chart(
        "parallel",
        "All genes at once",
        table[["genome_id", "rmst", "trials", *leading]],
        importance.draw_parallel(table, leading),
        "A line a genome through all genes, coloured by fifths of mean steps.",
        "Each gene from the low to the high end of its own scale, the most important on the "
        "left; blue is fast. Where lines of one colour run together, that range matters.",
    )


def _by_genome(store: Store, found: Validation, kind: str) -> pd.DataFrame:
    """A row a genome: id, mean of min(T, H), trials, and a unit coordinate a gene."""
    rows = store.scan("trials", ROWS).table
    sample = rows.filter(pc.equal(rows["trial_id"], found.trials.trial_id[0])).to_pylist()
    chosen = pc.field("kind") == kind
    for column in SETTINGS:
        chosen &= pc.field(column) == sample[0][column]
    known = rows.filter(chosen).select([*JUDGED_BY]).to_pandas()
    fitness = fitness_table(known, found.horizon)
    fitness = fitness[fitness["trials"] > 0][["genome_id", "rmst", "trials"]]
    genomes = genomes_frame(store, genome_ids=fitness["genome_id"])
    columns = list(kind_named(kind).columns)
    genomes = genomes[genomes["kind"] == kind].dropna(subset=columns)
    if genomes.empty:
        return pd.DataFrame(columns=["genome_id", "rmst", "trials"])
    unit = kind_named(kind).encode(Genomes(kind, genomes[columns].to_numpy()))
    table = pd.DataFrame(unit, columns=columns)
    table.insert(0, "genome_id", genomes["genome_id"].to_numpy())
    return fitness.merge(table, on="genome_id")


def _effects(table: pd.DataFrame, genes: list[str]) -> Effects | None:
    if not genes:
        return None
    rmst, trials = (table[name].to_numpy(dtype=np.float64) for name in ("rmst", "trials"))
    return effects(genes, table[genes].to_numpy(), rmst, trials)


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
    ranked, colour, charts = figures
    crowded = list(CROWDED) if len(ranked) > FEW else []
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
            _unfinished(found),
            id="every",
        ),
        *map(_section, charts),
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
        "fastest": (_steps(found.always_valid.get(best.name, best.rmst)), best.name),
        "machine's failures": (f"{found.outcomes['failed'].sum():,}", "shown, left out"),
    }
    return tag(
        "header",
        tag("p", "Validation on seeds that evolution never saw", class_="eyebrow"),
        tag("h1", _headline(ranked, comparison)),
        tag("p", comparison.advice, class_="lead") if comparison else None,
        tiles(glance),
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
    return said + (f": the best with {100 * sure:.0f} % probability" if sure else "")


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


def _unfinished(found: Validation) -> Html | None:
    if not found.unfinished:
        return None
    names = ", ".join(found.unfinished[:MOST_ROWS])
    return tag("p", f"Nothing is said of {names}: the machine finished none of their trials.")


def _row(own: Summary, found: Validation, best: float | None) -> Html:
    rmst = found.always_valid.get(own.name, own.rmst)
    rate = own.success
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
        words.NOTHING if best is None else f"{100 * best:.0f} %",
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
