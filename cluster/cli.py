"""The command line: ``evolve``, ``submit``, ``top``, ``report`` and all the others.

Commands import what they need when they run, so that help is instant and the offline ones work
without torch or Ray. Errors of this project are sentences: they are printed as such, and the
exit code is 2.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import rich_click as click

from cluster.cli_genomes import COMMANDS
from cluster.cli_searches import COMMANDS as SEARCHES
from cluster.terminal import (
    DEVICES,
    PORT,
    Number,
    Whole,
    bars,
    complain,
    console,
    page_folder,
    print_json,
    say,
    setting_options,
    show_page,
    show_table,
    target,
    where_options,
)

if TYPE_CHECKING:
    from rich.console import Console

    from cluster.config import RunConfig
    from cluster.driver import Progress
    from cluster.fidelity import Found
    from cluster.job_queue import Job
    from cluster.overview import RunView
    from cluster.progress_text import Reporter
    from cluster.shipping import Parcel
    from cluster.summary import Champion, RunSummary
    from cluster.validate import Outcomes
    from cluster.validate_asked import Asked
    from cluster.validate_plan import Plan
    from speciation.analysis.sequential import Rule
    from speciation.analysis.validation import Validation
    from speciation.tables.store import Store

OWN_PACKAGES = ("cluster.", "speciation.", "dashboards.")
DEFAULT_STORE = "results"

click.rich_click.TEXT_MARKUP = "rich"
click.rich_click.TEXT_PARAGRAPH_LINEBREAKS = "\n\n"
click.rich_click.STYLE_COMMANDS_TABLE_SHOW_LINES = False
click.rich_click.MAX_WIDTH = 100


def main() -> NoReturn:
    """Run a command; every foreseen mistake ends in a sentence and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    try:
        code = speciation.main(prog_name="speciation", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "speciation"
        complain(f"{error.format_message().rstrip('.')}; see: {command} --help")
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        if os.environ.get("SPECIATION_DEBUG") or not (sentence := _foreseen(error)):
            raise  # whoever mends it wants to see it all
        complain(sentence)
        sys.exit(2)


def _foreseen(error: Exception) -> str:
    """What an error of this project or of the operating system has to say; else nothing."""
    if type(error).__module__.startswith(OWN_PACKAGES):
        return str(error)
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        return f"{error.filename or 'standard output'}: {error.strerror}"
    return ""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speciation-cluster", message="%(prog)s %(version)s")
def speciation() -> None:
    """Evolve the hyperparameters of small transformers that grok.

    Try it:  [bold cyan]speciation evolve quickstart[/]
    """


for command in (*COMMANDS, *SEARCHES):
    speciation.add_command(command)


# -- Options that commands share ------------------------------------------------------------


BATCHES = ("512", "full")
generations_option = click.option(
    "--generations", metavar="N|+N", help="How many in all, or how many more."
)
seeds_option = click.option(
    "--seeds", type=int, metavar="N", help="On how many new seeds the champion is confirmed."
)
run_argument = click.argument("run", metavar="[RUN]", required=False)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


# -- Commands -------------------------------------------------------------------------------


@speciation.command()
@click.argument("config", metavar="CONFIG|PRESET")
@click.option("--name", help="What the run is called; its id begins with it.")
@click.option("--seed", type=int, metavar="N", help="Of everything random in the run.")
@generations_option
@seeds_option
@where_options
def evolve(
    config: str,
    name: str | None,
    seed: int | None,
    generations: str | None,
    seeds: int | None,
    store: str | None,
    executor: str | None,
    address: str | None,
    device: str | None,
    slots: int | None,
    as_json: bool,
) -> None:
    """Evolve genomes as a YAML file or a preset says.

    Starting the same again goes on where it ended: nothing is computed twice. With more
    generations, the run is extended.

    Example:  [bold cyan]speciation evolve quickstart --generations 8[/]
    """
    from cluster.config import load_config
    from cluster.launch import extended, places

    overrides = places(store, executor, address, device, slots) | {"name": name, "seed": seed}
    overrides["confirm.seeds"] = seeds
    _drive(extended(partial(load_config, config), overrides, generations), as_json)


@speciation.command()
@run_argument
@generations_option
@seeds_option
@where_options
def resume(
    run: str | None,
    generations: str | None,
    seeds: int | None,
    store: str | None,
    executor: str | None,
    address: str | None,
    device: str | None,
    slots: int | None,
    as_json: bool,
) -> None:
    """Go on with a run that was interrupted, or that shall go further.

    RUN is its id or the beginning of it; without one, the latest. What the store knows is not
    computed again.

    Example:  [bold cyan]speciation resume quickstart --generations +10[/]
    """
    from cluster.launch import existing_store, extended, places
    from cluster.manifest import config_of, find_run

    place = existing_store(store or DEFAULT_STORE)
    found = find_run(place, run)
    overrides = places(None, executor, address, device, slots) | {"confirm.seeds": seeds}
    _drive(extended(partial(config_of, place, found), overrides, generations), as_json)


@speciation.command()
@click.argument("genomes", metavar="GENOME…", nargs=-1)
@click.option("--seeds", type=int, default=200, show_default=True, metavar="N", help="Of each.")
@click.option(
    "--fresh", is_flag=True, help="Only seeds that no trial in the store has ever used."
)
@click.option(
    "--skip",
    type=int,
    default=0,
    metavar="N",
    help="Pass over the first N seeds; goes on with what --fresh began.",
)
@setting_options
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=GENOME,…",
    help="Look at these as one; kept with the store as group:NAME.",
)
@click.option("--by", type=click.Choice(["genome", "group"]), help="What makes an arm.")
@click.option("--against", metavar="NAME", help="Hold others against this arm, not the best.")
@click.option(
    "--until",
    metavar="RULE",
    help="Stop before --seeds: 'ci-width rmst < 25', 'ci-width success < 0.05', 'separated'.",
)
@click.option(
    "--components",
    "blocks",
    type=Whole(0),
    default=0,
    metavar="BLOCKS",
    help="Also ask where luck comes from: so many crossed blocks of 16 trials, better 32.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what is missing, and stop.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of page, tables and JSON.",
)
@click.option(
    "--figures",
    type=click.Choice(["svg", "png"]),
    help="Also write every figure as a file, by an installed Chromium or Chrome.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@where_options
def validate(
    genomes: tuple[str, ...],
    out: Path | None,
    figures: str | None,
    only_plan: bool,
    show: bool,
    as_json: bool,
    **told: Any,
) -> None:
    """Try genomes on many fresh seeds, and say with intervals how fast, how sure, how lucky.

    GENOME is a JSON file or a folder of them, an id or its beginning, hall_of_fame, run:NAME,
    species:NAME (as speciation taxonomy calls it), group:NAME, or a genome of the library. Only
    what no run in the store has answered is computed, and the plan says how much that is. More
    seeds, or a longer horizon, go on from there. A CSV of published figures (hash, steps) is
    judged as it is.

    Example:  [bold cyan]speciation validate tuned-adamw stock-adamw --seeds 200[/]
    """
    if len(genomes) == 1 and genomes[0].endswith(".csv"):
        _show_published(Path(genomes[0]), out, show, as_json)
        return
    _validate(genomes, out, figures, only_plan, show, as_json, told)


@speciation.command()
@run_argument
@click.option(
    "--store",
    metavar="URI",
    default=DEFAULT_STORE,
    show_default=True,
    help="Where the run is kept.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="The HTML file."
)
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
def report(run: str | None, store: str, output: Path | None, show: bool) -> None:
    """Write a run's report: one HTML file that opens anywhere, offline.

    RUN is its id or the beginning of it; without one, the latest. Needs neither torch nor Ray.

    Example:  [bold cyan]speciation report quickstart --open[/]
    """
    from cluster.launch import existing_store
    from cluster.manifest import find_run

    place = existing_store(store)
    path = write_report(place, find_run(place, run), output)
    say(f"report  {path}")
    if show:
        show_page(path)


@speciation.command()
@click.argument("config", metavar="[CONFIG|PRESET]", required=False)
@json_option
def doctor(config: str | None, as_json: bool) -> None:
    """Say what is installed, which devices there are, and whether a run fits them.

    Example:  [bold cyan]speciation doctor sprinter[/]
    """
    from cluster.config import load_config
    from cluster.doctor import examine

    checks = examine(load_config(config) if config else None)
    if as_json:
        print_json([{name: getattr(c, name) for name in c.__slots__} for c in checks])
    else:
        _show_checks(checks)
    if any(check.state == "missing" for check in checks):
        sys.exit(1)


@speciation.command()
@click.option(
    "--backend", default="auto", show_default=True, help="Of the engine that is judged."
)
@click.option(
    "--precision", default="fp16", show_default=True, help="Of the engine that is judged."
)
@click.option(
    "--reference", default="torch", show_default=True, help="Backend that it is held against."
)
@click.option(
    "--device",
    type=DEVICES,
    default="auto",
    show_default=True,
    help="What both train on.",
)
@click.option(
    "--seeds", type=int, default=2000, show_default=True, metavar="N", help="Of each genome."
)
@click.option(
    "--slots", type=int, metavar="N", help="Trials at once; so few that slots are refilled."
)
@click.option(
    "--track", default="add97-mb512", show_default=True, metavar="NAME", help="The task."
)
@click.option("--horizon", type=int, metavar="N", help="Steps, in place of the track's.")
@click.option(
    "--d-model",
    type=int,
    default=32,
    show_default=True,
    metavar="N",
    help="Width of the model; d_ff is twice that.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=f"{DEFAULT_STORE}/fidelity",
    show_default=True,
    help="Folder of what is found.",
)
@json_option
def fidelity(out: Path, as_json: bool, **settings: Any) -> None:
    """Show that a fast engine is still the same experiment as a slow one.

    Both train the same genomes from the same seeds, and so do engines that are wrong on
    purpose, which must be found out. The exit code is 0 if the engine passed and every planted
    fault was caught, else 1. Starting the same again goes on where it ended.

    With so many seeds equal engines pass nearly always: minutes on a GPU, hours on a CPU. With
    fewer, the report says how many more would tell.

    Example:  [bold cyan]speciation fidelity --backend fused --device cuda --reference graph[/]
    """
    from cluster.fidelity import compare, shipped
    from cluster.launch import require, stop_signals

    require("torch")
    with stop_signals() as stop, bars(as_json) as progress:
        found = compare(shipped(**settings), out, progress, stop)
    if found is None:
        click.echo("stopped; what was trained is kept; the same command goes on", err=as_json)
        sys.exit(130)
    from dashboards.fidelity import report as write

    write(found.fidelity, found.document, out / "fidelity.html")
    if as_json:
        print_json(found.document)
    else:
        _show_fidelity(found, out)
    if not found.fidelity.passed:
        sys.exit(1)


@speciation.command()
@click.option(
    "--device",
    type=DEVICES,
    default="auto",
    show_default=True,
    help="What to train on.",
)
@click.option("--slots", type=Whole(1), multiple=True, metavar="N", help="Trials in a pack.")
@click.option(
    "--batch",
    "batches",
    type=click.Choice(BATCHES),
    multiple=True,
    help="Examples a step; by default, both.",
)
@click.option("--steps", type=Whole(25), metavar="N", help="Of a repeat.")
@click.option(
    "--minutes",
    type=Number(0.1),
    default=6.0,
    show_default=True,
    metavar="M",
    help="For all of it; slow ways are timed less.",
)
@click.option(
    "--linear",
    type=Whole(1000),
    metavar="N",
    help="Also train 1,000, 10,000 … up to N short trials: does the cost grow linearly?",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it: an SVG file.",
)
@json_option
def bench(
    device: str,
    slots: tuple[int, ...],
    batches: tuple[str, ...],
    steps: int | None,
    minutes: float,
    linear: int | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Time the engine beside every other way of training, on this machine.

    Eager PyTorch, Ray actors that share a GPU, torch.func, JAX where it is installed, and every
    backend of the engine do the same job in turn. What cannot be had says why. Nothing else
    should run meanwhile.

    Example:  [bold cyan]speciation bench --batch 512 --slots 1 --slots 36 --minutes 2[/]
    """
    from cluster.launch import require

    require("torch")
    from cluster.bench import Asked, bench

    asked = Asked(
        device=device,
        slots=slots or None,
        batches=tuple(None if batch == "full" else int(batch) for batch in batches or BATCHES),
        steps=steps,
        minutes=minutes,
        linear=linear,
    )
    drawing = target(picture) if picture else None
    with _saying(as_json) as tell:
        found = bench(asked, tell)
    if drawing:
        from dashboards.bench import picture as draw

        drawing.write_text(draw(found), encoding="utf-8")
    if as_json:
        print_json(found)
    else:
        _show_bench(found)


# -- The queue of a cluster -----------------------------------------------------------------

store_option = click.option(
    "--store", metavar="URI", default=DEFAULT_STORE, show_default=True, help="Whose queue."
)
address_option = click.option(
    "--address", metavar="HOST:PORT", help="The cluster, or its dashboard; or RAY_ADDRESS."
)
job_argument = click.argument("job", metavar="JOB")


@speciation.command()
@click.argument("config", metavar="CONFIG|PRESET")
@click.option("--name", help="What the run is called; its id begins with it.")
@click.option("--seed", type=int, metavar="N", help="Of everything random in the run.")
@generations_option
@seeds_option
@click.option("--priority", type=int, metavar="N", help="Higher runs first; 0 by default.")
@click.option(
    "--devices",
    type=Number(0, min_open=True),
    metavar="N",
    help="Use at most so many GPUs (or cores, where there are none); by default, a fair share.",
)
@click.option("--await-devices", is_flag=True, help="Wait for devices that are yet to join.")
@click.option("--store", metavar="URI", help="Where results and queue are kept.")
@address_option
@click.option("--device", type=DEVICES, help="What to train on.")
@click.option("--slots", type=int, metavar="N", help="Trials at once on each device.")
@click.option("--files", is_flag=True, help="List every file that is uploaded, and stop.")
@json_option
def submit(
    config: str,
    name: str | None,
    seed: int | None,
    generations: str | None,
    seeds: int | None,
    priority: int | None,
    devices: float | None,
    await_devices: bool,
    store: str | None,
    address: str | None,
    device: str | None,
    slots: int | None,
    files: bool,
    as_json: bool,
) -> None:
    """Put a run into the queue of a Ray cluster.

    The queue is kept beside the results and outlives the cluster. Submitting the same again is
    harmless; with more generations or seeds, what was computed is not computed again.

    Example:  [bold cyan]speciation submit sprinter --priority 5 --store s3://bucket/results[/]
    """
    from cluster.config import load_config
    from cluster.job_queue import JobQueue
    from cluster.launch import (
        check_devices,
        dispatched,
        extended,
        lasting_place,
        places,
        ray_jobs,
    )
    from cluster.shipping import pack
    from speciation.tables.store import Store

    overrides = places(store, "ray", None, device, slots) | {"name": name, "seed": seed}
    overrides["confirm.seeds"] = seeds
    overrides["store"] = place = lasting_place(load_config(config, overrides).store)
    plan = extended(partial(load_config, config), overrides, generations)
    parcel = pack()
    if files:
        _show_parcel(parcel, as_json)
        return
    cluster = ray_jobs(address or plan.address)
    if not await_devices:
        check_devices(plan, devices, cluster.devices())
    job, new = JobQueue(Store(place), time.time).submit(plan, priority, devices)
    with _saying(as_json) as tell:
        dispatcher, started = dispatched(cluster, job, place, parcel, tell)
    told = {
        "job": job.id,
        "run": job.run,
        "state": job.state.value,
        "new": new,
        "store": place,
        "dispatcher": dispatcher,
        "cluster": cluster.address,
        "dashboard": cluster.url,
        "uploaded": parcel.summary() if started else None,
    }
    if as_json:
        print_json(told)
    else:
        _show_submitted(told, parcel.name, seen="://" in place or cluster.is_here())


def _show_submitted(told: dict[str, Any], code: str, seen: bool) -> None:
    """What became of a request; ``seen`` says whether the cluster is sure to see its store."""
    from cluster.own_cluster import named

    job, state, place = told["job"], told["state"], told["store"]
    say(f"job       {job}{'' if told['new'] else f', known already: {state}'}")
    sent = told["uploaded"]
    say(f"code      {f'uploaded {sent}' if sent else f'this code runs there already, {code}'}")
    say(f"results   {place}")
    if not seen:
        say(f"note      the cluster must see {place} at the same path; a bucket is seen by all")
    say(f"cluster   {named(told['cluster'])}")
    say(f"dashboard {told['dashboard']}")
    if state in ("failed", "cancelled"):
        again = f"speciation retry {job}{_on(place)}"
        say(f"note      it {_has_ended(state)}; to run it again: {again}")
    say(f"look      speciation top{_on(place)}")


@speciation.command()
@store_option
@click.option(
    "--at-once", type=Whole(1, 1000), metavar="K", help="From now on, run K at a time."
)
@json_option
def jobs(store: str, at_once: int | None, as_json: bool) -> None:
    """List the jobs of a queue: running ones, waiting ones, and what became of the others.

    Needs no cluster: the queue is kept beside the results.

    Example:  [bold cyan]speciation jobs --store s3://bucket/results[/]
    """
    from cluster.heartbeat import idle_note
    from cluster.job_queue import JobQueue, State
    from cluster.launch import existing_store
    from cluster.overview import overview
    from cluster.top import job_json, job_table
    from speciation.tables.files import open_files

    queue = JobQueue(existing_store(store), time.time)
    if at_once is not None:
        queue.limit(at_once)
    listed = queue.jobs()
    runs = sorted({job.run for job in listed})
    views = {view.run: view for view in overview(queue.store, listed, runs)}
    if as_json:
        print_json([job_json(job, views[job.run]) for job in listed])
        return
    if at_once is not None:
        say(f"from now on, {at_once} at a time")
    if not listed:
        say(f"no job was ever submitted to {queue.store.uri}; `speciation submit` is the way")
        return
    console().print(job_table(listed, views, time.time()))
    for job in listed:
        if job.reason:
            say(f"{job.id}: {job.reason}")
    waiting = sum(job.state in (State.QUEUED, State.RUNNING) for job in listed)
    if note := idle_note(open_files(queue.store.uri), waiting, time.time()):
        say(note)


@speciation.command()
@job_argument
@store_option
@address_option
@click.option("--follow", "-f", is_flag=True, help="Go on until the job is over.")
def logs(job: str, store: str, address: str | None, follow: bool) -> None:
    """Print what a job said: one JSON object a line. Kept with the results when it is over.

    Of several jobs of one run, the one that runs, or the latest.

    Example:  [bold cyan]speciation logs sprinter --follow[/]
    """
    from cluster.job_queue import JobQueue, State
    from cluster.job_words import followed, json_lines_of
    from cluster.launch import existing_store, ray_jobs

    queue = JobQueue(existing_store(store), time.time)
    found = queue.find(job)
    pieces: Iterable[str]
    if follow and found.state in (State.QUEUED, State.RUNNING):
        pieces = followed(queue, found.id, ray_jobs(address), partial(click.echo, err=True))
    else:
        pieces = [_words_of(found, store, address)]
    for line in json_lines_of(pieces):
        say(line)


def _words_of(job: Job, store: str, address: str | None) -> str:
    """What a job's latest attempt has said so far: kept in the store, or by its cluster."""
    from cluster.dispatcher import kept_log
    from cluster.executor import ExecutorError
    from cluster.job_queue import State
    from cluster.job_words import has_end
    from cluster.launch import LaunchError, ray_jobs

    if job.submission_id is None:
        raise LaunchError(f"job {job.id} has not begun, so it has said nothing")
    kept = None if job.state is State.RUNNING else kept_log(store, job)
    if kept is not None and has_end(kept):
        return kept
    try:
        return ray_jobs(address).logs(job.submission_id)
    except ExecutorError:
        if kept is None:
            raise
        return kept  # of a run that died there is no more, or it is kept in some seconds


@speciation.command()
@job_argument
@store_option
def cancel(job: str, store: str) -> None:
    """Take a job out of the queue, or stop it if it runs. What it has finished is kept.

    Example:  [bold cyan]speciation cancel sprinter[/]
    """
    from cluster.job_queue import JobQueue, State
    from cluster.launch import existing_store

    queue = JobQueue(existing_store(store), time.time)
    found = queue.find(job)
    queue.cancel(found)
    running = found.state is State.RUNNING
    what = "is asked to stop; every finished trial is kept" if running else "is cancelled"
    say(f"{found.id} {what}; go on with: speciation retry {found.id}{_on(store)}")


@speciation.command()
@job_argument
@store_option
@address_option
def retry(job: str, store: str, address: str | None) -> None:
    """Run a job again that failed or was cancelled. It goes on from what is stored.

    Example:  [bold cyan]speciation retry sprinter[/]
    """
    from cluster.job_queue import JobQueue
    from cluster.launch import dispatched, existing_store, lasting_place, ray_jobs
    from cluster.shipping import pack

    queue = JobQueue(existing_store(lasting_place(store)), time.time)
    found = queue.find(job)
    cluster = ray_jobs(address)
    queue.retry(found)
    with _saying(False) as tell:
        dispatched(cluster, found, queue.store.uri, pack(), tell)
    say(f"{found.id} is queued again")


@speciation.command()
@store_option
@address_option
@json_option
def dispatch(store: str, address: str | None, as_json: bool) -> None:
    """Have a cluster work on a queue: where another one was lost, this one goes on.

    Example:  [bold cyan]speciation dispatch --store s3://bucket/results --address head:6379[/]
    """
    from cluster.launch import begun, existing_store, lasting_place, ray_jobs
    from cluster.own_cluster import named
    from cluster.shipping import pack

    place = existing_store(lasting_place(store)).uri
    parcel, cluster = pack(), ray_jobs(address)
    with _saying(as_json) as tell:
        own, started = begun(cluster, place, parcel, tell)
    if as_json:
        uploaded = parcel.summary() if started else None
        told = {"dispatcher": own, "started": started, "uploaded": uploaded}
        print_json(told | {"cluster": cluster.address})
        return
    say(f"{own} works on the queue of {place}, at {named(cluster.address)}")
    if started:
        say(f"uploaded {parcel.summary()}")


@speciation.command("run-job", hidden=True)
@click.option("--store", required=True, help="Whose queue.")
@click.option("--job", required=True, help="Which job.")
@click.option("--attempt", type=int, required=True, help="Which attempt this is.")
@click.option("--devices", type=float, required=True, help="How many it may use.")
def run_job(store: str, job: str, attempt: int, devices: float) -> None:
    """Run a job of the queue. The dispatcher calls this, inside a job of Ray's.

    Example:  [bold cyan]speciation run-job --store results --job ID --attempt 1 --devices 1[/]
    """
    from cluster.executor import ExecutorError
    from cluster.job_queue import JobQueue
    from cluster.launch import existing_store
    from cluster.log_lines import LogReporter, json_lines, log_as_json
    from cluster.training import RunError
    from speciation.tables.files import StoreError

    tell = json_lines(sys.stdout, job=job, attempt=attempt)
    log_as_json(tell)
    queue = JobQueue(existing_store(store), time.time)
    found = queue.find(job)
    tell("started", run=found.run, devices=devices)
    try:
        config = queue.config_of(found)
        with LogReporter(tell) as reporter:
            summary = _carry_out(config, reporter, devices)
    except Exception as error:
        if not (sentence := _foreseen(error)):
            raise
        # What the cluster or the disk did is no verdict on the run: it may be tried again.
        transient = isinstance(error, ExecutorError | RunError | StoreError | OSError)
        queue.end(found, attempt, "gave up" if transient else "failed", sentence)
        tell("failed", reason=sentence)
        sys.exit(2)
    if summary.stopped:
        sys.exit(130)
    try:
        _write_results(queue.store, config, summary)
    except OSError as error:  # the tables have it all: `speciation report` draws it again
        tell("not drawn", reason=_foreseen(error) or str(error))
    queue.end(found, attempt, "succeeded")


@speciation.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@store_option
@click.option("--once", is_flag=True, help="Draw it once and end.")
@click.option("--every", default=2.0, show_default=True, metavar="SECONDS", help="How often.")
@json_option
def top(runs: tuple[str, ...], store: str, once: bool, every: float, as_json: bool) -> None:
    """Watch the runs of a store, wherever they run: their tables, and their pulse.

    Without RUN, those that run now or, if none does, the latest.

    Example:  [bold cyan]speciation top --store s3://bucket/results[/]
    """
    from cluster.job_queue import JobQueue
    from cluster.launch import existing_store
    from cluster.top import as_json as plainly
    from cluster.top import looks, screen

    queue = JobQueue(existing_store(store), time.time)

    def look() -> tuple[Any, Any]:
        listed = queue.jobs()
        return _watched(queue.store, listed, runs), listed

    shown = console()
    if as_json:
        print_json(plainly(*look(), time.time()))
        return
    if once or not shown.is_terminal:
        shown.print(screen(*look(), queue.store.uri, time.time()))
        return
    from rich.live import Live

    seen = looks(look, partial(time.sleep, max(every, 0.2)))
    with Live(console=shown, screen=True, auto_refresh=False) as live:
        for views, listed in seen:
            live.update(screen(views, listed, queue.store.uri, time.time()), refresh=True)


@speciation.group("cluster")
def cluster_group() -> None:
    """Start a Ray cluster on this machine that nobody else may enter, and stop it.

    Example:  [bold cyan]speciation cluster start[/]
    """


@cluster_group.command("start")
@click.option(
    "--nodes", type=Whole(1, 16), metavar="N", default=1, show_default=True, help="Of Ray."
)
@click.option("--cpus", type=Whole(1), metavar="N", help="Cores of each node.")
@click.option("--gpus", type=Whole(0), metavar="N", help="GPUs of each node.")
@click.option(
    "--port", type=PORT, metavar="N", default=6379, show_default=True, help="Of the cluster."
)
@click.option(
    "--dashboard-port",
    type=PORT,
    metavar="N",
    default=8265,
    show_default=True,
    help="On loopback only.",
)
@click.option(
    "--metrics",
    is_flag=True,
    help="Serve metrics for Prometheus: numbers that everybody who reaches the ports can read.",
)
@json_option
def cluster_start(as_json: bool, **settings: Any) -> None:
    """Start a Ray cluster on this machine, closed to everyone without its token.

    Its ports are found by listing sockets, and each is asked without a token: if one answers,
    the cluster is stopped again. Several nodes on one machine are for trying things out.

    Example:  [bold cyan]speciation cluster start --nodes 2 --cpus 1 --gpus 2[/]
    """
    from cluster.launch import require

    require("ray")
    from cluster.local_cluster import start

    with _saying(as_json) as tell:
        started = start(tell, **settings)
    if as_json:
        print_json(_plain(started))
        return
    say(f"cluster   {started.address}, {started.nodes} nodes")
    say(f"dashboard {started.dashboard}, on this machine only")
    say(f"closed    {started.listeners} listeners, none answers without the token")
    if started.metrics:
        say(f"metrics   read by anybody who reaches: {', '.join(started.metrics)}")
    say("use       speciation submit quickstart")


@cluster_group.command("stop")
def cluster_stop() -> None:
    """Stop the cluster that was started here. Results and queue stay.

    Example:  [bold cyan]speciation cluster stop[/]
    """
    from cluster.launch import require

    require("ray")
    from cluster.local_cluster import stop

    with _saying(False) as tell:
        count = stop(tell)
    say(f"stopped   {count} processes")


@speciation.group()
def store() -> None:
    """Look at a store of results, check it, tidy it, join two.

    Example:  [bold cyan]speciation store info results[/]
    """


store_argument = click.argument("place", metavar="[STORE]", default=DEFAULT_STORE)


@store.command()
@store_argument
@json_option
def info(place: str, as_json: bool) -> None:
    """Count what a store holds.

    Example:  [bold cyan]speciation store info results[/]
    """
    from cluster.launch import existing_store

    found = existing_store(place).info()
    if as_json:
        print_json(_plain(found))
        return
    rows = [[t.name, f"{t.parts:,}", f"{t.rows:,}", _size(t.bytes)] for t in found.tables]
    show_table(f"store {found.uri}", ["table", "parts", "rows", "size"], rows)
    outcomes = ", ".join(f"{count:,} {name}" for name, count in found.outcomes.items())
    lines = [f"trials  {outcomes or 'none'}", f"genomes  {found.genomes:,}"]
    lines += [f"runs  {', '.join(found.runs) or 'none'}"]
    for line in [*lines, *map(str, found.bad)]:
        say(line)


@store.command()
@store_argument
@json_option
def verify(place: str, as_json: bool) -> None:
    """Read every byte again and say what is damaged. Changes nothing; exit code 1 if so.

    Example:  [bold cyan]speciation store verify results[/]
    """
    from cluster.launch import existing_store

    check = existing_store(place).verify()
    if as_json:
        print_json(_plain(check) | {"ok": check.ok})
    else:
        rows = [
            [t.name, f"{t.parts:,}", f"{t.rows:,}", f"{len(t.bad)}", f"{t.quarantined}"]
            for t in check.tables
        ]
        header = ["table", "parts", "rows", "damaged", "put aside"]
        show_table(f"store {check.uri}", header, rows)
        sentences = [*check.manifests, *(str(bad) for t in check.tables for bad in t.bad)]
        sentences += [
            f"part {t.name}/{name}: written by a newer version of this program"
            for t in check.tables
            for name in t.newer
        ]
        for sentence in sentences or ["every part is what its name says"]:
            say(sentence)
    if not check.ok:
        sys.exit(1)


@store.command()
@store_argument
@json_option
def compact(place: str, as_json: bool) -> None:
    """Join small parts into large ones; nothing is lost, readers may go on.

    Example:  [bold cyan]speciation store compact results[/]
    """
    from cluster.launch import existing_store

    done = existing_store(place).compact()
    if as_json:
        print_json([_plain(table) for table in done])
        return
    rows = [
        [
            t.name,
            f"{t.parts_before:,} → {t.parts_after:,}",
            f"{_size(t.bytes_before)} → {_size(t.bytes_after)}",
        ]
        for t in done
    ]
    show_table(f"store {place}", ["table", "parts", "size"], rows)


@store.command()
@click.argument("into", metavar="STORE")
@click.argument("other", metavar="OTHER")
@json_option
def merge(into: str, other: str, as_json: bool) -> None:
    """Take everything that OTHER knows into STORE. Twice does no harm.

    Example:  [bold cyan]speciation store merge results /mnt/laptop/results[/]
    """
    from cluster.launch import existing_store
    from speciation.tables.store import Store

    merged = Store(into).merge(existing_store(other))
    if as_json:
        print_json(_plain(merged))
        return
    say(
        f"{merged.copied:,} parts and {merged.manifests:,} manifests copied, "
        f"{merged.present:,} parts were here already"
    )
    for sentence in [*map(str, merged.bad), *merged.damaged]:
        say(sentence)


# -- Validating -----------------------------------------------------------------------------


def _validate(
    genomes: tuple[str, ...],
    out: Path | None,
    figures: str | None,
    only_plan: bool,
    show: bool,
    as_json: bool,
    told: dict[str, Any],
) -> None:
    from cluster.validate import check
    from cluster.validate_plan import plan
    from cluster.validate_text import document, other_models, plan_document, plan_text
    from dashboards.export import installed
    from speciation.analysis.sequential import rule
    from speciation.tables.store import Store

    place = Store(told["store"] or DEFAULT_STORE)
    until = rule(told["until"]) if told["until"] else None
    if figures:
        installed()  # or it would be missed only when everything is computed
    asked = _asked(genomes, place, told)
    check(asked, until, told["against"])
    planned = plan(asked, place)
    click.echo(plan_text(asked, planned, sooner=until is not None), err=as_json)
    if note := other_models(asked):
        click.echo(note, err=as_json)
    if only_plan:
        if as_json:
            print_json(plan_document(planned))
        return
    folder = page_folder(out, place, "validation")
    folder.mkdir(parents=True, exist_ok=True)  # or it would be missed only after the training
    done = _fill_up(asked, planned, place, until, told["against"], as_json)
    if done.found is None:
        go_on = f" with --skip {asked.passed_over} in place of --fresh" if told["fresh"] else ""
        go_on = f"the same command{go_on} goes on"
        click.echo(f"stopped; what has finished is stored; {go_on}", err=True)
        sys.exit(130)
    written = _write_validation(
        done.found, asked, document(asked, done), place, folder, figures
    )
    if as_json:
        print_json(document(asked, done))
    else:
        for sentence in done.said:
            say(sentence)
        _show_validation(done.found, written)
    if show:
        show_page(folder / "validation.html")


def _asked(genomes: tuple[str, ...], place: Store, told: dict[str, Any]) -> Asked:
    """What the words and options of a validation come to."""
    from cluster.launch import settings_told
    from cluster.validate_asked import ask

    return ask(
        genomes,
        place,
        seeds=told["seeds"],
        start=told["skip"],
        fresh=told["fresh"],
        groups=told["groups"],
        by_group=(told["by"] or ("group" if told["groups"] else "genome")) == "group",
        blocks=told["blocks"],
        overrides=settings_told(told),
    )


def _fill_up(
    asked: Asked,
    planned: Plan,
    place: Store,
    until: Rule | None,
    reference: str | None,
    as_json: bool,
) -> Outcomes:
    """Train what is missing of a validation, until somebody asks to stop; what came of it."""
    from cluster.launch import executor_for, stop_signals
    from cluster.validate import validate

    tell_engine, missing = partial(click.echo, err=as_json), planned.to_train
    engine = (
        executor_for(asked.config, trials=missing, tell=tell_engine)
        if missing
        else nullcontext(None)
    )
    with stop_signals() as stop, bars(as_json) as tell, engine as executor:
        return validate(
            asked,
            place,
            executor,
            begun=planned,
            until=until,
            reference=reference,
            tell=tell,
            stop=stop,
        )


def _write_validation(
    found: Validation,
    asked: Asked,
    told: dict[str, Any],
    place: Store,
    folder: Path,
    figures: str | None,
) -> list[Path]:
    """Page, tables and JSON, and pictures where they are wanted; the folder is there."""
    from dashboards.export import pictures
    from dashboards.validation import report as write
    from speciation.tables.files import LocalFiles

    written = write(found, place, told, asked.config.kind, folder)
    body = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    LocalFiles(folder.absolute()).replace("validation.json", body.encode("utf-8"))
    if figures:
        written += pictures(folder / "validation.html", folder, figures)
    return [*written, folder / "validation.json"]


def _show_validation(found: Validation, written: list[Path]) -> None:
    from cluster.validate_text import (
        HEADER,
        SHRINK_HEADER,
        SPLIT_HEADER,
        rows,
        sentences,
        shrink_rows,
        split_rows,
    )

    show_table(f"at {found.horizon:,} steps", HEADER, rows(found))
    if found.shrinkage:
        show_table(
            "what was selected beside what is confirmed", SHRINK_HEADER, shrink_rows(found)
        )
    if found.components:
        show_table("where luck comes from", SPLIT_HEADER, split_rows(dict(found.components)))
    for sentence in sentences(found):
        say(sentence)
    for path in written:
        say(f"wrote  {path}")


def _show_published(path: Path, out: Path | None, show: bool, as_json: bool) -> None:
    from cluster.validate_text import published_sentences
    from dashboards.published import report as write
    from speciation.analysis.ranking import TYPICAL_SPREAD
    from speciation.analysis.validation import published

    found = published(path)
    sentences = published_sentences(found, TYPICAL_SPREAD)
    folder = out or Path(DEFAULT_STORE) / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{path.stem}.html"
    write(found, path.name, sentences, page)
    if show:
        show_page(page)
    if as_json:
        luck = _plain(found.luck) | {"plausible": found.plausible}
        told = {"genomes": len(found.table), "variation": found.variation, "luck": luck}
        print_json(told | {"sentences": sentences, "page": str(page)})
        return
    top = found.table.head(10)
    listed = [
        [str(own), f"{steps:,.0f}"]
        for own, steps in zip(top["hash"], top["steps"], strict=True)
    ]
    show_table(f"published figures of {path}", ["genome", "steps"], listed)
    for sentence in sentences:
        say(sentence)
    say(f"wrote  {page}")


# -- Driving a run --------------------------------------------------------------------------


def _drive(config: RunConfig, as_json: bool) -> None:
    from cluster.launch import LaunchError
    from cluster.progress import reporter_for
    from speciation.tables.store import Store, StoreUnavailable

    place, shown = Store(config.store), console()
    try:
        with reporter_for(config, shown, as_json) as reporter:
            summary = _carry_out(config, reporter)
    except StoreUnavailable as error:
        raise LaunchError(
            f"interrupted: {error}. What was stored is kept; the same command goes on"
        ) from error
    if summary.stopped:
        go_on = f"speciation resume {config.run_id()}{_on(config.store)}"
        click.echo(f"stopped; every finished trial is stored; go on with: {go_on}", err=as_json)
        sys.exit(130)
    files = _write_results(place, config, summary)
    if not as_json:
        _show_end(shown, config, summary, files)


def _carry_out(config: RunConfig, reporter: Reporter, devices: float = math.inf) -> RunSummary:
    """Run to the end, or until somebody asks to stop; the run's pulse is told meanwhile."""
    from cluster.driver import run
    from cluster.launch import executor_for, pulse_keeper, stop_signals
    from speciation.tables.store import Store

    place = Store(config.store)
    engine = executor_for(config, devices, tell=reporter.note)
    with stop_signals() as stop, engine as executor:
        pulse = pulse_keeper(config)

        def report(progress: Progress) -> None:
            pulse(progress)
            reporter(progress)

        return run(config, place, executor, report, stop)


def _write_results(place: Store, config: RunConfig, summary: RunSummary) -> dict[str, Path]:
    """The champion's genome file and the report, where there is a folder for them."""
    files = {}
    if genome := write_champion(place, config, summary.champion):
        files["genome"] = genome
    if _folder(place, summary.run) is not None:
        files["report"] = write_report(place, summary.run, None)
    return files


def _watched(place: Store, listed: list[Job], runs: tuple[str, ...]) -> list[RunView]:
    """Those runs; or those that run now; or the latest."""
    from cluster.job_queue import State
    from cluster.manifest import find_run
    from cluster.overview import overview

    if runs:
        asked = {job.run for job in listed}
        return overview(place, listed, [r if r in asked else find_run(place, r) for r in runs])
    views = overview(place, listed)
    now = time.time()
    live = [view for view in views if view.alive(now) or view.state == State.RUNNING.value]
    return live or sorted(views, key=lambda view: view.pulse.at if view.pulse else 0.0)[-1:]


def _has_ended(state: str) -> str:
    return "was cancelled" if state == "cancelled" else "failed"


def _show_parcel(parcel: Parcel, as_json: bool) -> None:
    if as_json:
        print_json({"code": parcel.name, "commit": parcel.commit, "files": dict(parcel.files)})
        return
    for name, size in parcel.files.items():
        say(f"{size:>9,}  {name}")
    say(parcel.summary())


def write_champion(place: Store, config: RunConfig, champion: Champion | None) -> Path | None:
    """Write a run's champion as a genome file beside its manifest, if there are both."""
    from cluster.config import DEFAULT_TRACK
    from speciation.genome.library import save_genome

    run = config.run_id()
    folder = _folder(place, run)
    if champion is None or folder is None:
        return None
    own_task = {"task": config.the_task().as_dict()}
    provenance = {
        "source": f"champion of the run {run}, found by {config.evolution.search}",
        "run": run,
        **(own_task if config.task else {"track": config.track or DEFAULT_TRACK}),
        "model": config.the_model().as_dict(),
        "horizon": config.the_horizon(),
        "landscape": config.evolution.landscape,
        "in_hall_of_fame": champion.in_hall_of_fame,
        "selected": _plain(champion.selected),
        "confirmed": _plain(champion.confirmed),
    }
    path = folder / "champion.json"
    save_genome(path, champion.genome, provenance, f"Champion of {run}")
    return path


def write_report(place: Store, run: str, output: Path | None) -> Path:
    """Write a run's report beside its manifest, or where one says."""
    # Plotly and the figures are not needed until there is something to draw.
    from dashboards.report import report as write

    if output is None:
        folder = _folder(place, run)
        output = folder / "report.html" if folder else Path(f"{run}.html")
    write(place, run, target(output))
    return output


def _folder(place: Store, run: str) -> Path | None:
    """Where a run's manifest is; None if that is not a folder of this machine."""
    return None if "://" in place.uri else Path(place.uri) / "runs" / run


@contextmanager
def _saying(quiet: bool) -> Iterator[Callable[[str], None]]:
    """What tells what is going on: one line that changes on a terminal, else lines."""
    shown = console()
    if quiet or not shown.is_terminal:
        yield lambda sentence: click.echo(sentence, err=quiet)
        return
    with shown.status("") as status:
        yield status.update


# -- Saying things --------------------------------------------------------------------------


def _on(store: str) -> str:
    """The option that names a store, where it needs one."""
    usual = store in (DEFAULT_STORE, os.path.abspath(DEFAULT_STORE))
    return "" if usual else f" --store {shlex.quote(store)}"


def _show_end(
    shown: Console, config: RunConfig, summary: RunSummary, files: dict[str, Path]
) -> None:
    from rich.text import Text

    from cluster.progress import FAINT
    from cluster.progress_text import duration_text

    if summary.champion is None:
        say("no trial of this run could be judged; `speciation store info` counts them")
    else:
        _show_champion(shown, summary.champion, config)
    trained = f"{summary.finished:,} trials in {duration_text(summary.seconds)}"
    lines = {
        "trained": f"{trained}; {summary.known:,} were known already",
        **{name: str(path) for name, path in files.items()},
        "look": f"speciation report {summary.run} --open{_on(config.store)}",
        "go on": f"speciation resume {summary.run} --generations +5{_on(config.store)}",
    }
    for name, line in lines.items():
        style = "cyan" if line.startswith("speciation ") else ""
        shown.print(Text.assemble((f"{name:<9} ", FAINT), (line, style)), soft_wrap=True)


def _show_champion(shown: Console, champion: Champion, config: RunConfig) -> None:
    from cluster.progress import champion_table

    shown.print(f"\n[bold]champion[/]  [cyan]{champion.genome.id}[/]", soft_wrap=True)
    if not champion.in_hall_of_fame:
        bound = f"{config.evolution.strictness:g}"
        shown.print(f"          [yellow]not in the Hall of Fame (strictness {bound})[/]")
    shown.print(champion_table(champion, config.the_horizon()))


def _show_fidelity(found: Found, out: Path) -> None:
    from cluster.fidelity import HEADER, rows
    from dashboards.fidelity import headline

    show_table(headline(found.fidelity), HEADER, rows(found.fidelity))
    for control in found.fidelity.controls:
        say(f"{'caught' if control.caught else 'MISSED'}  {control.name}: {control.fault}")
    say(f"report  {out / 'fidelity.html'}")
    say(f"json    {out / 'fidelity.json'}")


def _show_bench(found: dict[str, Any]) -> None:
    from cluster.bench_text import sentences, tables

    say(f"{found['device']['name']}, {found['roofline']['threads']} threads")
    for table in tables(found):
        show_table(*table)
    for sentence in sentences(found):
        say(sentence)


def _show_checks(checks: list[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": ("✓", "green"), "note": ("!", "yellow"), "missing": ("✗", "red")}
    table = Table.grid(padding=(0, 2))
    for check in checks:
        table.add_row(Text(*marks[check.state]), check.what, Text(check.found))
        if check.advice:
            table.add_row("", "", Text(check.advice, "bright_black"))
    console().print(table)


def _plain(value: Any) -> Any:
    from cluster.summary import plain

    return plain(value)


def _size(count: int) -> str:
    from cluster.doctor import size_text

    return size_text(count)


if __name__ == "__main__":
    main()
