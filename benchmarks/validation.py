"""From a store of many trials with curves to the page of their validation: what it costs.

    python benchmarks/validation.py [genomes] [seeds] [folder]

Trials are made up: times of a genome are lognormal around its own mean, some never grok, and
curves rise to where they end. The store is written once and kept in the folder, if one is
named. Timed is ``speciation validate``, as a user calls it, in a process of its own: seconds by
the clock, of the processor, and the most memory that was resident, each as the median of three;
and planning 100,000 missing seeds.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from cluster.validate_asked import Asked, ask
from cluster.validate_plan import plan
from speciation.genome.genome import KINDS, Genome
from speciation.tables.schema import TABLES, genome_row
from speciation.tables.store import Store
from speciation.trial.trial import SEMANTICS, same_but_seed

HORIZON, EVERY, VARIATION = 2500, 25, 0.25
GROUP, TIMES, MISSING, PART = "all", 3, 100_000, 4000


def make_store(folder: Path, genomes: int, seeds: int) -> None:
    """A store with every trial of so many genomes on the first seeds of pool B."""
    store = Store(folder)
    chosen = list(KINDS["hyper17"].random(genomes, np.random.default_rng(0)))
    store.append(
        "genomes", [genome_row(g, origin="chance", run="made-up", generation=0) for g in chosen]
    )
    store.write_group(GROUP, [own.id for own in chosen])
    asked = ask([f"group:{GROUP}"], store, seeds=seeds)
    made = [_rows(asked, genome, number) for number, genome in enumerate(chosen)]
    # Seed by seed, as genomes are trained beside one another.
    order = np.arange(genomes * seeds).reshape(genomes, seeds).T.ravel()
    for table, parts in zip(("trials", "curves"), zip(*made, strict=True), strict=True):
        rows = pa.concat_tables(parts).combine_chunks()
        for start in range(0, len(order), PART):
            store.append(table, rows.take(pa.array(order[start : start + PART])))


def _rows(asked: Asked, genome: Genome, number: int) -> tuple[pa.Table, pa.Table]:
    """All trials of a genome, and their curves."""
    rng = np.random.default_rng(number)
    seeds, trial = asked.seeds, asked.trial(genome.id)
    ids = same_but_seed(trial, seeds)
    mean, count = rng.uniform(400, 2400), len(seeds)
    drawn = mean * np.exp(VARIATION * rng.standard_normal(count))
    times = np.ceil(drawn / EVERY).astype(np.int64) * EVERY
    grokked = (times <= HORIZON) & (rng.random(count) < rng.uniform(0.6, 1.0))
    ran = np.where(grokked, np.minimum(times + 3 * EVERY, HORIZON), HORIZON)
    memorised = np.ceil(times * rng.uniform(0.2, 0.9) / EVERY).astype(np.int64) * EVERY
    same = {
        **trial.task.as_dict(),
        **trial.model.as_dict(),
        "batch": trial.task.batch or 0,
        "genome_id": genome.id,
        "kind": genome.kind,
        "semantics": SEMANTICS,
        "horizon": HORIZON,
        "precision": trial.precision,
        "backend": "made-up",
        "run": "validation",
        "pool": "B",
    }
    own = {
        "trial_id": ids,
        "seed": list(seeds),
        "outcome": np.where(grokked, "grokked", "censored"),
        "steps_run": ran,
        "steps_to_grok": pa.array(times, mask=~grokked),
        "steps_to_memorise": pa.array(memorised, mask=memorised > ran),
        "validation_at_memorise": pa.array(rng.random(count), mask=memorised > ran),
        "best_validation_accuracy": np.where(grokked, 1.0, 0.5),
        "wall_seconds": ran * 1e-4,
    }
    columns = TABLES["trials"].columns
    rows = {name: pa.array(values).cast(columns[name]) for name, values in own.items()}
    rows |= {
        n: pa.repeat(pa.scalar(v, columns[n]), count) for n, v in same.items() if n in columns
    }
    return pa.table(rows), _curves(ids, ran, rng)


def _curves(ids: list[str], ran: np.ndarray, rng: np.random.Generator) -> pa.Table:
    lengths = ran // EVERY
    ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    rise = place / np.repeat(lengths, lengths) + 0.02 * rng.standard_normal(len(place))
    columns = TABLES["curves"].columns
    flat = {name: rise.clip(0, 1) for name in columns if name not in ("trial_id", "step")}
    flat |= {name: np.exp(-5 * flat[name]) for name in ("train_loss", "validation_loss")}
    flat["step"] = place * EVERY
    lists = {
        name: pa.ListArray.from_arrays(ends, pa.array(values).cast(columns[name].value_type))
        for name, values in flat.items()
    }
    return pa.table({"trial_id": pa.array(ids), **lists})


def validated(store: Store, seeds: int, out: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of the processor, and gigabytes of one validation."""
    command = [sys.executable, "-m", "cluster.cli", "validate", f"group:{GROUP}"]
    command += ["--seeds", str(seeds), "--store", store.uri, "--out", str(out)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"validate ended with exit code {process.returncode}")
    clock = time.perf_counter() - began
    return clock, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def planned(store: Store) -> float:
    """Processor seconds of planning seeds that are all missing, as asked for the first time."""
    began = time.process_time()
    wanted = ask(["tuned-adamw"], store, seeds=MISSING)
    assert plan(wanted, store).to_compute == MISSING
    return time.process_time() - began


def main(genomes: int = 300, seeds: int = 1000, *, folder: str = "") -> None:
    """Make the store, if it is not there, and print."""
    with tempfile.TemporaryDirectory() as spare:
        place = Path(folder or spare)
        there = (place / "store" / "groups" / f"{GROUP}.json").exists()
        if not there:
            # Apart, since the peak memory of a process counts that of who started it.
            made = multiprocessing.get_context("spawn").Process(
                target=make_store, args=(place / "store", genomes, seeds)
            )
            made.start()
            made.join()
        store = Store(place / "store")
        plans = [planned(Store(place / "empty")) for _ in range(TIMES)]
        print(f"{genomes:,} genomes × {seeds:,} seeds, load {os.getloadavg()[0]:.1f}")
        told = [validated(store, seeds, place / "page") for _ in range(TIMES)]
        clock, processor, memory = (statistics.median(own) for own in zip(*told, strict=True))
        page = (place / "page" / "validation.html").stat().st_size / 1e6
        print(
            f"validate: {clock:.1f} s by the clock, {processor:.1f} s of the processor, "
            f"at most {memory:.2f} GiB, page of {page:.1f} MB"
        )
        print(f"planning {MISSING:,} missing seeds: {statistics.median(plans):.2f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), folder="".join(sys.argv[3:]))
