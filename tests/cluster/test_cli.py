"""The command line as people meet it: help, mistakes, interruptions, and what programs read."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import LocalFileSystem

from cluster import rows
from cluster.cli import main, speciation, write_champion
from cluster.config import RunConfig
from cluster.launch import LaunchError
from cluster.local_executor import LocalExecutor
from cluster.manifest import settings_of
from speciation.genome.library import load_genome, save_genome
from speciation.tables import parts
from speciation.tables.readers import plans_frame, trials_frame
from speciation.tables.store import Store
from tests.cluster.conftest import Call, Said
from tests.cluster.runs import FAST, assert_same_tables, carry_out, config
from tests.cluster.synthetic import genome
from tests.speciation.tables.faults import FULL

ROOT = Path(__file__).parents[2]
RUN = config().run_id()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("finished")
    carry_out(config(), folder)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, finished) -> Path:
    """A working folder with a store and the configuration of its run, and no Ray outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("SPECIATION_DEBUG", raising=False)
    shutil.copytree(finished, "results")
    Path("run.yaml").write_text(yaml_of(config(executor="local")))
    return tmp_path


@pytest.fixture
def synthetic(monkeypatch) -> None:
    """Runs train on synthetic engines, and draw no report."""
    monkeypatch.setattr(LocalExecutor.__init__, "__defaults__", (FAST,))
    monkeypatch.setattr("cluster.cli.write_report", lambda *_: Path("report.html"))


def yaml_of(plan: RunConfig) -> str:
    return json.dumps(settings_of(plan))  # JSON is YAML


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refused(call: Call, sentence: str, *words: str) -> None:
    """The command ends with this one sentence on standard error, and leaves nothing behind."""
    before = contents(Path.cwd())
    said = call(*words)
    assert said.code == 2, said
    assert said.out == ""
    assert re.fullmatch(r"error [^\n]{10,600}\n", said.err), said.err
    assert re.search(sentence, said.err), said.err
    assert contents(Path.cwd()) == before


# -- Help ---------------------------------------------------------------------------------


