"""Compiled code, kept between processes: one file for each content of source and settings."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


class UnavailableError(Exception):
    """A kernel cannot be had here; the text says why."""


def folder() -> Path:
    """Where it is kept: ``$XDG_CACHE_HOME/speciation``, or ``~/.cache/speciation``."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "speciation"


def kept(name: str, made_from: Iterable[bytes], compile_it: Callable[[], bytes]) -> Path:
    """The file that holds what ``compile_it`` returns; called only if there is none yet.

    Processes that compile the same thing at once each write a file of their own and rename it:
    whichever comes last, the file is whole.

    Args:
        name: Of the file; its suffix is kept, its stem gets the hash of what it is made from.
        made_from: All that decides the result: source, options, version of the compiler.
        compile_it: Compiles.

    Raises:
        OSError: The folder cannot be written to.
    """
    digest = hashlib.sha256()
    for part in made_from:
        digest.update(len(part).to_bytes(8, "little") + part)
    wanted = Path(name)
    path = folder() / f"{wanted.stem}-{digest.hexdigest()[:16]}{wanted.suffix}"
    if path.exists():
        return path
    code = compile_it()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(code)
    os.replace(file.name, path)
    return path
