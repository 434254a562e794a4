"""A live tick of the Lab over a store of a million trials: how long, and how much it reads.

    python benchmarks/lab_tick.py [ROWS]

Makes a store of synthetic rows (one run), opens its page as a browser would, and then adds a
part of trials before every look and a generation before every fourth. Prints the median and the
worst time of a tick, the size of its answer, and the parts that it read: only the new ones.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from flask.testing import FlaskClient

from cluster.config import make_config
from cluster.manifest import write_manifest
from dashboards.lab.app import make_app
from dashboards.lab.live import Live
from dashboards.lab.sources import Sources
from speciation.genome.genome import HYPER17
from speciation.tables.schema import TABLES
from speciation.tables.store import Store

POPULATION, SEEDS, HORIZON = 1000, 4, 1000
TICKS = 40
HEAD = {"Host": "127.0.0.1:8050", "Origin": "http://127.0.0.1:8050"}


def hexes(rng: np.random.Generator, count: int) -> list[str]:
    """Random ids."""
    text = rng.bytes(16 * count).hex()
    return [text[i : i + 32] for i in range(0, 32 * count, 32)]


def table(name: str, count: int, **columns: object) -> pa.Table:
    """Rows of a table; columns that are not given are null."""
    kinds = TABLES[name].columns
    arrays = {
        column: pa.array(columns[column], kind) if column in columns else pa.nulls(count, kind)
        for column, kind in kinds.items()
    }
    return pa.table(arrays, schema=TABLES[name].schema)


class Growth:
    """A store that grows by generations."""

    def __init__(self, store: Store, run: str) -> None:
        self.store, self.run, self.generation = store, run, 0
        self.rng = np.random.default_rng(1)
        self.genomes = HYPER17.random(POPULATION, self.rng)
        self.ids = [genome.id for genome in self.genomes]
        births = [{**dict(g.genes), "genome_id": g.id} for g in self.genomes]
        named = {key: [row[key] for row in births] for key in births[0]}
        told: dict[str, list[object]] = {
            "kind": ["hyper17"] * POPULATION,
            "run": [run] * POPULATION,
        }
        told |= {"origin": ["random"] * POPULATION, "generation": [0] * POPULATION}
        store.append("genomes", table("genomes", POPULATION, **named, **told))

    def plan(self) -> list[str]:
        """Plan a generation; returns its trials."""
        trials = hexes(self.rng, POPULATION * SEEDS)
        self.store.append(
            "plans",
            table(
                "plans",
                POPULATION,
                run=[self.run] * POPULATION,
                generation=[self.generation] * POPULATION,
                position=list(range(POPULATION)),
                genome_id=self.ids,
                horizon=[HORIZON] * POPULATION,
                trial_ids=[trials[i::POPULATION] for i in range(POPULATION)],
            ),
        )
        return trials

    def finish(self, trials: list[str], generation: int) -> pa.Table:
        """Rows of finished trials."""
        count = len(trials)
        grokked = (self.rng.random(count) < 0.7).tolist()
        steps = self.rng.integers(100, HORIZON, count).tolist()
        ran = [s if own else HORIZON for s, own in zip(steps, grokked, strict=True)]
        return table(
            "trials",
            count,
            trial_id=trials,
            genome_id=[self.ids[i % POPULATION] for i in range(count)],
            kind=["hyper17"] * count,
            seed=[0] * count,
            horizon=[HORIZON] * count,
            outcome=["grokked" if own else "censored" for own in grokked],
            steps_to_grok=[s if own else None for s, own in zip(ran, grokked, strict=True)],
            steps_run=ran,
            run=[self.run] * count,
            generation=[generation] * count,
            pool=["A"] * count,
        )

    def close(self) -> None:
        """Close the generation at hand."""
        fitness = np.sort(self.rng.random(POPULATION) * HORIZON)
        order = self.rng.permutation(POPULATION)
        self.store.append(
            "generations",
            table(
                "generations",
                POPULATION,
                run=[self.run] * POPULATION,
                generation=[self.generation] * POPULATION,
                genome_id=[self.ids[i] for i in order],
                position=list(range(POPULATION)),
                trials=[SEEDS] * POPULATION,
                successes=[3] * POPULATION,
                failed=[0] * POPULATION,
                passes_gate=[True] * POPULATION,
                rank=list(range(POPULATION)),
                **dict.fromkeys(("rmst", "sprinter", "tank", "sniper"), fitness),
                **{f"{n}_se": fitness / 10 for n in ("rmst", "sprinter", "tank", "sniper")},
            ),
        )
        self.generation += 1


def build(folder: Path, rows: int) -> Growth:
    """A store of so many trials, in parts as compaction leaves them."""
    config = make_config(
        {
            "name": "million",
            "horizon": HORIZON,
            "evolution": {"population": POPULATION, "generations": 10_000, "seeds": SEEDS},
        },
        "benchmark",
    )
    store = Store(folder)
    write_manifest(store, config, "running", 0, None, ())
    growth, waiting = Growth(store, config.run_id()), []
    for _ in range(rows // (POPULATION * SEEDS)):
        waiting.append(growth.finish(growth.plan(), growth.generation))
        growth.close()
        if len(waiting) == 25:
            store.append("trials", pa.concat_tables(waiting))
            waiting = []
    if waiting:
        store.append("trials", pa.concat_tables(waiting))
    return growth


class Page:
    """A page of the Lab, asked as a browser asks."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        told = client.get("/_dash-dependencies", headers=HEAD).get_json()
        self.tick_of = next(
            own for own in told if any(i["id"] == "tick" for i in own["inputs"])
        )

    def tick(self, number: int, seen: object, follow: bool) -> tuple[object, int]:
        """Ask what is new; returns what the page has seen now, and the answer's bytes."""
        names = self.tick_of["output"].strip(".").split("...")
        outputs = [dict(zip(("id", "property"), n.split("."), strict=True)) for n in names]
        states = (("seen", seen), ("follow", follow))
        body = {
            "output": self.tick_of["output"],
            "outputs": outputs,
            "inputs": [{"id": "tick", "property": "n_intervals", "value": number}],
            "changedPropIds": ["tick.n_intervals"],
            "state": [{"id": i, "property": "data", "value": value} for i, value in states],
        }
        answer = self.client.post("/_dash-update-component", json=body, headers=HEAD)
        assert answer.status_code == 200, answer.text[:300]
        return answer.get_json()["response"]["seen"]["data"], len(answer.data)


