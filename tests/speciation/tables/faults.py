"""A disk that fails on demand: the system calls that change files, counted and broken.

Two ways to break. A *fault* is an error of one call, after which the program goes on. A *crash*
is the end of the program: the call happens, half happens or does not, and no later call does
anything, so that no clean-up of ours can help.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

# Every call by which the store changes what is on disk.
CALLS = ("open", "write", "fsync", "link", "unlink", "replace", "mkdir")
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class Crash(BaseException):
    """The process is gone."""


class When(Enum):
    """How far the fatal call got."""

    BEFORE = "before"
    HALFWAY = "halfway"
    AFTER = "after"


@contextmanager
def broken(name: str, at: int, code: int) -> Iterator[list[int]]:
    """The call number ``at`` of a name fails with an errno. The list counts the calls."""
    real, made = getattr(os, name), [0]

    def call(*args: Any, **kwargs: Any) -> Any:
        made[0] += 1
        if made[0] == at + 1:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    with _replaced({name: call}):
        yield made


@contextmanager
def crashing(at: int, when: When) -> Iterator[list[int]]:
    """The process dies at its call number ``at``. The list tells how many calls were made.

    Raises:
        Crash: Swallowed here, as nobody is left to see it.
    """
    made = [0]

    def mortal(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            made[0] += 1
            if made[0] - 1 < at:
                return real(*args, **kwargs)
            if made[0] - 1 == at:
                _last_act(name, real, when, args, kwargs)
            raise Crash

        return call

    with _replaced({name: mortal(name, getattr(os, name)) for name in CALLS}):
        try:
            yield made
        except Crash:
            return


def _last_act(name: str, real: Callable[..., Any], when: When, args: Any, kwargs: Any) -> None:
    if when is When.HALFWAY and name == "write":
        real(args[0], bytes(args[1])[: len(args[1]) // 2])
    elif when is When.AFTER:
        done = real(*args, **kwargs)
        if name == "open":
            os.close(done)


@contextmanager
def _replaced(calls: dict[str, Callable[..., Any]]) -> Iterator[None]:
    real = {name: getattr(os, name) for name in calls}
    for name, call in calls.items():
        setattr(os, name, call)
    try:
        yield
    finally:
        for name, call in real.items():
            setattr(os, name, call)
