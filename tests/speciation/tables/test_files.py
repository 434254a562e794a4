from __future__ import annotations

import errno
import os
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from speciation.tables import files
from speciation.tables.files import (
    LocalFiles,
    RemoteFiles,
    StoreError,
    StoreFull,
    TooLarge,
    Vanished,
    open_files,
)
from tests.speciation.tables.faults import CALLS, FULL, When, broken, crashing

DATA = bytes(range(256)) * 20


@pytest.fixture(params=["local", "mock", "subtree"])
def place(request, tmp_path):
    """The same contract for a folder and for what stands behind an Arrow file system."""
    if request.param == "local":
        return LocalFiles(tmp_path / "store")
    if request.param == "mock":
        return RemoteFiles(pafs._MockFileSystem(), "bucket/store", "mock://bucket/store")
    tree = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    return RemoteFiles(tree, "store", "tree://store")


def test_a_published_file_is_listed_and_read(place):
    place.publish("t/a.parquet", DATA)
    assert place.files("t") == [("a.parquet", len(DATA))]
    assert place.read("t/a.parquet", len(DATA)) == DATA
    assert place.folders("") == ["t"]


def test_publishing_again_is_fine(place):
    place.publish("t/a", DATA)
    place.publish("t/a", DATA)
    assert place.files("t") == [("a", len(DATA))]


def test_publishing_mends_a_damaged_file(place):
    place.publish("t/a", DATA[:-1] + b"?")
    place.publish("t/a", DATA)
    assert place.read("t/a", 10**6) == DATA


def test_replacing_gives_new_content(place):
    place.replace("t/a", b"old")
    place.replace("t/a", b"new")
    assert place.read("t/a", 3) == b"new"
    assert len(place.files("t")) == 1


def test_what_is_not_there_has_no_files_and_no_bytes(place):
    assert place.files("nowhere") == []
    assert place.folders("nowhere") == []
    place.remove("nowhere/a")
    assert not place.move("nowhere/a", "elsewhere/a")
    with pytest.raises(Vanished):
        place.read("nowhere/a", 10)


def test_removing_and_moving(place):
    place.publish("t/a", DATA)
    assert place.move("t/a", "deep/er/b")
    assert place.files("t") == []
    assert place.read("deep/er/b", 10**6) == DATA
    place.remove("deep/er/b")
    assert place.files("deep/er") == []


def test_a_file_larger_than_allowed_is_not_read(place):
    place.publish("t/a", DATA)
    with pytest.raises(TooLarge, match="larger than 100 bytes"):
        place.read("t/a", 100)


# -- Only this machine's files ------------------------------------------------------------


def dots(root: Path) -> list[str]:
    return [path.name for path in root.rglob(".*")]


@pytest.mark.parametrize("action", ["publish", "replace"])
@pytest.mark.parametrize("when", When)
def test_a_crash_at_any_call_leaves_no_file_or_the_whole_one(tmp_path, action, when):
    at, crashes = 0, 0
    while True:
        root = tmp_path / str(at)
        place = LocalFiles(root)
        with crashing(at, when) as made:
            getattr(place, action)("t/a", DATA)
        after = LocalFiles(root)
        if ("a", len(DATA)) in after.files("t"):
            assert after.read("t/a", 10**6) == DATA
        else:
            assert all(entry.name.startswith(".") for entry in after.files("t"))
        after.publish("t/a", DATA)
        assert after.read("t/a", 10**6) == DATA
        if made[0] <= at:
            break
        crashes += 1
        at += 1
    assert crashes >= 9


@pytest.mark.parametrize("action", ["publish", "replace"])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("code", [*FULL, errno.EIO])
def test_a_fault_of_any_call_leaves_no_half_and_can_be_tried_again(
    tmp_path, action, name, code
):
    at = 0
    while True:
        root = tmp_path / str(at)
        place = LocalFiles(root)
        with broken(name, at, code) as made:
            try:
                getattr(place, action)("t/a", DATA)
            except StoreError as error:
                assert isinstance(error, StoreFull) == (code in FULL)  # noqa: PT017
                assert str(root) in str(error)  # noqa: PT017
                if name != "unlink":
                    assert dots(root) == []
        if made[0] <= at:
            break
        if place.files("t"):
            assert place.read("t/a", 10**6) == DATA
        getattr(place, action)("t/a", DATA)
        assert place.read("t/a", 10**6) == DATA
        at += 1
    assert at >= 1 or (action, name) in {
        ("publish", "replace"),
        ("replace", "link"),
        ("replace", "unlink"),
    }


