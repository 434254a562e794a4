"""The report of a run: one HTML file that opens anywhere, offline.

It is read from the tables alone, so a run that is under way, was stopped, or ended years ago is
reported on alike.
"""

from __future__ import annotations

from pathlib import Path

from dashboards.figures.champion import performance
from dashboards.figures.hall_of_fame import hall_table
from dashboards.markup import tag
from dashboards.masthead import band, header
from dashboards.page import page
from dashboards.run import RunTables, read_run
from dashboards.sections import (
    champion_section,
    evolution_section,
    hall_section,
    learning_section,
    run_section,
    trials_section,
)
from speciation.tables.files import LocalFiles
from speciation.tables.store import Store


def report(store: Store, run: str, output: Path) -> None:
    """Write a run's report; the file is there whole, or not at all.

    Args:
        store: Where the run is.
        run: Its id.
        output: The HTML file. An old one is replaced in one step.

    Raises:
        StoreError: The run cannot be read, or the file cannot be written.
    """
    LocalFiles(output.absolute().parent).replace(output.name, whole(read_run(store, run)))


def whole(tables: RunTables) -> bytes:
    """The page, complete."""
    selected = performance(tables.selected, tables.rules.horizon)
    confirmed = performance(tables.confirmed, tables.rules.horizon)
    hall = hall_table(tables.trials, tables.genomes, tables.rules)
    return page(
        f"{tables.run}: report",
        band(tables),
        header(tables, selected, confirmed),
        tag(
            "main",
            champion_section(tables, selected, confirmed, hall),
            evolution_section(tables),
            learning_section(tables),
            hall_section(tables, hall),
            trials_section(tables),
            run_section(tables),
        ),
        tag(
            "footer",
            "Made from the store's tables alone. Steps are training steps; ± is one standard "
            "error; intervals are 95 %, Wilson's for shares.",
        ),
    )