def main(rows: int) -> None:
    """Build, open, tick, print."""
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        growth = build(Path(place), rows)
        print(f"store of {rows:,} trials made in {time.perf_counter() - began:.1f} s")
        sources = Sources(Path(place), Path(place))
        page = Page(make_app(sources, 8050).server.test_client())
        began = time.perf_counter()
        live = sources.shared(Live)
        live.run(growth.run)
        print(f"first look: {time.perf_counter() - began:.2f} s, {live.reads:,} parts read")
        times: dict[str, list[float]] = {"trials only": [], "a generation closed": []}
        sizes: dict[str, list[int]] = {kind: [] for kind in times}
        extra = []
        trials = growth.plan()
        seen, _ = page.tick(0, {"run": growth.run}, True)
        for number in range(TICKS):
            piece = trials[number % 4 :: 4]
            growth.store.append("trials", growth.finish(piece, growth.generation))
            kind = "trials only"
            new = 1
            if number % 4 == 3:
                growth.close()
                trials = growth.plan()
                kind, new = "a generation closed", 3
            before, began = live.reads, time.perf_counter()
            seen, size = page.tick(number + 1, seen, True)
            times[kind].append(time.perf_counter() - began)
            sizes[kind].append(size)
            extra.append(live.reads - before - new)
        for kind, told in times.items():
            print(
                f"tick, {kind}: median {1000 * statistics.median(told):.0f} ms, "
                f"worst {1000 * max(told):.0f} ms of {len(told)}; answers of "
                f"{statistics.median(sizes[kind]):,.0f} bytes, up to {max(sizes[kind]):,}"
            )
        print(f"parts read beside the new ones: {sum(extra)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
