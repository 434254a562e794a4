"""Whether anybody works on a queue."""

from __future__ import annotations

import pytest

from cluster.heartbeat import (
    FILE,
    SILENT_SECONDS,
    idle_note,
    is_at_work,
    is_leaving,
    write_beat,
)
from speciation.tables.files import open_files

NOW = 1e9


def test_a_dispatcher_is_at_work_as_long_as_it_is_heard(tmp_path):
    files = open_files(tmp_path)
    assert not is_at_work(files, NOW)
    write_beat(files, NOW)
    assert is_at_work(files, NOW + SILENT_SECONDS - 1)
    assert not is_at_work(files, NOW + SILENT_SECONDS)


def test_a_queue_that_nobody_works_on_says_what_to_do(tmp_path):
    files = open_files(tmp_path)
    assert f"speciation dispatch --store {tmp_path}" in idle_note(files, 1, NOW)
    assert idle_note(files, 0, NOW) == ""
    write_beat(files, NOW)
    assert idle_note(files, 1, NOW) == ""


def test_a_dispatcher_that_leaves_says_so_until_one_is_heard_that_stays(tmp_path):
    files = open_files(tmp_path)
    assert not is_leaving(files)
    write_beat(files, NOW, leaving=True)
    assert (is_leaving(files), is_at_work(files, NOW)) == (True, False)
    write_beat(files, NOW)
    assert (is_leaving(files), is_at_work(files, NOW)) == (False, True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": "now"}', "x" * 9999])
def test_a_beat_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    assert not is_at_work(open_files(tmp_path), NOW)
    assert not is_leaving(open_files(tmp_path))


def test_a_store_that_cannot_be_written_stops_no_dispatcher(tmp_path):
    (tmp_path / "file").write_text("")
    write_beat(open_files(tmp_path / "file"), NOW)
