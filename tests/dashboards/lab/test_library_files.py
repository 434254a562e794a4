"""Files that come into the library and go out of it: whole, once, and never anywhere else."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dashboards.lab import library_files
from dashboards.lab.library_files import packed, taken_in
from speciation.genome.collection import read_collection
from speciation.genome.envelope import GenomeError
from speciation.genome.genome import HYPER17
from speciation.genome.library import save_genome


def url(body: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(body).decode()}"


def zipped(**files: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return whole.getvalue()


@pytest.fixture
def root(tmp_path) -> Path:
    """A library of three genomes on two shelves."""
    genomes = list(HYPER17.random(3, np.random.default_rng(0)))
    for shelf, name, own in zip(("custom", "custom", "reference"), "abc", genomes, strict=True):
        (tmp_path / "here" / shelf).mkdir(parents=True, exist_ok=True)
        save_genome(tmp_path / "here" / shelf / f"{name}.json", own, {"source": "test"}, name)
    (tmp_path / "there" / "custom").mkdir(parents=True)
    return tmp_path


def test_a_library_that_went_out_comes_in_as_it_was_and_only_once(root):
    here, there = read_collection(root / "here"), root / "there"
    body = url(packed(here, here.genomes))
    assert taken_in(read_collection(there), "lib.zip", body) == "3 genomes came in."
    found = read_collection(there)
    assert {(o.genome.id, o.name, found.shelf_of(o)) for o in found.genomes} == {
        (o.genome.id, o.name, here.shelf_of(o)) for o in here.genomes
    }
    again = taken_in(found, "lib.zip", body)
    assert again == "0 genomes came in; 3 genomes had been here."


def test_a_single_genome_comes_in_under_its_own_name(root):
    body = (root / "here" / "custom" / "a.json").read_bytes()
    assert taken_in(read_collection(root / "there"), "C:\\x\\a.json", url(body))
    assert [own.name for own in read_collection(root / "there").genomes] == ["a"]


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("a.json", b"{}", "a.json: "),
        ("a.json", b"\xff\x00", "a.json: "),
        ("a.zip", zipped(readme=b"x"), "holds no genome"),
        ("a.zip", zipped(**{"a.json": b"x" * 99})[:-4] + b"zzzz", "cannot be read"),
        ("a.json", b"x" * 1_000_003, "at most 1,000,000 bytes"),
    ],
)
def test_what_is_no_genome_is_one_sentence(root, name, body, told):
    with pytest.raises(GenomeError, match=told) as error:
        taken_in(read_collection(root / "there"), name, url(body))
    assert "/tmp" not in str(error.value)


@pytest.mark.parametrize("contents", ["", "data:,", "data:x;base64,%%%", "x" * 99, "data:x,é"])
def test_what_is_no_file_is_one_sentence(root, contents):
    with pytest.raises(GenomeError):
        taken_in(read_collection(root / "there"), "a.json", contents)


def test_names_in_a_zip_file_cannot_leave_the_library(root):
    body = (root / "here" / "custom" / "a.json").read_bytes()
    evil = zipped(**{"../../evil.json": body, "/etc/cron.d/x.json": b"{", "a/..json": b"1"})
    said = taken_in(read_collection(root / "there"), "evil.zip", url(evil))
    assert said.startswith("1 genome came in; left out: ")
    assert {p.relative_to(root).parts[0] for p in root.rglob("*.json")} == {"here", "there"}


def test_a_zip_file_may_neither_hold_nor_unpack_to_too_much(root, monkeypatch):
    place = read_collection(root / "there")
    monkeypatch.setattr(library_files, "MOST_GENOMES", 1)
    with pytest.raises(GenomeError, match="more than 1"):
        taken_in(place, "a.zip", url(zipped(**{"a.json": b"1", "b.json": b"2"})))
    monkeypatch.setattr(library_files, "MOST_UNPACKED", 10_000)
    with pytest.raises(GenomeError, match="unpacked it has more than"):
        taken_in(place, "a.zip", url(zipped(**{"a.json": b"0" * 900_000})))