def test_a_full_disk_is_told_with_what_to_do(tmp_path):
    place = LocalFiles(tmp_path)
    with broken("write", 0, errno.ENOSPC), pytest.raises(StoreFull, match="free some space"):
        place.publish("t/a", DATA)


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:7]))
    LocalFiles(tmp_path).publish("t/a", DATA)
    assert LocalFiles(tmp_path).read("t/a", 10**6) == DATA


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_file_systems_without_links_publish_by_renaming(tmp_path, code):
    with broken("link", 0, code):
        LocalFiles(tmp_path).publish("t/a", DATA)
    assert (tmp_path / "t" / "a").read_bytes() == DATA
    assert dots(tmp_path) == []


def test_folders_that_cannot_be_forced_to_disk_are_no_obstacle(tmp_path):
    with broken("fsync", 0, errno.EINVAL):
        LocalFiles(tmp_path / "s").publish("t/a", DATA)
    assert (tmp_path / "s" / "t" / "a").read_bytes() == DATA


def test_the_root_is_made_with_all_above_it(tmp_path):
    LocalFiles(tmp_path / "x" / "y" / "z").publish("t/a", DATA)
    assert (tmp_path / "x/y/z/t/a").read_bytes() == DATA


def test_a_root_that_is_removed_meanwhile_is_made_again(tmp_path):
    place = LocalFiles(tmp_path / "s")
    place.publish("t/a", DATA)
    (tmp_path / "s/t/a").unlink()
    (tmp_path / "s/t").rmdir()
    with pytest.raises(StoreError, match="cannot write"):
        place.publish("t/a", DATA)
    place.publish("t/a", DATA)
    assert place.read("t/a", 10**6) == DATA


def test_two_writers_with_one_process_id_do_not_share_a_temporary_file(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / f".a.{os.getpid()}.0.tmp").write_bytes(b"another's")
    LocalFiles(tmp_path).publish("t/a", DATA)
    assert (tmp_path / "t" / "a").read_bytes() == DATA
    assert (tmp_path / "t" / f".a.{os.getpid()}.0.tmp").read_bytes() == b"another's"


def test_a_root_that_is_a_file_is_named(tmp_path):
    (tmp_path / "root").write_text("")
    place = LocalFiles(tmp_path / "root")
    with pytest.raises(StoreError, match=str(tmp_path / "root")):
        place.files("t")
    with pytest.raises(StoreError, match=str(tmp_path / "root")):
        place.publish("t/a", DATA)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="not a regular file"):
        LocalFiles(tmp_path).read("pipe", 10)


def test_a_file_that_vanishes_while_it_is_listed_is_left_out(tmp_path, monkeypatch):
    place = LocalFiles(tmp_path)
    place.publish("t/a", DATA)
    place.publish("t/b", DATA)
    listing = list(os.scandir(tmp_path / "t"))
    (tmp_path / "t/a").unlink()
    monkeypatch.setattr(place, "_scan", lambda folder: listing)
    assert [entry.name for entry in place.files("t")] == ["b"]


# -- Which files a URI means --------------------------------------------------------------


def test_paths_and_file_uris_are_local(tmp_path):
    for uri in (tmp_path, str(tmp_path), f"file://{tmp_path}"):
        place = open_files(uri)
        assert isinstance(place, LocalFiles)
        assert place.uri == str(tmp_path)


def test_a_relative_path_and_a_home_are_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_files("results").uri == str(tmp_path / "results")
    assert open_files("~/results").uri == str(tmp_path / "home" / "results")


def test_an_unknown_scheme_is_explained():
    with pytest.raises(StoreError, match=r"ftp://host.*file://, s3:// or gs://"):
        open_files("ftp://host/store")


def test_a_bucket_is_remote():
    place = open_files("s3://bucket/store?region=eu-west-1")
    assert isinstance(place, RemoteFiles)
    assert files.open_files("x/y", pafs._MockFileSystem()).uri == "x/y"


def test_errors_of_a_bucket_are_sentences(monkeypatch):
    place = RemoteFiles(pafs._MockFileSystem(), "bucket", "s3://bucket")

    def unavailable(path, data):
        raise OSError(errno.EIO, "503 slow down")

    monkeypatch.setattr(place, "_put", unavailable)
    with pytest.raises(StoreError, match=r"cannot write s3://bucket/t/a: 503 slow down"):
        place.publish("t/a", DATA)
