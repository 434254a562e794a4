"""Commands that hold one search or one genome against another, at length."""

from __future__ import annotations

import json
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cluster.terminal import (
    Whole,
    bars,
    page_folder,
    page_options,
    print_json,
    say,
    setting_options,
    show_page,
    show_table,
    where_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from cluster.comparison import Comparison, Entry
    from cluster.config import RunConfig
    from speciation.analysis.crosses import Crosses
    from speciation.analysis.epistasis import Epistasis
    from speciation.analysis.isolation import Isolation
    from speciation.analysis.searches import Searches
    from speciation.analysis.sweep import Swept
    from speciation.genome.genome import Genome
    from speciation.tables.files import Files
    from speciation.tables.store import Store

DEFAULT_STORE = "results"


@click.command()
@click.argument("comparison", metavar="FILE|NAME")
@click.option("--repeats", type=int, metavar="N", help="Of each arm.")
@click.option("--budget", type=int, metavar="STEPS", help="Trial-steps of each repeat.")
@click.option("--confirm", type=int, metavar="N", help="Seeds that champions are confirmed on.")
@click.option(
    "--drivers",
    type=Whole(1),
    metavar="N",
    help="Processes that drive runs; by default, one a core, less one that trains.",
)
@click.option(
    "--part",
    metavar="K/N",
    help="Only the K-th of N parts of the repeats: for N processes on N GPUs.",
)
@page_options
@where_options
def compare(
    comparison: str,
    drivers: int | None,
    part: str | None,
    out: Path | None,
    show: bool,
    as_json: bool,
    **told: Any,
) -> None:
    """Compare searches at equal cost: evolution and its options, chance, Sobol, TPE, CMA-ES.

    A file says what all arms have in common, what is different in each, how often each is
    repeated and how many trial-steps a repeat may spend. Champions are confirmed on seeds that
    no search has seen. What was stopped goes on where it was; repeats that have ended are not
    done again, and one that failed is named and tried again.

    Example:  [bold cyan]speciation compare searches --repeats 3 --budget 2000000[/]
    """
    from cluster.comparison import COMPARISONS, entries
    from cluster.launch import places
    from speciation.tables.files import open_files

    changes = {name: told[name] for name in ("repeats", "budget", "confirm")}
    plan = COMPARISONS.load(comparison, changes)
    root = f"{(told['store'] or DEFAULT_STORE).rstrip('/')}/comparisons/{plan.name}"
    names = ("executor", "address", "device", "slots")
    where = places(None, *(told[name] for name in names))
    every = entries(plan, comparison, root, {k: v for k, v in where.items() if k != "store"})
    files = open_files(root)
    own = _part(every, part)
    many = drivers or _cores(round(len(every) / max(len(own), 1)))
    if not _carry_out(own, files, many, as_json):
        click.echo("stopped; what has finished is stored; the same command goes on", err=True)
        sys.exit(130)
    _show(plan, every, files, out or _folder(root, plan), as_json, show)


@click.command()
@click.argument("first", metavar="REFERENCE")
@click.argument("second", metavar="CHAMPION")
@click.option(
    "--by",
    type=click.Choice(["group", "gene"]),
    default="group",
    show_default=True,
    help="What is exchanged: gene groups, in all combinations, or single genes and pairs.",
)
@click.option(
    "--seeds",
    type=Whole(3),
    default=100,
    show_default=True,
    metavar="N",
    help="Of each combination.",
)
@setting_options
@page_options
@where_options
def epistasis(
    first: str,
    second: str,
    by: str,
    seeds: int,
    out: Path | None,
    show: bool,
    as_json: bool,
    **told: Any,
) -> None:
    """Measure which genes work only together, between two genomes.

    Groups of genes (or single ones) of REFERENCE and CHAMPION are combined, and all
    combinations are tried on the same seeds: what a factor does alone, what two do beyond the
    sum of both, with intervals, and tests that allow for being many. Trials are kept in the
    store as those of a validation; what it knows is not trained again.

    Example:  [bold cyan]speciation epistasis stock-adamw tuned-adamw --seeds 50[/]
    """
    from cluster.launch import settings_told
    from cluster.panel import steps_matrix
    from cluster.validate_asked import ask
    from speciation.analysis.epistasis import epistasis as judge
    from speciation.analysis.epistasis import (
        factorial,
        factors_between,
        groups_of,
        substitutions,
    )
    from speciation.tables.store import Store

    place = Store(told["store"] or DEFAULT_STORE)
    asked = ask([first, second], place, seeds=seeds, overrides=settings_told(told))
    one, other = _two(asked.genomes.values())
    factors = factors_between(one, other, groups_of(one.kind, by))
    design = factorial(factors) if by == "group" else substitutions(factors)
    genomes = design.genomes(one, other)
    rows = _panel(asked.config, genomes, seeds, place, as_json, "combinations")
    found = judge(design, steps_matrix(rows, genomes), asked.config.the_horizon())
    folder = page_folder(out, place, "epistasis")
    _show_epistasis(found, first, second, folder, as_json, show)


@click.command()
@click.argument("source", metavar="FILE|NAME")
@click.option("--seeds", type=int, metavar="N", help="Of each genome in each setting.")
@page_options
@where_options
def sweep(
    source: str, seeds: int | None, out: Path | None, show: bool, as_json: bool, **told: Any
) -> None:
    """Try the same genomes in many settings: how they learn there, and what transfers.

    A file names genomes and two axes of settings: tasks, primes, shares of training pairs,
    sizes of the model. Shown are the learning classes as a map, mean steps, and the rank
    correlation of genomes between every two settings. Trials are kept in the store as those of
    a validation; what it knows is not trained again.

    Example:  [bold cyan]speciation sweep phases --seeds 8[/]
    """
    from cluster.launch import places
    from cluster.sweep import SWEEPS, genomes_of, settings_of
    from speciation.analysis.sweep import cell_table, swept
    from speciation.tables.store import Store

    plan = SWEEPS.load(source, {"seeds": seeds})
    names = ("store", "executor", "address", "device", "slots")
    settings = settings_of(plan, source, places(*(told[name] for name in names)))
    place = Store(told["store"] or DEFAULT_STORE)
    genomes = genomes_of(plan.genomes, place, settings[0].config)
    display = {genome.id: name for name, genome in genomes.items()}
    parts = []
    for own in settings:
        trials = _panel(
            own.config, list(genomes.values()), plan.seeds, place, as_json, own.name
        )
        of = {"row": own.row, "column": own.column, "setting": own.name}
        parts.append((of, *cell_table(trials, display, own.config.the_horizon())))
    folder = page_folder(out, place, "sweeps", plan.name)
    _show_sweep(swept(parts), plan.name, plan.seeds, folder, as_json, show)


@click.command()
@click.argument("genomes", nargs=-1, metavar="GENOME…")
@click.option(
    "--children",
    type=Whole(3),
    default=24,
    show_default=True,
    metavar="N",
    help="Of every two genomes.",
)
@click.option(
    "--seeds",
    type=Whole(3),
    default=20,
    show_default=True,
    metavar="N",
    help="Of each parent and child.",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=GENOME,…",
    help="Genomes that are kin; by default, the store's species tell.",
)
@setting_options
@page_options
@where_options
def crosses(
    genomes: tuple[str, ...],
    children: int,
    seeds: int,
    groups: tuple[str, ...],
    out: Path | None,
    show: bool,
    as_json: bool,
    **told: Any,
) -> None:
    """Cross every two genomes: do children fall behind their parents?

    Genomes are named as for `validate`. Children are bred by the crossovers of evolution, and
    tried on the seeds of their parents: what they need beyond the mean of both, with intervals,
    tests that allow for being many, and whether that is more between species or at a distance.
    Trials are kept in the store as those of a validation; what it knows is not trained again.

    Example:  [bold cyan]speciation crosses stock-adamw tuned-adamw tank --seeds 10[/]
    """
    from cluster.crosses import experiment, groups_of, names_of
    from cluster.launch import settings_told
    from cluster.validate_asked import ask
    from speciation.analysis.crosses import crosses as judge
    from speciation.analysis.crosses import crosses_of
    from speciation.analysis.isolation import isolation
    from speciation.tables.store import Store

    place = Store(told["store"] or DEFAULT_STORE)
    asked = ask(genomes, place, seeds=seeds, groups=groups, overrides=settings_told(told))
    crossed = crosses_of(list(asked.genomes.values()), children)
    kin = groups_of(asked, place)
    bred = {own.id: own for cross in crossed for own in cross.children}
    every = list((asked.genomes | bred).values())
    rows = _panel(asked.config, every, seeds, place, as_json, "parents and children")
    found = judge(crossed, names_of(asked), rows, asked.config.the_horizon())
    folder = page_folder(out, place, "crosses")
    about = experiment(asked, rows)
    _show_crosses(found, isolation(found.pairs, *kin), about, folder, as_json, show)


COMMANDS = (compare, epistasis, sweep, crosses)


# -- Inside of commands ---------------------------------------------------------------------


def _cores(parts: int) -> int:
    """One of this process's share of the cores is for training."""
    return max(len(os.sched_getaffinity(0)) // parts - 1, 1)


def _part(every: Sequence[Entry], part: str | None) -> list[Entry]:
    """Every N-th entry, in another order of arms in each repeat."""
    from cluster.launch import LaunchError

    if part is None:
        return list(every)
    matched = re.fullmatch(r"(\d{1,3})/(\d{1,3})", part)
    number, parts = map(int, matched.groups()) if matched else (0, 0)
    if not 1 <= number <= parts:
        raise LaunchError(f"--part is {part!r}, but must be K/N with K from 1 to N, as in 2/4")
    return [
        entry
        for index, entry in enumerate(every)
        if (index + entry.repeat) % parts == number - 1
    ]


def _carry_out(entries: Sequence[Entry], files: Files, drivers: int, quiet: bool) -> bool:
    from cluster.compare import compare as carry_out
    from cluster.compare import has_ended
    from cluster.launch import executor_for, stop_signals

    missing = [entry for entry in entries if not has_ended(entry, files)]
    if not missing:
        return True
    config = missing[0].config
    most = config.evolution.population * config.evolution.seeds * drivers
    with (
        stop_signals() as stop,
        executor_for(config, trials=most, tell=partial(click.echo, err=quiet)) as executor,
        bars(quiet, "trial-steps to spend") as tell,
    ):
        return carry_out(missing, files, executor, drivers, tell, stop)


def _folder(root: str, plan: Comparison) -> Path:
    return Path(f"{plan.name}-report") if "://" in root else Path(root) / "report"


def _show(
    plan: Comparison,
    every: Sequence[Entry],
    files: Files,
    folder: Path,
    as_json: bool,
    show: bool,
) -> None:
    """What there is: page, tables and JSON, and on the terminal the arms."""
    from cluster.compare import record_of
    from dashboards.searches import HEADER, report, rows
    from speciation.analysis.searches import of_records

    records = [own for entry in every if (own := record_of(entry, files)) is not None]
    found = of_records(records, list(plan.arms), every[0].config.the_horizon())
    document = _document(plan, found, len(every))
    written = _write(folder, document, {"champions": found.table, "arms": found.final})
    if not found.final.empty:
        page = folder / f"{plan.name}.html"
        report(found, plan.name, plan.budget, plan.confirm, page)
        written.append(page)
    if as_json:
        print_json(document)
    else:
        show_table(
            f"{len(records):,} of {len(every):,} repeats have ended", list(HEADER), rows(found)
        )
        for who, why in found.failures.items():
            say(f"failed  {who}: {why}")
    _end(written, as_json, show and not found.final.empty)
    if found.failures:
        sys.exit(1)


def _document(plan: Comparison, found: Searches, asked: int) -> dict[str, Any]:
    from cluster.provenance import provenance
    from cluster.summary import plain

    return {
        "comparison": plan.model_dump(mode="json"),
        "provenance": provenance(),
        "horizon": found.horizon,
        "repeats_asked": asked,
        "arms": plain(found.final.to_dict("records")),
        "curves": plain(found.curves.to_dict("records")),
        "failures": found.failures,
    }


def _write(
    folder: Path, document: dict[str, Any], tables: dict[str, pd.DataFrame]
) -> list[Path]:
    """A JSON document and tables as CSV, each there whole or not at all."""
    from speciation.tables.files import LocalFiles

    folder.mkdir(parents=True, exist_ok=True)
    files = LocalFiles(folder.absolute())
    body = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    texts = {"found.json": body}
    texts |= {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}
    for name, text in texts.items():
        files.replace(name, text.encode("utf-8"))
    return [folder / name for name in texts]


# -- Genomes on the same seeds --------------------------------------------------------------


def _two(genomes: Iterable[Genome]) -> tuple[Genome, Genome]:
    from cluster.launch import LaunchError

    found = list(genomes)
    if len(found) != 2:
        raise LaunchError(
            f"REFERENCE and CHAMPION must be two different genomes, got {len(found)} in all"
        )
    return found[0], found[1]


def _panel(
    config: RunConfig,
    genomes: Sequence[Genome],
    seeds: int,
    place: Store,
    quiet: bool,
    phase: str,
) -> pd.DataFrame:
    """Every genome on every seed; exits where somebody asked to stop."""
    from cluster.launch import executor_for, stop_signals
    from cluster.panel import Panel
    from cluster.training import StoppedEarlyError

    asked = Panel(config, genomes, seeds, place)
    if not (many := asked.lacking()):
        return asked.rows()
    try:
        with (
            stop_signals() as stop,
            executor_for(config, trials=many, tell=partial(click.echo, err=quiet)) as executor,
            bars(quiet) as tell,
        ):
            asked.complete(executor, partial(tell, phase), stop)
        return asked.rows()
    except StoppedEarlyError:
        click.echo("stopped; what has finished is stored; the same command goes on", err=True)
        sys.exit(130)


def _show_epistasis(
    found: Epistasis, first: str, second: str, folder: Path, as_json: bool, show: bool
) -> None:
    from cluster.summary import plain
    from dashboards.epistasis import HEADER, report, rows

    document = {
        "reference": first,
        "champion": second,
        "seeds": found.seeds,
        "horizon": found.horizon,
        "effects": plain(found.effects.to_dict("records")),
        "pairs": plain(found.pairs.to_dict("records")),
        "combinations": plain(found.means.to_dict("records")),
    }
    tables = {"effects": found.effects, "pairs": found.pairs, "combinations": found.means}
    written = _write(folder, document, tables)
    page = folder / "epistasis.html"
    report(found, first, second, page)
    if as_json:
        print_json(document)
    else:
        title = f"{len(found.means):,} combinations on {found.seeds:,} seeds"
        show_table(title, list(HEADER), rows(found))
    _end((*written, page), as_json, show)


def _show_sweep(
    found: Swept, name: str, seeds: int, folder: Path, as_json: bool, show: bool
) -> None:
    from cluster.summary import plain
    from dashboards.sweep import HEADER, report, rows

    document = {
        "sweep": name,
        "seeds": seeds,
        "cells": plain(found.cells.to_dict("records")),
        "classes": plain(found.classes.to_dict("records")),
        "transfer": plain(found.transfer.to_dict("records")),
    }
    tables = {"cells": found.cells, "classes": found.classes, "transfer": found.transfer}
    written = _write(folder, document, tables)
    page = folder / f"{name}.html"
    report(found, name, seeds, page)
    if as_json:
        print_json(document)
    else:
        show_table(f"{name}: {seeds:,} seeds a genome and setting", list(HEADER), rows(found))
    _end((*written, page), as_json, show)


def _show_crosses(
    found: Crosses,
    told: Isolation,
    about: dict[str, Any],
    folder: Path,
    as_json: bool,
    show: bool,
) -> None:
    from cluster.summary import plain
    from dashboards.crosses import HEADER, of_distance, of_groups, report, rows

    parents = found.parents.assign(group=found.parents["genome"].map(dict(told.group_of)))
    tables = {"pairs": found.pairs, "parents": parents, "children": found.children}
    document = {
        **about,
        "children_each": found.count,
        **{name: plain(table.to_dict("records")) for name, table in tables.items()},
        "groups_are": told.groups,
        "between_groups": plain(told.between and told.between._asdict()),
        "distance": plain(told.distance and told.distance._asdict()),
    }
    written = _write(folder, document, tables)
    page = folder / "crosses.html"
    report(found, told, page)
    if as_json:
        print_json(document)
    else:
        title = f"every two of {len(found.parents):,} genomes, {found.count:,} children each"
        show_table(title, list(HEADER), rows(found))
        say(of_groups(told))
        say(of_distance(told))
    _end((*written, page), as_json, show)


def _end(written: Sequence[Path], quiet: bool, show: bool) -> None:
    """Say what was written; open the last of it, the page, if that was asked for."""
    if not quiet:
        for path in written:
            say(f"wrote  {path}")
    if show:
        show_page(written[-1])