def commands(group: Any = speciation, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group, as one would type it."""
    found = [path]
    for name, command in getattr(group, "commands", {}).items():
        found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_help_shows_an_example_that_is_of_this_command(call, path):
    said = call(*path, "--help")
    assert said.code == 0
    words = " ".join(("speciation", *path))
    assert re.search(rf"(Example|Try it): +{words}\b", said.out)


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_option_is_explained(path):
    command: Any = speciation
    for name in path:
        command = command.commands[name]
    options = [p for p in command.params if p.param_type_name == "option"]
    assert [o.name for o in options if not o.help] == []


def test_help_is_instant_since_nothing_heavy_is_imported_for_it():
    heavy = "{'torch', 'ray', 'pandas', 'numpy', 'pyarrow', 'plotly', 'pydantic'}"
    code = (
        "import sys, atexit, cluster.cli as cli; sys.argv[0] = 'speciation'\n"
        f"atexit.register(lambda: print(*{heavy} & set(sys.modules), file=sys.stderr))\n"
        "cli.main()"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        [sys.executable, "-c", code, "evolve", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert said.stderr.split() == []
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


def test_no_command_at_all_shows_the_help(call):
    said = call()
    assert (said.code, said.err) == (2, "")
    assert "Usage: speciation" in said.out


# -- Mistakes on the command line ---------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("evolve", r"Missing argument 'CONFIG\|PRESET'; see: speciation evolve --help"),
        ("evolv run.yaml", "No such command 'evolv'.*'evolve'"),
        ("evolve run.yaml --sed 3", "No such option.*--sed.*--seed"),
        ("evolve quikstart", "no file 'quikstart', nor a preset .* did you mean 'quickstart'?"),
        ("evolve none.yaml", r"none\.yaml: cannot be read \(No such file"),
        ("evolve results", r"results: cannot be read \(Is a directory"),
        ("evolve results/runs/", r"results/runs: cannot be read \(Is a directory"),
        (
            "evolve run.yaml --generations banana",
            "--generations is 'banana', but must be a num",
        ),
        (
            "evolve run.yaml --generations 0",
            "--generations: evolution.generations is 0, but mu",
        ),
        ("evolve run.yaml --generations +-3", r"--generations is '\+-3', but must be a number"),
        (
            "evolve run.yaml --slots -4",
            "--slots: engine.slots is -4, but must be an integer fr",
        ),
        ("evolve run.yaml --slots many", "Invalid value for '--slots': 'many' is not a valid"),
        ("evolve run.yaml --seed -1", "--seed: seed is -1, but must be an integer from 0"),
        ("evolve run.yaml --name Über", "--name: name is 'Über', but must be up to 40 of a-z"),
        ("evolve run.yaml --device gpu", "'gpu' is not one of 'auto', 'cpu', 'cuda'"),
        ("evolve run.yaml --executor dask", "'dask' is not one of 'local', 'ray'"),
        ("evolve run.yaml --store run.yaml", "cannot list .*run.yaml/.*: Not a directory"),
        ("evolve run.yaml --store s4://x", "'s4://x'.* use a path, or a URI that starts with"),
        (
            "evolve run.yaml --executor local --address a:1",
            "--address is 'a:1', but --executor",
        ),
        ("resume other", rf"there is no run 'other' in .*results; its runs are {RUN}"),
        (f"resume tests{RUN[4:]}", f"no run .* did you mean '{RUN}'?"),
        ("resume --store none", "there is no store at .*none; `speciation evolve` makes one"),
        ("resume --generations x", "--generations is 'x', but must be a number such as 20 or"),
        ("report other", "there is no run 'other'"),
        ("report --store none", "there is no store at .*none"),
        ("doctor quikstart", "no file 'quikstart', nor a preset"),
        ("store info none", "there is no store at .*none"),
        ("store info run.yaml", "there is no store at .*run.yaml"),
        ("store verify none", "there is no store at .*none"),
        ("store compact none", "there is no store at .*none"),
        ("store merge results none", "there is no store at .*none"),
        ("store merge run.yaml results", "run.yaml.*: Not a directory"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence(call, line, sentence):
    refused(call, sentence, *shlex.split(line))


def test_the_beginning_of_two_runs_is_told_to_be_that(call):
    store = Store("results")
    store.write_manifest("test-two", store.read_manifest(RUN))
    refused(
        call, rf"'test' is the beginning of 2 runs in .*: {RUN}, test-two", "resume", "test"
    )


def test_a_folder_without_a_store_is_not_shown_as_an_empty_one(call):
    Path("empty").mkdir()
    refused(call, "there is no store at .*/empty", "store", "info", "empty")


def test_what_nobody_foresaw_is_shown_in_full(monkeypatch):
    monkeypatch.setattr("sys.argv", ["speciation", "store", "info"])
    monkeypatch.setattr("cluster.launch.existing_store", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main()


def test_who_mends_this_program_may_see_foreseen_errors_in_full_too(monkeypatch):
    monkeypatch.setattr("sys.argv", ["speciation", "store", "info", "none"])
    monkeypatch.setenv("SPECIATION_DEBUG", "1")
    with pytest.raises(LaunchError):
        main()


def test_a_path_that_looks_like_markup_is_a_path(call):
    shutil.move("results", "a[b] :cat:")
    said = call("store", "info", "a[b] :cat:")
    assert (said.code, said.err) == (0, "")
    assert "/a[b] :cat:\n" in said.out


# -- Mistakes in files --------------------------------------------------------------------

GENES = dict(genome(1).genes)
EVE = {"format": "speciation-genome", "version": 1, "kind": "hyper17", "genes": GENES}


def eve(**changes: Any) -> str:
    """A genome file with a mistake in it."""
    return json.dumps(EVE | changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sed: 3", "unknown key 'sed'; known here are .*; did you mean 'seed'?"),
        ("evolution: {population: 1}", "population of 1 has no room for 2 elites and 0 aliens"),
        ("horizon: .nan", "horizon is '.nan', but must be an integer from 1"),
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]", "line 1: anchors and aliases"),
        ("- 1\n- 2", "expected keys and values"),
        ("seed: 1\nseed: 2", "line 2: the key 'seed' stands twice"),
        ("seed: [1", "not valid YAML"),
        (b"\x93NUMPY\x01\x00", "byte 0 is not UTF-8 text"),
        (b"PAR1\x15\x04\x15\x00", "not valid YAML"),
        (b"#" * 300_000, "larger than 256 kB"),
        ("ancestors: ['run:nobody']", "no closed generation of a run 'nobody'"),
    ],
)
def test_a_mistake_in_a_configuration_is_one_sentence(call, synthetic, text, sentence):
    Path("mine.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(
        call, f"mine.yaml.*{sentence}|{sentence}", "evolve", "mine.yaml", "--executor", "local"
    )


def test_a_configuration_that_may_not_be_read_is_one_sentence(call, monkeypatch):
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("cluster.yaml_text.Path.open", denied)
        said = call("evolve", "run.yaml")
    assert said == Said(2, "", "error run.yaml: cannot be read (Permission denied)\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (eve()[:-40], "not JSON: .* at line 1, column"),
        ("", "not JSON"),
        ("[]", r"expected a JSON object, got \[\]"),
        (eve(genes=GENES | {"learning_rate": 99.0}), "'?learning_rate'? .*99.0"),
        (
            eve(genes=GENES | {"learning_rate": float("nan")}),
            "'learning_rate' holds nan, which",
        ),
        (eve(genes=GENES | {"lr": 1.0}), "unknown gene 'lr'"),
        (eve(genes={}), "missing|lacks"),
        (eve(version=2), "'version' should be 1, the newest that this program reads, got 2"),
        (eve(format="onnx"), "'format' should be .*, got 'onnx'"),
        (eve(note="hi"), "unknown key 'note'"),
        (eve(name="x" * 1_000_001), "larger than 1,000,000 bytes"),
        (eve(provenance=json.loads("[" * 80 + "]" * 80)), "nested deeper than 64 levels"),
        (eve()[:-1] + ', "kind": "hyper17"}', "key 'kind' stands twice"),
        ("{" + '"a":{' * 100_000, "nested deeper|not JSON"),
        (b"PAR1\xff\xfe", "not UTF-8 text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_mistake_in_a_genome_file_is_one_sentence(call, text, sentence):
    Path("eve.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    Path("mine.yaml").write_text("ancestors: [eve.json]")
    refused(
        call, rf"mine\.yaml: ancestors\.0: .*eve\.json: .*({sentence})", "evolve", "mine.yaml"
    )


def test_a_good_genome_file_is_taken(call, synthetic):
    save_genome("eve.json", genome(1))
    named = settings_of(config(executor="local")) | {"ancestors": ["eve.json"]}
    Path("mine.yaml").write_text(json.dumps(named))
    assert call("evolve", "mine.yaml").code == 0


# -- Stores that are not as they should be ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"run": "te', r"manifest\.json is damaged"),
        ("[]", "should be a JSON object, but it is a list"),
        ('{"version": 2}', r"manifest\.json: version is 2, but this program reads up to 1"),
        ('{"version": 1}', r"manifest\.json: config is missing"),
        ('{"config": {"sed": 1}}', r"manifest\.json: config: unknown key 'sed'"),
        ('{"config": {}, "config_hash": "00"}', r"config_hash is '00', but .* another run"),
    ],
)
def test_a_damaged_manifest_is_one_sentence(call, text, sentence):
    Path(f"results/runs/{RUN}/manifest.json").write_text(text)
    refused(call, sentence, "resume", RUN)


def test_the_devices_of_a_foreign_manifest_may_be_anything(call, synthetic):
    store = Store("results")
    store.write_manifest(RUN, store.read_manifest(RUN) | {"devices": None})
    assert call("evolve", "run.yaml").code == 0
    store.write_manifest(RUN, store.read_manifest(RUN) | {"devices": [3, "tpu"]})
    assert call("evolve", "run.yaml").code == 0
    assert store.read_manifest(RUN)["devices"] == ["3", "tpu"]


@pytest.fixture(params=["trials", "genomes", "plans", "generations"])
def newer(request, monkeypatch) -> str:
    """A table with a part that a newer program wrote."""
    rows = Store("results").scan(request.param).table
    with monkeypatch.context() as patch:
        patch.setattr(parts, "SCHEMA_VERSION", parts.SCHEMA_VERSION + 1)
        Store("newer").append(request.param, rows)
    return str(request.param)


def test_a_store_of_a_newer_program_is_not_written_to(call, synthetic, newer):
    sentence = rf"part {newer}/[0-9a-f]{{64}}\.parquet .*newer"
    refused(call, sentence, "evolve", "run.yaml", "--store", "newer")
    refused(call, sentence, "store", "info", "newer")


def test_a_foreign_part_is_put_aside_and_the_rest_is_read(call):
    Path(f"results/trials/{'0' * 64}.parquet").write_bytes(b"PAR1 of somebody else")
    said = call("store", "verify")
    assert said.code == 1
    assert "its 21 bytes are not those that its name stands for" in said.out
    said = call("store", "info")
    assert said.code == 0
    assert "moved to quarantine" in said.out
    assert call("store", "verify").code == 0


@pytest.mark.parametrize("code", FULL)
@pytest.mark.parametrize("name", ["fsync", "write", "mkdir"])
def test_a_full_disk_is_one_sentence_and_nothing_half_written(
    call, synthetic, monkeypatch, name, code
):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(rows, "PATIENCE_SECONDS", 0.0)  # it is waited for, but not for ever
        patch.setattr(os, name, full)
        refused(
            call,
            "interrupted: cannot write .*; free some space .* the same command goes on",
            *("evolve", "run.yaml", "--store", "new"),
        )


def outside(here: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, on the store."""
    command = [sys.executable, "-m", "cluster.cli", *words, str(here / "results")]
    return subprocess.run(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, **options
    )


def test_a_full_disk_under_standard_output_is_one_sentence(here):
    with open("/dev/full", "w") as full:
        said = outside(here, "store", "info", stdout=full)
    sentence = "error standard output: No space left on device\n"
    assert (said.returncode, said.stderr) == (2, sentence)


def test_a_terminal_that_knows_few_characters_gets_those(here):
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    said = outside(here, "store", "compact", stdout=subprocess.PIPE, env=ascii_only)
    assert (said.returncode, said.stderr) == (0, "")
    assert " ? 1 " in said.stdout  # an arrow


# -- Nowhere to train ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lacks", "executor", "package"),
    [({"torch"}, "local", "engine"), ({"ray"}, "ray", "ray"), ({"torch", "ray"}, "ray", "eng")],
)
def test_a_missing_library_is_a_sentence_that_says_how_to_install_it(
    call, monkeypatch, lacks, executor, package
):
    monkeypatch.setattr("cluster.doctor.find_spec", lambda name: None if name in lacks else 1)
    sentence = rf"training needs \w+, which is not installed: pip install .*\[{package}"
    refused(call, sentence, "evolve", "run.yaml", "--executor", executor, "--store", "new")


