"""What was started here, as files beside the results: a record, a log, and a lock.

    <store>/lab/<name>.json    who, when, on which machine, as which process
    <store>/lab/<name>.log     what it said, of all its starts
    <store>/lab/<name>.lock    held by the process as long as it lives

The lock is what tells whether something runs. The system drops it with the process, however
that ends, so nothing has to be remembered by whoever started it, a number that another process
has now is never taken for ours, and two windows on one store cannot start one thing twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

FOLDER = "lab"
RECORD_BYTES = 2**16
TAIL_BYTES = 2**15
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Work:
    """A process that was started here, whether or not it still runs.

    Args:
        name: A run's id, or ``validation-…``.
        kind: "run" or "validation".
        about: What it is for, in words.
        host: The machine that it was started on.
        pid: Its process there.
        began: Seconds since 1970.
        stopping: Whether it was asked to stop.
        running: Whether it lives.
    """

    name: str
    kind: str
    about: str
    host: str
    pid: int
    began: float
    stopping: bool = False
    running: bool = False


def is_name(value: object) -> bool:
    """Whether something names a work, so that its files are in their folder."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def works(store: Path) -> tuple[Work, ...]:
    """All that was ever started here, the latest first. Records of nobody are left out."""
    found = (read_work(store, path.stem) for path in (store / FOLDER).glob("*.json"))
    return tuple(sorted((own for own in found if own), key=lambda own: -own.began))


def read_work(store: Path, name: str) -> Work | None:
    """A work by its name; None if there is none that can be read."""
    if not is_name(name):
        return None
    try:
        with (store / FOLDER / f"{name}.json").open("rb") as file:
            told = json.loads(file.read(RECORD_BYTES))
        work = Work(**{**told, "name": name, "running": False})
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    if not _is_sound(work):
        return None
    return Work(**{**asdict(work), "running": _is_held(store / FOLDER / f"{name}.lock")})


def start_work(
    store: Path, name: str, kind: str, about: str, command: Sequence[str], env: dict[str, str]
) -> bool:
    """Start a process that outlives this one, unless it runs already.

    Args:
        store: Folder of the store.
        name: What it is called; see :func:`is_name`.
        kind: "run" or "validation".
        about: What it is for, in words.
        command: Program and arguments.
        env: Its environment.

    Returns:
        Whether it was started; False says that it runs.

    Raises:
        OSError: A file cannot be written, or the program cannot be started.
    """
    folder = store / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("ab") as lock:
        if not _take(lock, tries=5):
            return False
        with (folder / f"{name}.log").open("ab") as log:
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            log.write(f"--- {now}, {about}\n".encode())
            log.flush()
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
        work = Work(name, kind, about, socket.gethostname(), child.pid, time.time())
        _write(folder, work)
    # Whoever ends is to be asked for, or stays as a name in the system's table.
    threading.Thread(target=child.wait, daemon=True).start()
    return True


def stop_work(store: Path, work: Work) -> None:
    """Ask a process to stop, once: what it has finished is kept.

    Raises:
        OSError: It cannot be asked.
    """
    if work.stopping or not work.running or work.host != socket.gethostname():
        return
    os.kill(work.pid, signal.SIGTERM)
    _write(store / FOLDER, Work(**{**asdict(work), "stopping": True}))


def tail(store: Path, name: str, most: int = TAIL_BYTES) -> str:
    """The end of what a work said, from the beginning of a line; nothing if it said nothing."""
    if not is_name(name):
        return ""
    try:
        with (store / FOLDER / f"{name}.log").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - most, 0))
            said = file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
    return said if size <= most else said.partition("\n")[2]


def _take(lock: IO[bytes], tries: int = 1) -> bool:
    """Take a lock, if nobody has it. Whoever only looks has it for a moment: hence tries."""
    for left in reversed(range(tries)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02 if left else 0)
        else:
            return True
    return False


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            return not _take(lock)
    except OSError:
        return False


def _write(folder: Path, work: Work) -> None:
    told: dict[str, Any] = asdict(work)
    del told["name"], told["running"]
    draft = folder / f".{work.name}.json"
    draft.write_text(json.dumps(told), encoding="utf-8")
    draft.replace(folder / f"{work.name}.json")


def _is_sound(work: Work) -> bool:
    """Whether every value is of its type; anybody may have written the store."""
    texts = (work.kind, work.about, work.host)
    return (
        all(isinstance(text, str) and text.isprintable() for text in texts)
        and type(work.pid) is int
        and work.pid > 1
        and type(work.began) in (int, float)
        and type(work.stopping) is bool
    )
