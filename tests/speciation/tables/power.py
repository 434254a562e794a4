"""A disk that forgets: what may be left of a program's writes when the power fails.

The calls of a real program are recorded. At any point of the record the power may fail, and
then only what was forced to disk is certain: of other data any beginning, perhaps followed by
zeros, may be left, and of other changes to a folder's names any subset. (Real file systems keep
more than that; none promises to.)
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Event(NamedTuple):
    """One call: its name, the paths or the file it was about, and what was written."""

    call: str
    about: tuple[Any, ...]
    data: bytes = b""


@dataclass
class Record:
    """What a program did to the files below a root, in order."""

    root: Path
    events: list[Event] = field(default_factory=list)
    _files: dict[int, Any] = field(default_factory=dict)
    _made: int = 0

    def note(self, *about: Any) -> None:
        """Something that the program was promised: it must hold from here on."""
        self.events.append(Event("note", about))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the calls of this process."""
        names = ("open", "write", "fsync", "link", "unlink", "replace", "mkdir")
        real = {name: getattr(os, name) for name in names}
        for name in names:
            setattr(os, name, self._recorder(name, real[name]))
        try:
            yield
        finally:
            for name in names:
                setattr(os, name, real[name])

    def _recorder(self, name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            done = real(*args, **kwargs)
            getattr(self, f"_{name}")(done, *args)
            return done

        return call

    def _open(self, fd: int, path: Any, flags: int, mode: int = 0) -> None:
        if flags & os.O_CREAT:
            self._made += 1
            self._files[fd] = self._made
            self.events.append(Event("create", (self._made, Path(path))))
        else:
            self._files[fd] = Path(path)

    def _write(self, done: int, fd: int, data: Any) -> None:
        self.events.append(Event("write", (self._files[fd],), bytes(data[:done])))

    def _fsync(self, done: None, fd: int) -> None:
        self.events.append(Event("fsync", (self._files[fd],)))

    def _link(self, done: None, source: Any, target: Any) -> None:
        self.events.append(Event("link", (Path(source), Path(target))))

    def _replace(self, done: None, source: Any, target: Any) -> None:
        self.events.append(Event("replace", (Path(source), Path(target))))

    def _unlink(self, done: None, path: Any) -> None:
        self.events.append(Event("unlink", (Path(path),)))

    def _mkdir(self, done: None, path: Any, mode: int = 0) -> None:
        self.events.append(Event("mkdir", (Path(path),)))


class _Disk:
    """Names and contents: as the program sees them, and as they are certain to be."""

    def __init__(self) -> None:
        self.names: dict[Path, int | None] = {}  # path → file number, None: a folder
        self.certain: dict[Path, int | None] = {}
        self.pending: list[list[tuple[Path, int | str | None]]] = []
        self.content: dict[int, bytes] = {}
        self.synced: dict[int, int] = {}

    def apply(self, event: Event) -> None:
        about = event.about
        match event.call:
            case "create":
                self.content[about[0]], self.synced[about[0]] = b"", 0
                self._change([(about[1], about[0])])
            case "write":
                self.content[about[0]] += event.data
            case "fsync" if isinstance(about[0], Path):
                self._force(about[0])
            case "fsync":
                self.synced[about[0]] = len(self.content[about[0]])
            case "link":
                self._change([(about[1], self.names[about[0]])])
            case "replace":
                self._change([(about[1], self.names[about[0]]), (about[0], "gone")])
            case "unlink":
                self._change([(about[0], "gone")])
            case "mkdir":
                self._change([(about[0], None)])

    def _change(self, changes: list[tuple[Path, int | str | None]]) -> None:
        self.pending.append(changes)
        _apply(self.names, changes)

    def _force(self, folder: Path) -> None:
        forced = [change for change in self.pending if change[0][0].parent == folder]
        self.pending = [change for change in self.pending if change[0][0].parent != folder]
        for change in forced:
            _apply(self.certain, change)

    def left(self, chance: random.Random) -> dict[Path, bytes | None]:
        names = dict(self.certain)
        for change in self.pending:
            if chance.random() < 0.5:
                _apply(names, change)
        return {
            path: None if number is None else self._content_left(number, chance)
            for path, number in names.items()
        }

    def _content_left(self, number: int, chance: random.Random) -> bytes:
        data, synced = self.content[number], self.synced[number]
        kept = chance.randint(synced, len(data))
        return data[:kept] + bytes(chance.choice([0, len(data) - kept]))


def _apply(names: dict[Path, Any], changes: list[tuple[Path, int | str | None]]) -> None:
    for path, number in changes:
        if number == "gone":
            names.pop(path, None)
        else:
            names[path] = number


def after_power_loss(record: Record, at: int, seed: int, into: Path) -> list[tuple[Any, ...]]:
    """Write what may be left after the first ``at`` events into a folder.

    Returns:
        What had been noted by then.
    """
    disk = _Disk()
    for event in record.events[:at]:
        disk.apply(event)
    left = disk.left(random.Random(seed))
    into.mkdir(parents=True)
    for path in sorted(left):
        if path == record.root or all(
            parent in left for parent in path.parents if parent.is_relative_to(record.root)
        ):
            here = into / path.relative_to(record.root)
            content = left[path]
            if content is None:
                here.mkdir(exist_ok=True)
            else:
                here.write_bytes(content)
    return [event.about for event in record.events[:at] if event.call == "note"]
