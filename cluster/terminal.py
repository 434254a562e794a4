"""What commands share: how they say things, where they may write, options of where to train."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from rich.console import Console

    from speciation.tables.store import Store


class Whole(click.IntRange):
    """An integer of a range, called so where something else is given."""

    name = "integer"


class Number(click.FloatRange):
    """A number of a range, called so where something else is given."""

    name = "number"


PORT = Whole(1, 65535)
DEVICES = click.Choice(["auto", "cpu", "cuda"])
SILENCE = 30.0  # seconds between two lines of progress, where there is no terminal


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where and on what a run runs."""
    for option in reversed(
        (
            click.option("--store", metavar="URI", help="Where results are kept."),
            click.option(
                "--executor", type=click.Choice(["local", "ray"]), help="Where to train."
            ),
            click.option(
                "--address", metavar="HOST:PORT", help="A running Ray cluster to use."
            ),
            click.option("--device", type=DEVICES, help="What to train on."),
            click.option(
                "--slots", type=int, metavar="N", help="Trials at once on each device."
            ),
            click.option(
                "--json", "as_json", is_flag=True, help="JSON in place of text, for programs."
            ),
        )
    ):
        command = option(command)
    return command


model_option = click.option(
    "--model",
    metavar="SIZE=N,…",
    help="In place of the usual: layers, d_model, heads or d_ff, as in 'd_model=64,d_ff=128'.",
)


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What genomes are tried on, where a command names no file that says so."""
    for option in reversed(
        (
            click.option("--track", metavar="NAME", help="The task and its horizon, by name."),
            click.option(
                "--horizon", type=int, metavar="STEPS", help="In place of the track's."
            ),
            model_option,
            click.option("--precision", help="Of training; that of the presets by default."),
        )
    ):
        command = option(command)
    return command


def page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where a command's page goes, and whether it is shown."""
    folder = click.Path(file_okay=False, path_type=Path)
    for option in reversed(
        (
            click.option("--out", type=folder, help="Folder of page and tables."),
            click.option("--open", "show", is_flag=True, help="Open the page in a browser."),
        )
    ):
        command = option(command)
    return command


def page_folder(out: Path | None, place: Store, *names: str) -> Path:
    """Where a page goes: as told, or below a store's folder; a bucket's page goes here."""
    return out or Path(place.uri if "://" not in place.uri else ".", *names)


def show_page(page: Path | str) -> None:
    """Open a page, a file or an address, in a browser."""
    import webbrowser  # takes a while, and is rarely asked for

    webbrowser.open(page.resolve().as_uri() if isinstance(page, Path) else page)


def console() -> Console:
    """Standard output. On a pipe, nobody's window is too narrow for a table."""
    from rich.console import Console

    shown = Console(highlight=False, emoji=False)
    return shown if shown.is_terminal else Console(highlight=False, emoji=False, width=1000)


def say(sentence: str) -> None:
    """A sentence on standard output, as it is: a path may look like markup."""
    click.echo(sentence)


def complain(sentence: str) -> None:
    """A sentence on standard error."""
    from rich.console import Console
    from rich.text import Text

    words = Text.assemble(("error ", "bold red"), sentence)
    Console(stderr=True).print(words, soft_wrap=True)


def print_json(value: Any) -> None:
    """JSON on standard output."""
    say(json.dumps(value, indent=2))


def show_table(title: str, header: list[str], rows: list[list[str]], worded: int = 1) -> None:
    """A table on standard output: the first columns hold words, the others numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bright_black")
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i >= worded else "left")
    for row in rows:
        table.add_row(*row)
    say(title)
    console().print(table)


@contextmanager
def bars(
    quiet: bool, unit: str = "trials to train"
) -> Iterator[Callable[[str, int, int], None]]:
    """What tells how far something is: bars on a terminal, else a line now and then."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    shown = console()
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    live = shown.is_terminal and not quiet
    with Progress(*columns, console=shown, disable=not live) as shown_bars:
        tasks, due = {}, 0.0

        def tell(arm: str, done: int, total: int) -> None:
            nonlocal due
            now, new = time.monotonic(), arm not in tasks
            if new:
                tasks[arm] = shown_bars.add_task(arm, total=total)
            if (new or now >= due) and not live and not quiet:
                say(f"{arm}: {total - done:,} of {total:,} {unit}")
                due = now + SILENCE
            shown_bars.update(tasks[arm], completed=done)

        yield tell


def target(output: Path) -> Path:
    """Where the links of a path lead: to a regular file, or to nothing yet in a folder.

    Raises:
        LaunchError: It is something else, or there is no such folder.
    """
    from cluster.launch import LaunchError  # help needs no store

    place = Path(os.path.realpath(output))
    if os.path.lexists(place) and not place.is_file():  # it would be gone for good
        raise LaunchError(f"{place} is not a regular file; give the report another path")
    if not place.parent.is_dir():
        raise LaunchError(
            f"there is no folder {place.parent} to write {place.name} to; make it first"
        )
    return place
