"""200 generations through the queue and 10,000 seeds of one genome, on a Ray of this machine.

Whoever is asked says the same: the queue, ``top``, what Ray's dashboard shows, and the tables;
and while work goes on, nobody is ahead of the tables. Prints how long it took, for
docs/log.md, with ``pytest -s``. Takes ten minutes or more on two cores.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from speciation.tables.readers import generations_frame, plans_frame, trials_frame
from speciation.tables.store import Store

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(3600)]

pytest.importorskip("ray", reason="jobs need ray")

from tests.cluster.cluster_site import Site, jobs_of_ray  # noqa: E402

GENERATIONS, SEEDS, HORIZON = 200, 10_000, 25
EVOLUTION = {"population": 4, "generations": GENERATIONS, "seeds": 2, "aliens": 1, "elites": 1}
ENGINE = {"device": "cpu", "slots": 12}
LOOK_SECONDS = 10.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    site.started = site.start()
    yield site
    site.stop()


def test_200_generations_are_the_same_for_the_queue_for_top_for_ray_and_in_the_tables(site):
    began = time.monotonic()
    own = site.submit("generations", evolution=EVOLUTION, engine=ENGINE)
    looks = list(watched(site, own))
    print(f"{GENERATIONS} generations in {time.monotonic() - began:.0f} s, {len(looks)} looks")
    assert len(looks) > 2
    for look in looks:
        assert look["before"] <= look["jobs"] <= look["after"]
        assert look["before"] <= look["top"] <= look["after"]
        assert look["ray"] in ("PENDING", "RUNNING", "SUCCEEDED")

    [job] = [job for job in site.json("jobs") if job["job"] == own]
    [run] = site.json("top", job["run"])["runs"]
    trials = trials_frame(Store(site.store), job["run"])
    closed = generations_frame(Store(site.store), job["run"])
    assert job["state"] == run["state"] == "succeeded"
    assert jobs_of_ray(site)[f"run-{own}-1"]["status"] == "SUCCEEDED"
    assert job["generation"] == run["generation"] == closed["generation"].nunique()
    assert job["generation"] == run["pulse"]["generation"] == GENERATIONS
    assert job["trials"] == run["trials"] == run["pulse"]["finished"] == len(trials)
    assert run["outcomes"] == run["pulse"]["outcomes"] == dict(trials["outcome"].value_counts())
    assert run["pulse"]["trial_steps"] == trials["steps_run"].sum()
    planned = plans_frame(Store(site.store), job["run"])["trial_ids"].explode()
    assert set(planned) <= set(trials["trial_id"])


def watched(site: Site, own: str) -> Iterator[dict[str, Any]]:
    """What is said of a job's generations, and what the tables had just before and after."""
    deadline = time.monotonic() + 1800
    while True:
        before = closed_in(site, own)
        [job] = [job for job in site.json("jobs") if job["job"] == own]
        [run] = site.json("top", job["run"])["runs"]
        ray = jobs_of_ray(site).get(f"run-{own}-1", {"status": "PENDING"})
        after = closed_in(site, own)
        yield {
            "before": before,
            "jobs": job["generation"],
            "top": run["generation"],
            "after": after,
            "ray": ray["status"],
        }
        if job["state"] not in ("queued", "running"):
            return
        assert time.monotonic() < deadline, site.call("logs", own)
        time.sleep(LOOK_SECONDS)


def closed_in(site: Site, own: str) -> int:
    """Closed generations of a job's run, in the tables."""
    run = site.job(own)["run"]
    return int(generations_frame(Store(site.store), run)["generation"].nunique())


def test_10_000_seeds_of_one_genome_are_the_same_for_the_command_and_in_the_tables(site):
    asked = ("validate", "tuned-adamw", "--seeds", str(SEEDS), "--horizon", str(HORIZON))
    store = ("--store", str(site.folder / "seeds"), "--executor", "ray", "--device", "cpu")
    began = time.monotonic()
    said = site.call(*asked, *store, "--json", seconds=3000)
    assert said.code == 0, said
    print(f"{SEEDS:,} seeds in {time.monotonic() - began:.0f} s")
    found = json.loads(said.out)
    [arm], [ended] = found["arms"], found["outcomes"]
    trials = trials_frame(Store(site.folder / "seeds"))
    outcomes = dict(trials["outcome"].value_counts())
    assert found["trained"] == arm["trials"] == arm["seeds"] == len(trials) == SEEDS
    assert {name: ended[name] for name in outcomes} == outcomes
    assert sum(outcomes.values()) == trials["seed"].nunique() == SEEDS
    plan = site.json(*asked, *store, "--plan")
    assert (plan["found"], plan["to_compute"]) == (SEEDS, 0)
