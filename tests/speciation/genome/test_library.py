"""Genome files: bounded reading, whole writing, errors that name the file."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speciation.genome.genome import HYPER17, GenomeError
from speciation.genome.library import (
    MAX_BYTES,
    MAX_DEPTH,
    load_folder,
    load_genome,
    parse_json,
    read_stored,
    save_genome,
)

SHIPPED = Path(__file__).resolve().parents[3] / "genomes"
GENOME = HYPER17.random(1, np.random.default_rng(0))[0]
TEXT = json.dumps(HYPER17.to_json(GENOME, {"run": "r"}, "Ada"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ada.json"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# -- There and back ---------------------------------------------------------------------------


def test_what_is_saved_is_what_is_loaded(file):
    provenance = {"run": "r", "parents": ["é", None], "steps": 500}
    save_genome(file, GENOME, provenance, name="Ada")
    assert load_genome(file) == (GENOME, provenance)
    assert read_stored(file).name == "Ada"


def test_a_genome_without_a_name_is_called_as_its_file(file):
    save_genome(file, GENOME)
    assert read_stored(file).name == "ada"
    assert load_genome(file)[1] == {}


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    genomes = HYPER17.random(3, np.random.default_rng(1))
    for name, genome in zip("bca", genomes, strict=True):
        save_genome(tmp_path / f"{name}.json", genome)
    (tmp_path / "README.md").write_text("not a genome")
    assert [stored.name for stored in load_folder(tmp_path)] == ["a", "b", "c"]
    assert load_folder(tmp_path)[1].genome == genomes[0]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(GenomeError, match="nowhere: expected a folder"):
        load_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("folder", ["reference", "hall_of_fame", "custom"])
def test_every_shipped_genome_loads_and_says_where_it_is_from(folder):
    for stored in load_folder(SHIPPED / folder):
        assert stored.provenance.get("source"), f"{stored.path} does not say its source"


def test_reference_genomes_are_shipped():
    names = {stored.path.stem for stored in load_folder(SHIPPED / "reference")}
    assert {"stock-adamw", "xavier-like", "grokfast-like", "tuned-adamw"} <= names


# -- Writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "provenance",
    [
        {"x": float("nan")},
        {"x": {1, 2}},
        {"x": "\ud800"},
        {"x": "y" * MAX_BYTES},
        {"x": json.loads(nested(MAX_DEPTH))},
    ],
    ids=["nan", "set", "surrogate", "too large", "too deep"],
)
def test_what_could_not_be_loaded_is_not_saved(file, provenance):
    save_genome(file, GENOME, {"first": True})
    with pytest.raises(GenomeError, match=r"ada\.json: "):
        save_genome(file, GENOME, provenance)
    assert load_genome(file) == (GENOME, {"first": True})
    assert os.listdir(file.parent) == ["ada.json"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(file, monkeypatch):
    save_genome(file, GENOME)
    before = file.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(GenomeError, match=r"ada\.json: cannot be written \(No space left"):
        save_genome(file, GENOME, {"second": True})
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == ["ada.json"]


def test_writing_into_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(GenomeError, match=r"cannot be written \(No such file"):
        save_genome(tmp_path / "no" / "ada.json", GENOME)


# -- Hostile input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        (TEXT[:-1], "not JSON: "),
        (TEXT + " x", "not JSON: Extra data"),
        ("[]", "expected a JSON object"),
        (TEXT.replace('"kind"', '"format"'), "key 'format' stands twice"),
        (TEXT.replace('"dropout"', '"beta1"'), "key 'beta1' stands twice"),
        (TEXT.replace('"run": "r"', '"x": NaN'), "key 'x' holds nan, which is not a finite"),
        (TEXT.replace('"run": "r"', '"x": -Infinity'), "key 'x' holds -inf"),
        (TEXT.replace('"run": "r"', '"x": 1e999'), "key 'x' holds inf, which is not a fin"),
        (TEXT.replace('"run": "r"', '"x": [-1e999]'), "holds -inf, which is not a finite"),
        (TEXT.replace('"run": "r"', '"x": "\\ud800"'), "not Unicode text"),
        (TEXT.replace('"run": "r"', '"\\ud800": 1'), "not Unicode text"),
        (TEXT.replace('"run": "r"', f'"x": {"9" * 5000}'), "too many digits"),
        (TEXT.replace('"run": "r"', f'"x": {nested(MAX_DEPTH - 1)}'), "deeper than 64"),
        (nested(100_000), "deeper than 64"),
        ("\ufeff" + TEXT, "not JSON: "),
        (TEXT.replace('"beta1"', '"beta3"'), "unknown gene 'beta3'"),
        (TEXT.replace('"dropout": ', '"dropout": 9'), "'dropout' should be a number in"),
    ],
    ids=range(18),
)
def test_a_bad_file_is_refused_in_one_sentence_that_begins_with_it(file, text, sentence):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(GenomeError) as error:
        load_genome(file)
    assert str(error.value).startswith(f"{file}: ")
    assert sentence in str(error.value)
    assert len(str(error.value)) < len(str(file)) + 400


def test_the_deepest_allowed_nesting_is_allowed(file):
    file.write_text(TEXT.replace('"run": "r"', f'"x": {nested(MAX_DEPTH - 2)}'))
    assert load_genome(file)[0] == GENOME


def test_a_file_that_is_too_large_is_not_read(file):
    file.write_text(TEXT + " " * MAX_BYTES)
    with pytest.raises(GenomeError, match="larger than 1,000,000 bytes"):
        load_genome(file)


def test_bytes_that_are_no_text_are_refused(file):
    file.write_bytes(b'{"\xff": 1}')
    with pytest.raises(GenomeError, match=r"not UTF-8 text \(byte 2\)"):
        load_genome(file)


@pytest.mark.timeout(10)
def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path, tmp_path / "none.json", "/dev/zero"):
        with pytest.raises(GenomeError, match="expected a genome file, and there is none"):
            load_genome(path)


def test_a_megabyte_of_anything_is_refused_within_a_second():
    for text in (
        '{"a":' * 200_000,
        "[1," * 333_333,
        '"' + "\\" * 999_000,
        "[" + "[]," * 333_000,
    ):
        start = time.process_time()
        with pytest.raises(GenomeError):
            parse_json(text.encode())
        assert time.process_time() - start < 1.0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(TEXT) - 1), st.integers(0, len(TEXT)), st.binary(max_size=3))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(file, start, stop, junk):
    body = TEXT.encode()
    file.write_bytes(body[:start] + junk + body[max(start, stop) :])
    refusals = []
    try:
        load_genome(file)
    except GenomeError as error:
        refusals.append(str(error))
    assert all(sentence.startswith(f"{file}: ") for sentence in refusals)
