"""A child is kept once, and begins validations and runs with its parents told."""

from __future__ import annotations

import sys
import time

import pytest

from cluster.yaml_text import read_yaml
from dashboards.lab import launcher as module
from dashboards.lab.choosing import store_at
from dashboards.lab.forge_orders import keep, seed, validate
from dashboards.lab.launcher import Launcher, LaunchRefused
from dashboards.lab.sources import Sources
from dashboards.lab.splicing import Splicing
from dashboards.lab.works import FOLDER, tail
from speciation.genome.collection import read_collection
from tests.dashboards.lab.hostile import JUNK
from tests.dashboards.lab.test_forge_page import ADA, BOB, CYD, MADE, scene

SAYING = (sys.executable, "-u", "-c", "import sys; print(*sys.argv[1:])")

pytestmark = pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")


@pytest.fixture
def sources(tmp_path, monkeypatch) -> Sources:
    monkeypatch.setattr(module, "has_extra", lambda name: True)
    (tmp_path / "genomes").mkdir()
    return Sources(tmp_path / "store", tmp_path / "genomes")


@pytest.fixture
def launcher(sources) -> Launcher:
    """One that starts a program which repeats what it is told, and ends."""
    own = Launcher(sources, SAYING)
    yield own
    settled(own)


def settled(launcher: Launcher) -> None:
    """Wait until everything that was started has ended."""
    end = time.monotonic() + 10
    while any(work.running for work in launcher.works()):
        assert time.monotonic() < end
        time.sleep(0.01)


CHILD = scene(MADE.taking(BOB.id, ["beta1"]))


def text(said: list) -> str:
    return "".join(own if isinstance(own, str) else str(own.children) for own in said)


def test_a_child_is_kept_once_under_its_own_name_or_a_given_one(sources):
    assert text(keep(sources, CHILD, "")) == "Saved as Ada + beta1 of Bob."
    assert "has it already, as Ada + beta1 of Bob" in text(keep(sources, CHILD, "Other"))
    other = scene(MADE.taking(CYD.id, ["beta1"]))
    assert text(keep(sources, other, " Eve ")) == "Saved as Eve."
    assert len(read_collection(sources.library).genomes) == 2


@pytest.mark.parametrize("junk", [own for own in JUNK if not isinstance(own, str)])
def test_a_name_that_is_none_is_as_if_none_was_given(sources, junk):
    assert text(keep(sources, CHILD, junk)) == "Saved as Ada + beta1 of Bob."


def test_a_validation_begins_with_the_child_and_the_store_knows_its_parents(sources, launcher):
    said = validate(launcher, sources, CHILD, 7)
    genome = CHILD.child.genome
    (work,) = launcher.works()
    assert said[1].href == f"/stress?genomes={genome.id}&seeds=7&work={work.name}"
    (row,) = store_at(sources.store).select("genomes", [genome.id]).table.to_pylist()
    assert (row["mother"], row["father"], row["donor_genes"]) == (ADA.id, BOB.id, ["beta1"])
    settled(launcher)
    assert "--seeds 7 " in tail(sources.store, work.name)


def test_a_run_begins_with_the_child_as_ancestor(sources, launcher):
    said = seed(launcher, sources, CHILD, "quickstart")
    (work,) = launcher.works()
    assert said[1].href == f"/evolution?run={work.name}"
    config = read_yaml(sources.store / FOLDER / f"{work.name}.yaml")
    assert config["ancestors"] == [{"kind": "hyper17", "genes": dict(CHILD.child.genome.genes)}]


def test_a_child_that_is_its_recipient_has_no_parents(sources, launcher):
    validate(launcher, sources, scene(Splicing().among(ADA.id, [])), 1)
    (row,) = store_at(sources.store).select("genomes", [ADA.id]).table.to_pylist()
    assert (row["origin"], row["mother"], row["father"]) == ("given", None, None)


@pytest.mark.parametrize("junk", [own for own in JUNK if type(own) is not int])
def test_what_cannot_be_ordered_is_one_sentence_and_nothing_starts(sources, launcher, junk):
    with pytest.raises(LaunchRefused, match="must be a whole number"):
        validate(launcher, sources, CHILD, junk)
    with pytest.raises(LaunchRefused, match="presets are"):
        seed(launcher, sources, CHILD, junk)
    assert launcher.works() == ()
