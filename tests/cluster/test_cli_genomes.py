"""Commands on genomes as people meet them: what they say, keep, refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cluster.naming import LIBRARY
from speciation.genome.library import load_genome, read_stored
from speciation.tables.readers import generations_frame, genomes_frame, trials_frame
from speciation.tables.store import Store
from tests.dashboards.reading import Page


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, finished) -> Path:
    """A working folder with a store, and a library of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPECIATION_DEBUG", raising=False)
    shutil.copytree(finished, "results")
    shutil.copytree(LIBRARY, "genomes", ignore=shutil.ignore_patterns("fidelity"))
    return tmp_path


def some_genome() -> str:
    return str(genomes_frame(Store("results"))["genome_id"].iloc[0])


OWN = ("--library", "genomes")


# -- Library ----------------------------------------------------------------------------------


def test_the_library_lists_what_a_search_finds(call):
    found = json.loads(call("library", "list", "adamw", *OWN, "--json").out)
    assert {own["name"] for own in found} >= {"Stock AdamW", "Tuned AdamW"}
    assert "Xavier-like" in call("library", "list", *OWN).out
    assert "Xavier-like" not in call("library", "list", "adamw", "--shelf", "custom", *OWN).out


def test_a_tag_and_a_name_stay(call):
    assert call("library", "tag", "tuned-adamw", "baseline", *OWN).code == 0
    assert call("library", "rename", "tuned-adamw", "Old faithful", *OWN).code == 0
    stored = read_stored("genomes/reference/tuned-adamw.json")
    assert (stored.name, stored.tags) == ("Old faithful", ("baseline",))
    call("library", "tag", "tuned-adamw", "baseline", "--drop", *OWN)
    assert read_stored("genomes/reference/tuned-adamw.json").tags == ()


def test_a_genome_of_the_store_is_imported_with_where_it_came_from(call):
    own = some_genome()
    said = json.loads(call("library", "import", own[:10], "--name", "Mine", *OWN, "--json").out)
    (added,) = said["added"]
    genome, told = load_genome(added["file"])
    assert (genome.id, added["name"]) == (own, "Mine")
    births = genomes_frame(Store("results")).set_index("genome_id")
    assert (told["run"], told["operator"]) == (
        births.loc[own, "run"],
        births.loc[own, "origin"],
    )
    trials = trials_frame(Store("results"))
    mine = trials[(trials["genome_id"] == own) & (trials["pool"] == "A")]
    assert told["selected"]["trials"] == len(mine)
    listed = call("library", "list", own, *OWN).out
    assert f"of {len(mine)}" in listed
    again = json.loads(call("library", "import", own, *OWN, "--json").out)
    assert (len(again["added"]), len(again["known"])) == (0, 1)


def test_a_library_goes_out_and_comes_in(call):
    assert call("library", "export", "stock-adamw", "--to", "out", *OWN).code == 0
    Path("fresh").mkdir()
    call("library", "merge", "out", "--library", "fresh")
    call("library", "merge", "genomes", "--library", "fresh")
    ours = json.loads(call("library", "list", *OWN, "--json").out)
    said = json.loads(call("library", "list", "--library", "fresh", "--json").out)
    assert sorted(own["id"] for own in said) == sorted(own["id"] for own in ours)


# -- Forge ------------------------------------------------------------------------------------


def test_a_comparison_is_a_table_a_document_and_a_page(call):
    assert "weight_decay" in call("forge", "compare", "tuned-adamw", "stock-adamw").out
    told = json.loads(call("forge", "compare", "tuned-adamw", some_genome()[:8], "--json").out)
    assert told["distances"][0] == 0
    assert len(told["genes"]["beta1"]["values"]) == 2
    assert call("forge", "compare", "tuned-adamw", "--output", "f.html").code == 0
    assert "Tuned AdamW" in Page(Path("f.html").read_text()).text


