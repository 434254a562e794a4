"""The import rules of the project, as a test.

Two ways of looking, because either alone can be fooled: the source of every module is read,
imports inside functions included, and a fresh interpreter shows what an import really loads.
The rules themselves are tested on planted violations, so that they cannot fall asleep.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("speciation", "cluster", "dashboards")

# Which rooms a room may enter, besides itself. Inner rooms first: this is the reading order.
SEEDS = ("speciation.seeds",)
GENOME = (*SEEDS, "speciation.genome")
TRIAL = (*GENOME, "speciation.trial")
TABLES = (*TRIAL, "speciation.tables")
EVOLUTION = (*TABLES, "speciation.evolution")
MAY_ENTER: dict[str, tuple[str, ...]] = {
    "speciation.seeds": (),
    "speciation.genome": SEEDS,
    "speciation.trial": GENOME,
    "speciation.engine": TRIAL,
    "speciation.tables": TRIAL,
    "speciation.evolution": TABLES,
    "speciation.analysis": EVOLUTION,
    "speciation.analysis.interpret": (*EVOLUTION, "speciation.analysis", "speciation.engine"),
    "cluster": ("speciation",),
    # The front door: a command may draw a report.
    "cluster.cli": (
        "speciation",
        "cluster",
        "dashboards.report",
        "dashboards.fidelity",
        "dashboards.bench",
        "dashboards.validation",
        "dashboards.published",
        "dashboards.export",
    ),
    "cluster.cli_genomes": (
        "speciation",
        "cluster",
        "dashboards.anatomy",
        "dashboards.figures.genes",
        "dashboards.forge",
        "dashboards.lab",
        "dashboards.taxonomy",
        "dashboards.words",
    ),
    "cluster.cli_searches": (
        "speciation",
        "cluster",
        "dashboards.crosses",
        "dashboards.epistasis",
        "dashboards.searches",
        "dashboards.sweep",
    ),
    # The Lab names and tags genomes of the library, and offers tracks, besides looking on.
    "dashboards.lab": (
        "dashboards",
        "speciation.trial.task",
        "speciation.tables",
        "speciation.analysis",
        "speciation.genome",
    ),
    # Four know what runs: they start and stop it, plan it, read how it goes, and its lineage.
    "dashboards.lab.planning": ("dashboards", "speciation", "cluster"),
    "dashboards.lab.launcher": ("dashboards", "speciation", "cluster"),
    "dashboards.lab.lineage_view": ("dashboards", "speciation", "cluster"),
    "dashboards.lab.live": ("dashboards", "speciation", "cluster"),
    # Looking on means reading what was written, never running it.
    "dashboards": (
        "speciation.tables",
        "speciation.analysis",
        "speciation.evolution.fitness",
        "speciation.evolution.hall_of_fame",
        "speciation.genome.diversity",
        "speciation.genome.genes",
        "speciation.genome.genome",
    ),
}

# A heavy library has one door, so that it can be missing everywhere else.
DOORS: dict[str, tuple[str, ...]] = {
    "torch": ("speciation.engine", "speciation.analysis.interpret"),
    "optuna": ("speciation.evolution.peers",),
    "cmaes": ("speciation.evolution.peers",),
    "jax": ("speciation.engine.peers.jax_peer",),
    "ray": (
        "cluster.ray_session",
        "cluster.ray_executor",
        "cluster.crew",
        "cluster.engine_actor",
        "cluster.jobs",
        "cluster.own_cluster",
        "cluster.metrics",
        "cluster.dispatcher",
    ),
    "plotly": ("dashboards",),
    "dash": ("dashboards.lab",),
    "click": (
        "cluster.cli",
        "cluster.cli_genomes",
        "cluster.cli_searches",
        "cluster.terminal",
    ),
    "rich_click": (
        "cluster.cli",
        "cluster.cli_genomes",
        "cluster.cli_searches",
        "cluster.terminal",
    ),
    "rich": ("cluster.cli", "cluster.progress", "cluster.terminal", "cluster.top"),
}

# Science is values in, values out: same arguments, same answer, on any day and any machine.
IMPURE = (
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "socket",
    "http",
    "urllib",
    "requests",
)
# A store, a genome or a configuration may come from anybody.
PICKLES = ("pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
PURE = ("speciation", "cluster.campaign", "cluster.dispatch", "cluster.job_queue")
CLOCKS = {"speciation.engine": ("time",)}  # a row says how long its trial took


def project_modules() -> list[str]:
    """Every module by its full name, packages by the name of their ``__init__``."""
    files = (path for top in PACKAGES for path in (ROOT / top).rglob("*.py"))
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)


MODULES = project_modules()


@cache
def source_of(module: str) -> str:
    """The text of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def inside(module: str, rooms: tuple[str, ...]) -> bool:
    """Whether a module is one of the rooms, or in one of them."""
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def room_of(module: str) -> str | None:
    """The narrowest room that a module is in."""
    return max((room for room in MAY_ENTER if inside(module, (room,))), key=len, default=None)


