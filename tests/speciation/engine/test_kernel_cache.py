"""Compiled code is made once and never half."""

from __future__ import annotations

import pytest

from speciation.engine.kernel_cache import kept


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "speciation"


def never():
    raise AssertionError("compiled again")


def test_the_same_source_and_settings_are_compiled_once():
    path = kept("kernel.bin", [b"source", b"-O3"], lambda: b"code")
    assert path.read_bytes() == b"code"
    assert path.suffix == ".bin"
    assert kept("kernel.bin", [b"source", b"-O3"], never) == path


@pytest.mark.parametrize("parts", [[b"source"], [b"source-O", b"3"], [b"source", b"-O2"]])
def test_anything_else_is_compiled_anew(parts):
    path = kept("kernel.bin", [b"source", b"-O3"], lambda: b"code")
    assert kept("kernel.bin", parts, lambda: b"other") != path
    assert path.read_bytes() == b"code"


def test_a_compiler_that_fails_leaves_nothing(home):
    with pytest.raises(RuntimeError, match="no"):
        kept("kernel.bin", [b"source"], lambda: (_ for _ in ()).throw(RuntimeError("no")))
    assert not home.exists() or not list(home.iterdir())


def test_who_compiles_at_the_same_time_gets_a_whole_file(home):
    """Another process finishes while this one compiles."""

    def slow() -> bytes:
        kept("kernel.bin", [b"source"], lambda: b"code")
        return b"code"

    assert kept("kernel.bin", [b"source"], slow).read_bytes() == b"code"
    assert len(list(home.iterdir())) == 1