def test_a_child_is_kept_only_when_asked(call):
    words = ("forge", "transfer", "stock-adamw", "tuned-adamw", "beta1", "sensory", *OWN)
    assert "not kept" in call(*words).out
    assert not list(Path("genomes/custom").glob("*.json"))
    call(*words, "--save")
    (file,) = Path("genomes/custom").glob("*.json")
    genome, told = load_genome(file)
    tuned, _ = load_genome("genomes/reference/tuned-adamw.json")
    assert genome.gene("init_embed") == tuned.gene("init_embed")
    assert told["operator"] == "transfer"


def test_a_splice_can_be_forged_further_by_its_name(call):
    call("forge", "splice", "tuned-adamw", "embed_ratio=14", "--save", "--name", "Hungry", *OWN)
    said = call("forge", "mutate", "hungry", "--count", "2", *OWN, "--json")
    children = json.loads(said.out)["children"]
    assert len({child["id"] for child in children}) == 2
    again = json.loads(call("forge", "mutate", "hungry", "--count", "2", *OWN, "--json").out)
    assert again["children"] == children


def test_a_prediction_is_called_one_and_says_how_far_to_trust_it(call):
    said = call("forge", "compare", "tuned-adamw", "--predict", *OWN)
    assert said.code == 0
    assert "predicted, not measured" in said.out
    assert "rank correlation" in said.out
    told = json.loads(call("forge", "compare", "tuned-adamw", "--predict", "--json").out)
    assert told["trust"]["genomes"] == trials_frame(Store("results"))["genome_id"].nunique()
    own = told["predicted"]["Tuned AdamW"]
    assert own["low"] <= own["median"] <= own["high"] <= 1000


def test_a_prediction_without_enough_trials_is_refused(call):
    Path("empty/runs").mkdir(parents=True)
    said = call("forge", "compare", "tuned-adamw", "--predict", "--store", "empty", *OWN)
    assert said.code == 2
    assert "has no trials to learn from" in said.err


# -- Taxonomy, lineage ------------------------------------------------------------------------


def test_a_taxonomy_is_kept_and_gone_on_with(call):
    first = json.loads(call("taxonomy", "--json").out)
    assert Path("results/taxonomy/hyper17.arrow").is_file()
    assert first["genomes"] == len(genomes_frame(Store("results")))
    again = json.loads(call("taxonomy", "--json").out)
    assert again["ranks"] == first["ranks"]
    Path("results/taxonomy/hyper17.arrow").write_bytes(b"rubbish")
    assert json.loads(call("taxonomy", "--json").out)["genomes"] == first["genomes"]


def test_the_ids_of_a_species_come_one_a_line(call):
    told = json.loads(call("taxonomy", "--rank", "order", "--json").out)
    species = told["ranks"]["order"][0]
    ids = call("taxonomy", "--rank", "order", "--species", species["name"]).out.split()
    assert len(ids) == species["size"]
    assert all(told["species_of"][own] == species["name"] for own in ids)


def test_a_genome_of_a_file_stands_in_the_taxonomy_but_is_not_kept(call):
    call("taxonomy")
    before = Path("results/taxonomy/hyper17.arrow").read_bytes()
    told = json.loads(call("taxonomy", "genomes/reference/stock-adamw.json", "--json").out)
    stock, _ = load_genome("genomes/reference/stock-adamw.json")
    assert stock.id in told["species_of"]
    assert Path("results/taxonomy/hyper17.arrow").read_bytes() == before


def test_the_page_of_a_taxonomy_tells_the_lineage(call):
    assert call("taxonomy", "--rank", "phylum", "--output", "t.html").code == 0
    text = Page(Path("t.html").read_text()).text
    assert "Seven ranks" in text
    assert "Lineage in" in text


def test_a_lineage_goes_back_to_founders(call):
    last = generations_frame(Store("results"))
    own = str(last.sort_values(["generation", "rank"])["genome_id"].iloc[-1])
    told = json.loads(call("lineage", own[:12], "--json").out)
    assert told["genome_id"] == own
    assert any(not ancestor["parents"] for ancestor in told["ancestors"])
    assert call("lineage", own, "--output", "l.html").code == 0
    assert "founder" in Page(Path("l.html").read_text()).text