@cache
def imported(source: str) -> tuple[str, ...]:
    """Full names that a source imports, at any depth; a relative one keeps its dots.

    ``from a import b`` gives ``a.b``, since ``b`` may be a module.
    """
    return tuple(name for node in ast.walk(ast.parse(source)) for name in _names(node))


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=origin, names=names, level=level):
            prefix = "." * level + (f"{origin}." if origin else "")
            yield from (prefix + alias.name for alias in names)
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(
            function
        ).split(".")[-1] in ("import_module", "__import__"):
            yield name


def global_seeds(source: str) -> Iterator[str]:
    """Calls that draw from, or set, a stream that nobody passed in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            unseeded = name.endswith("default_rng") and not (node.args or node.keywords)
            if unseeded or name.endswith(("manual_seed", "manual_seed_all", "random.seed")):
                yield ast.unparse(node)


def objection(module: str, target: str) -> str | None:
    """Why a module may not import a name; ``None`` where it may."""
    room, library = room_of(module), target.split(".")[0]
    if target.startswith("."):
        return "import it by its full name"
    if library in PACKAGES and room and not inside(target, (room, *MAY_ENTER[room])):
        return f"{room} may not enter that room"
    if library in PICKLES:
        return "what is unpickled is run, and anybody may have written it"
    if library in DOORS and not inside(module, DOORS[library]):
        return f"{library} has its door in {' and '.join(DOORS[library])}"
    clocked = any(inside(module, (m,)) and library in names for m, names in CLOCKS.items())
    if inside(module, PURE) and library in IMPURE and not clocked:
        return "what it needs comes as an argument"
    return None


def violations(module: str, source: str) -> list[str]:
    """What a source breaks, were it the given module: a sentence for each import or call."""
    reasons = {target: objection(module, target) for target in imported(source)}
    broken = [f"{module} imports {t}: {why}" for t, why in reasons.items() if why]
    if room_of(module) is None:
        broken.append(f"{module} is in no room: give it one in MAY_ENTER")
    if inside(module, PURE):
        broken += [f"{module} calls {call}: pass a generator" for call in global_seeds(source)]
    return broken


def neighbours(module: str) -> set[str]:
    """Modules of the project that a module imports, or imports a name from."""
    targets = set(imported(source_of(module)))
    return (targets | {target.rpartition(".")[0] for target in targets}) & set(MODULES)


# Each group is imported by a child of its own, of an interpreter that has imported the first.
LOADER = """
import importlib, json, os, sys
first, *others = json.loads(sys.argv[1])
def loaded(modules):
    for module in modules:
        importlib.import_module(module)
    print(json.dumps(sorted(name for name in sys.modules if "." not in name)), flush=True)
