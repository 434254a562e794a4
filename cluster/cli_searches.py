"""Commands that hold one search or one genome against another, at length."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cluster.terminal import bars, print_json, say, show_table, where_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cluster.comparison import Comparison, Entry
    from speciation.analysis.searches import Searches
    from speciation.tables.files import Files

DEFAULT_STORE = "results"


@click.command()
@click.argument("comparison", metavar="FILE|NAME")
@click.option("--repeats", type=int, metavar="N", help="Of each arm.")
@click.option("--budget", type=int, metavar="STEPS", help="Trial-steps of each repeat.")
@click.option("--confirm", type=int, metavar="N", help="Seeds that champions are confirmed on.")
@click.option(
    "--drivers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that drive runs; by default, one a core, less one that trains.",
)
@click.option(
    "--part",
    metavar="K/N",
    help="Only the K-th of N parts of the repeats: for N processes on N GPUs.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of page and tables."
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
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
    from cluster.comparison import entries, load_comparison
    from cluster.launch import places
    from speciation.tables.files import open_files

    changes = {name: told[name] for name in ("repeats", "budget", "confirm")}
    plan = load_comparison(comparison, changes)
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


COMMANDS = (compare,)


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
        executor_for(config, trials=most) as executor,
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
        _tell(found, HEADER, rows(found), len(records), len(every), written)
    if show and not found.final.empty:
        import webbrowser

        webbrowser.open(written[-1].resolve().as_uri())
    if found.failures:
        sys.exit(1)


def _tell(
    found: Searches,
    header: Sequence[str],
    listed: list[list[str]],
    ended: int,
    asked: int,
    written: list[Path],
) -> None:
    show_table(f"{ended:,} of {asked:,} repeats have ended", list(header), listed)
    for who, why in found.failures.items():
        say(f"failed  {who}: {why}")
    for path in written:
        say(f"wrote  {path}")


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