@pytest.mark.ray  # it is only imported
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", r"nothing answers at 127\.0\.0\.1:1 \(Connection refused\); start a"),
        ("nowhere", "address 'nowhere' is not one of Ray's; use host:port"),
        ("a:²", "address 'a:²' is not one of Ray's"),
        ("a..b:80", r"nothing answers at a\.\.b:80"),
    ],
)
def test_an_unreachable_address_is_one_sentence(call, monkeypatch, address, sentence):
    pytest.importorskip("ray")
    refused(call, sentence, "evolve", "run.yaml", "--address", address, "--store", "new")
    monkeypatch.setenv("RAY_ADDRESS", address)
    refused(call, sentence, "evolve", "run.yaml", "--executor", "ray", "--store", "new")


# -- What programs read -------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "store info",
        "store verify",
        "store compact",
        "store merge new results",
        "doctor run.yaml",
    ],
)
def test_json_is_all_that_stands_on_standard_output(call, line):
    said = call(*line.split(), "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)


@pytest.mark.parametrize("line", ["evolve run.yaml --store new", f"resume {RUN}", "resume"])
def test_a_run_tells_programs_an_object_a_line(call, synthetic, line):
    said = call(*line.split(), "--executor", "local", "--generations", "4", "--json")
    events = [json.loads(text) for text in said.out.splitlines()]
    assert events[-1]["event"] == "finished"
    assert events[-1]["champion"]["confirmed"]["trials"] == 6
    assert {e["event"] for e in events[:-1]} == {"generation"}
    assert events[-2]["generation"] == 3
    assert said.err == ""


def test_on_a_pipe_a_run_is_plain_lines(call, synthetic):
    said = call("evolve", "run.yaml", "--store", "new")
    lines = said.out.splitlines()
    assert said.err == ""
    assert "\x1b" not in said.out
    assert lines[0] == f"run {RUN}: 3 generations of 8 genomes × 2 seeds"
    assert [line.split(":")[0] for line in lines[1:4]] == [
        f"generation {n}/3" for n in (1, 2, 3)
    ]
    assert f"speciation resume {RUN} --generations +5 --store new" in lines[-1]


def test_a_verdict_on_a_store_is_an_exit_code_too(call):
    part = next(Path("results/curves").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    said = call("store", "verify", "--json")
    assert said.code == 1
    assert json.loads(said.out)["ok"] is False


def test_merging_and_compacting_change_no_fact(call, finished):
    assert call("store", "merge", "new", "results").code == 0
    assert "were here already" in call("store", "merge", "new", "results").out
    assert call("store", "compact", "new").code == 0
    assert_same_tables(finished, Path("new"))


def test_a_machine_without_what_a_run_needs_is_an_exit_code_too(call, monkeypatch):
    monkeypatch.setattr("cluster.doctor.find_spec", lambda name: None)
    said = call("doctor", "run.yaml")
    assert said.code == 1
    assert "✗  executor" in said.out
    assert "pip install 'speciation-cluster[engine]'" in said.out


# -- Reports -----------------------------------------------------------------------------


def test_a_report_is_written_beside_the_manifest_or_where_one_says(call, here):
    said = call("report")
    assert said == Said(0, f"report  {here}/results/runs/{RUN}/report.html\n", "")
    assert "<html" in Path(f"results/runs/{RUN}/report.html").read_text()
    assert call("report", "test", "--output", "a.html").out == "report  a.html\n"
    assert Path("a.html").is_file()


def test_a_report_of_a_run_whose_name_has_a_dot_is_a_file_of_its_folder(call):
    store = Store("results")
    store.write_manifest("v1.5", store.read_manifest(RUN))
    call("report", "v1.5")
    assert Path("results/runs/v1.5").is_dir()


def test_a_report_that_cannot_be_written_is_one_sentence(call):
    for folder in ("a", "run.yaml"):
        refused(call, f"no folder .*/{folder} to", "report", "--output", f"{folder}/r.html")
    refused(call, "'results' is a directory", "report", "--output", "results")


def test_a_report_over_a_link_goes_where_the_link_leads(call):
    Path("site").mkdir()
    Path("site/old.html").write_text("old")
    for name in ("old.html", "new.html"):
        link = Path(f"link to {name}")
        link.symlink_to(Path("site", name))
        assert call("report", "--output", str(link)).code == 0
        assert link.is_symlink()
        assert "<html" in Path("site", name).read_text()


def test_a_report_takes_the_place_of_files_alone(call):
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    Path("loop").symlink_to("loop")
    refused(call, "/pipe is not a regular file; give", "report", "--output", "pipe")
    refused(call, "/pipe is not a regular file; give", "report", "--output", "link")
    refused(call, "/loop is not a regular file; give", "report", "--output", "loop")
    assert Path("pipe").is_fifo()
    assert Path("loop").is_symlink()


# -- The champion as a file ---------------------------------------------------------------

CHAMPION = Path(f"results/runs/{RUN}/champion.json")


def test_a_champion_is_a_genome_file_that_says_where_it_is_from(call, here, synthetic):
    said = call("evolve", "run.yaml")
    assert f"\ngenome    {here / CHAMPION}\n" in said.out
    champion, provenance = load_genome(CHAMPION)
    told = Store("results").read_manifest(RUN)["champion"]
    assert champion.id == told["genome"]["id"]
    assert (provenance["run"], provenance["track"]) == (RUN, "add97-mb512")
    for what in ("selected", "confirmed", "in_hall_of_fame"):
        assert provenance[what] == told[what]


def test_a_champion_may_be_an_ancestor_of_the_next_run(call, synthetic):
    call("evolve", "run.yaml")
    shutil.copy(CHAMPION, "best.json")
    following = settings_of(config(executor="local")) | {"ancestors": ["best.json"]}
    Path("next.yaml").write_text(json.dumps(following))
    assert call("evolve", "next.yaml", "--store", "new").code == 0
    plans = plans_frame(Store("new"))
    first = plans[plans["generation"] == 0]
    assert load_genome("best.json")[0].id in set(first["genome_id"])


def test_a_later_champion_takes_the_place_of_an_older_one(call, synthetic):
    CHAMPION.write_text("old")
    assert call("resume", "--executor", "local", "--json").code == 0
    assert load_genome(CHAMPION)
    assert list(CHAMPION.parent.glob(".*")) == []


def test_a_champion_of_a_task_of_ones_own_says_which(call, synthetic):
    own = config(executor="local", task={"operation": "multiply"})
    Path("own.yaml").write_text(yaml_of(own))
    assert call("evolve", "own.yaml").code == 0
    _, provenance = load_genome(f"results/runs/{own.run_id()}/champion.json")
    assert provenance["task"] == own.the_task().as_dict()
    assert "track" not in provenance


def test_without_a_champion_or_a_folder_no_genome_file_is_written(here):
    champion = carry_out(config(), Path("results")).champion
    before = contents(here)
    assert write_champion(Store("results"), config(), None) is None
    bucket = Store("s3://bucket", filesystem=LocalFileSystem())
    assert write_champion(bucket, config(), champion) is None
    assert contents(here) == before


# -- Which run ----------------------------------------------------------------------------


def test_the_latest_run_is_meant_where_none_is_named(call, synthetic):
    store = Store("results")
    later = config(name="aaa", executor="local")
    Path("later.yaml").write_text(yaml_of(later))
    assert call("evolve", "later.yaml").code == 0
    manifest = store.read_manifest(later.run_id())
    store.write_manifest(later.run_id(), manifest | {"updated": "2999-01-01T00:00:00+00:00"})
    said = call("resume", "--executor", "local", "--json")
    assert json.loads(said.out.splitlines()[-1])["run"] == later.run_id()


def test_generations_with_a_plus_are_added_to_those_that_are_closed(call, synthetic):
    assert call("resume", RUN, "--executor", "local", "--generations", "+2").code == 0
    assert Store("results").read_manifest(RUN)["generations_closed"] == 5


# -- Interrupted --------------------------------------------------------------------------

SLOW = """
import cluster.cli
from cluster.local_executor import LocalExecutor
from tests.cluster.synthetic import Behaviour
LocalExecutor.__init__.__defaults__ = (Behaviour(slots=4, seconds=0.01),)
cluster.cli.main()
"""


@pytest.mark.parametrize(
    ("number", "option"),
    [
        (signal.SIGINT, ""),
        pytest.param(signal.SIGINT, "--json", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_loses_nothing_and_says_how_to_go_on(
    call, synthetic, finished, here, number, option
):
    words = ["evolve", str(here / "run.yaml"), "--store", str(here / "new store"), option]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *filter(None, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(1 if option else 2)]
        assert "generation" in told[-1]
        process.send_signal(number)
        began = time.monotonic()
        out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    said = err if option else out
    stopped = re.search(r"stopped; every finished trial is stored; go on with: (.*)", said)
    assert stopped
    if option:
        event = json.loads(out.splitlines()[-1])
        assert event["event"] == "stopped"
        assert event["finished"] == len(trials_frame(Store("new store"))) > 0
    else:
        assert err == ""
    assert call(*shlex.split(stopped[1])[1:]).code == 0
    assert_same_tables(finished, here / "new store")