loaded(first)
for modules in others:
    if os.fork() == 0:
        loaded(modules)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def loaded_by(*groups: Iterable[str]) -> list[set[str]]:
    """Libraries that fresh interpreters hold after importing the first group and one more."""
    run = subprocess.run(
        [sys.executable, "-c", LOADER, json.dumps([*map(list, groups)])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [set(json.loads(line)) for line in run.stdout.splitlines()]


@pytest.mark.parametrize("module", [m for m in MODULES if not m.endswith("__init__")])
def test_module_keeps_the_import_rules(module: str) -> None:
    assert violations(module, source_of(module)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("speciation.genome.genes", "from speciation.trial import task"),
        ("speciation.genome.genes", "from speciation.trial.task import Task"),
        ("speciation.tables.readers", "import speciation.engine.engine"),
        ("speciation.engine.engine", "from speciation.tables import readers"),
        ("speciation.evolution.fitness", "def f():\n    from speciation.engine import engine"),
        ("speciation.trial.task", "import cluster.config"),
        ("cluster.driver", "from dashboards import report"),
        ("cluster.fidelity", "from dashboards import fidelity"),
        ("speciation.analysis.fidelity", "from speciation.engine.engine import Engine"),
        ("speciation.analysis.survival", "from cluster import fidelity"),
        ("speciation.evolution.fitness", "from speciation.analysis import survival"),
        ("cluster.cli", "from dashboards.figures import throughput"),
        ("dashboards.report", "from cluster.config import RunConfig"),
        ("dashboards.report", "from speciation.engine.engine import Engine"),
        ("dashboards.report", "from speciation.evolution.generation import found"),
        ("dashboards.anatomy", "import torch"),
        ("speciation.analysis.taxonomy", "from speciation.engine.engine import Engine"),
        ("speciation.evolution.fitness", "import torch.nn.functional as F"),
        ("cluster.driver", "import ray"),
        ("speciation.evolution.search", "import optuna"),
        ("speciation.engine.bench", "import jax.numpy as jnp"),
        ("dashboards.bench", "from cluster.bench import Document"),
        ("dashboards.lab.app", "from cluster.job_queue import JobQueue"),
        ("cluster.driver", "import importlib\nimportlib.import_module('ray')"),
        ("cluster.config", "import plotly.graph_objects as go"),
        ("dashboards.report", "from rich import print"),
        ("speciation.genome.genes", "from . import genome"),
        ("speciation.genome.genes", "from .genome import Genome"),
        ("speciation.evolution.selection", "import random"),
        ("speciation.tables.store", "from datetime import datetime"),
        ("cluster.campaign", "import time"),
        ("speciation.genome.operators", "import numpy as np\nrng = np.random.default_rng()"),
        ("speciation.engine.reference", "import torch\ntorch.manual_seed(0)"),
        ("speciation.tables.store", "import pickle"),
        ("cluster.job_queue", "from joblib import load"),
        ("cluster.job_queue", "import time"),
        ("speciation.newcomer", ""),
    ],
)
def test_planted_violation_is_seen(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("speciation.evolution.generation", "from speciation.genome.genome import Genomes"),
        ("speciation.engine.engine", "import time\nimport torch"),
        ("cluster.cli", "from dashboards.report import report\nimport rich_click as click"),
        ("cluster.ray_executor", "import ray\nfrom speciation.engine.engine import Engine"),
        ("cluster.driver", "import time"),
        ("dashboards.report", "from speciation.tables.readers import trials_frame"),
        ("speciation.seeds", "import numpy as np\nrng = np.random.default_rng(3)"),
    ],
)
def test_allowed_import_is_left_alone(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter({module: neighbours(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", [m for m in MODULES if m.endswith("__init__")])
def test_package_file_holds_a_docstring_and_nothing_else(module: str) -> None:
    tree = ast.parse(source_of(module))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


# What a module may load of that which has a door; who may load nothing comes first.
OFFLINE: dict[frozenset[str], tuple[str, ...]] = {
    frozenset(): (
        "speciation.tables.readers",
        "speciation.evolution.fitness",
        "speciation.analysis.fidelity",
        "speciation.analysis.validation",
        "speciation.analysis.circuits",
        "speciation.analysis.forge",
        "speciation.analysis.lineage",
        "cluster.validate",
        "cluster.campaign",
        "cluster.config",
        "cluster.job_queue",
        "cluster.overview",
        "cluster.metrics",
    ),
    # scikit-learn brings rich
    frozenset({"rich"}): ("speciation.analysis.surrogate", "speciation.analysis.taxonomy_file"),
    frozenset({"plotly"}): (
        "dashboards.report",
        "dashboards.validation",
        "dashboards.anatomy",
    ),
    frozenset({"plotly", "rich"}): ("dashboards.forge", "dashboards.taxonomy"),
    # Flask brings click
    frozenset({"click", "dash", "plotly", "rich"}): ("dashboards.lab.app",),
    frozenset({"click", "plotly", "rich", "rich_click"}): ("cluster.cli",),
}


@pytest.fixture(scope="module")
def loaded() -> dict[frozenset[str], set[str]]:
    """What the modules of each row of ``OFFLINE`` load."""
    return dict(zip(OFFLINE, loaded_by(*OFFLINE.values()), strict=True))


@pytest.mark.parametrize(
    "allowed", OFFLINE, ids=lambda names: " ".join(sorted(names)) or "none"
)
def test_offline_modules_load_neither_torch_nor_ray(loaded, allowed: frozenset[str]) -> None:
    assert loaded[allowed] & set(DOORS) <= allowed


def test_an_actor_starts_without_what_only_its_driver_needs() -> None:
    [found] = loaded_by(("cluster.engine_actor", "speciation.engine.engine"))
    assert found & {"torch", "pandas", "pydantic", "scipy", "sklearn"} == {"torch"}
