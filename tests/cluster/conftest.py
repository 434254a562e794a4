"""The program, called as a person calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from cluster.cli import main


class Said(NamedTuple):
    """How a command ended, and what it said where."""

    code: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch, capsys) -> Call:
    """Run the program in this process."""

    def run(*words: str) -> Said:
        monkeypatch.setattr("sys.argv", ["speciation", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return Said(int(end.value.code or 0), *capsys.readouterr())

    return run