# -- Inside -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_genome_is_looked_into(call):
    said = call("interpret", "tuned-adamw", "--steps", "2", "--json", "--output", "i.html")
    (told,) = json.loads(said.out).values()
    assert told["steps"] == [0, 1, 2]
    assert told["first_99"] is None
    assert told["nearer_to"] is None
    assert "Attention" in Page(Path("i.html").read_text()).text


# -- Mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["forge", "compare", "nobody"], "'nobody' is no genome of the library"),
        (["forge", "compare", "no.json"], "no.json: expected a genome file"),
        (["forge", "splice", "tuned-adamw", "beta1"], "should be GENE=VALUE"),
        (["forge", "splice", "tuned-adamw", "beta9=1"], "'beta9' is no gene of a hyper17"),
        (["forge", "splice", "tuned-adamw", "beta1=nan"], "should be a finite number"),
        (["forge", "transfer", "tuned-adamw", "stock-adamw", "x"], "'x' is no gene"),
        (["forge", "mutate", "tuned-adamw", "--dose", "-1"], "must be a finite number"),
        (["library", "rename", "nobody", "X"], "has no genome 'nobody'"),
        (["library", "import", "ffffffff"], "no genome in"),
        (["library", "merge", "nowhere"], "nowhere: expected the folder"),
        (["library", "list", "--library", "nowhere"], "nowhere: expected the folder"),
        (["taxonomy", "--rank", "tribe"], "'tribe' is no rank"),
        (["taxonomy", "--store", "nowhere"], "there is no store at"),
        (["taxonomy", "--output", "no/t.html"], "there is no folder"),
        (["lineage", "ffffffff"], "no genome in"),
        (["interpret", "nobody"], "'nobody' is no genome"),
        (["lab", "--host", "0.0.0.0"], "is every address; name the one"),
        (["lab", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1:8050"),
        (["lab", "--store", "s3://bucket/x"], "the Lab looks at a folder"),
        (["interpret", "tuned-adamw", "--track", "mine"], "track"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(call, words, sentence):
    said = call(*words)
    assert (said.code, said.out) == (2, "")
    assert sentence in " ".join(said.err.split())


GENOME = (LIBRARY / "reference" / "stock-adamw.json").read_text()
HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)),
    "deep": b"[" * 200_000,
    "huge": b"[" + b"1," * 600_000 + b"1]",
    "nan": GENOME.replace("0.98", "NaN").encode(),
    "endless": GENOME.replace("0.98", "1e999").encode(),
    "twice": GENOME.replace('"beta2"', '"beta1"').encode(),
    "unknown key": GENOME.replace('"version"', '"__proto__": {}, "version"').encode(),
    "out of range": GENOME.replace('"beta1": 0.9,', '"beta1": 9,').encode(),
    "text": GENOME.replace('"beta1": 0.9,', '"beta1": "__import__(\'os\')",').encode(),
    "tag": GENOME.replace('"version"', '"tags": ["<script>"], "version"').encode(),
    "tags": GENOME.replace('"version"', '"tags": "fast", "version"').encode(),
    "name": GENOME.replace("Stock AdamW", "x" * 300).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "words", [("library", "import"), ("forge", "compare"), ("taxonomy",)], ids=" ".join
)
def test_a_hostile_genome_file_is_one_sentence_and_changes_nothing(call, name, words):
    Path("bad.json").write_bytes(HOSTILE[name])
    before = sorted(Path("genomes").rglob("*"))
    said = call(*words, "bad.json", *(OWN if words[0] == "library" else ()))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error bad.json: ")
    assert len(said.err) < 900
    assert sorted(Path("genomes").rglob("*")) == before


def test_a_hostile_file_in_the_library_does_not_end_it(call):
    for i, body in enumerate(HOSTILE.values()):
        Path(f"genomes/custom/bad{i}.json").write_bytes(body)
    said = call("library", "list", *OWN)
    assert said.code == 0
    assert "Stock AdamW" in said.out
    assert said.out.count("left out: ") == len(HOSTILE)
