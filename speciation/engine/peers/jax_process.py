"""JAX in a process of its own, so that its memory and its threads stay apart from torch's.

Arrays go there once, seconds come back. What fails there is a sentence here.
"""

from __future__ import annotations

import multiprocessing
import os
from importlib.util import find_spec
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from speciation.engine.peers.given import Given

# Read by XLA when jax is imported: memory as it is needed, not three quarters of it at once.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
NO_MEMORY = "out of memory"
PLATFORMS = {"cpu": "cpu", "cuda": "gpu"}  # what jax calls our kinds of device
PATIENCE_SECONDS = 300.0  # for an answer; compiling is the longest
LAST_WORDS_SECONDS = 5.0


class PeerError(RuntimeError):
    """A peer cannot do the job here: a few words that say why."""


class JaxProcess:
    """Started when it is first asked for something.

    Args:
        kind: ``cpu`` or ``cuda``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._process: Any = None
        self._line: Connection | None = None

    def ask(self, word: str, *arguments: Any) -> Any:
        """Have one of the functions of :class:`_Desk` called there.

        Raises:
            PeerError: It is not there, has died, or says that it failed.
        """
        line = self._line or self._start()
        try:
            line.send((word, arguments))
            if not line.poll(PATIENCE_SECONDS):
                self._process.kill()
                self._line = None
                raise PeerError(f"no answer for {PATIENCE_SECONDS:.0f} s")
            failed, answer = line.recv()
        except (EOFError, OSError) as error:
            self._process.join(LAST_WORDS_SECONDS)
            code, self._line = self._process.exitcode, None
            raise PeerError(f"its process ended with exit code {code}") from error
        if failed:
            raise PeerError(answer)
        return answer

    def close(self) -> None:
        """End it."""
        if self._line is not None:
            self._line.close()
            self._process.join(LAST_WORDS_SECONDS)
            self._process.kill()
        self._line = None

    def _start(self) -> Connection:
        if find_spec("jax") is None:
            raise PeerError("jax is not installed")
        context = multiprocessing.get_context("spawn")
        self._line, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, self._kind), daemon=True)
        self._process.start()
        other.close()
        return self._line


class _Desk:
    """Who answers there."""

    def __init__(self, kind: str) -> None:
        from speciation.engine.peers import jax_peer

        self._peer, self._numbers = jax_peer, count()
        self._packs: dict[int, jax_peer.JaxPack] = {}
        if (found := jax_peer.platform()) != PLATFORMS[kind]:
            raise PeerError(f"jax computes on {found} here, not on {PLATFORMS[kind]}")

    def hello(self) -> None:
        """Answers if jax is there and has the device."""

    def open(self, given: Given) -> tuple[int, int | None]:
        """Compile a pack; its number and its bytes."""
        number = next(self._numbers)
        pack = self._packs[number] = self._peer.JaxPack(given)
        return number, pack.peak_bytes()

    def run(self, number: int, intervals: int) -> float:
        """Train a pack; seconds."""
        return self._packs[number].run(intervals)

    def drop(self, number: int) -> None:
        """Give a pack's memory back."""
        del self._packs[number]


def serve(line: Connection, kind: str) -> None:
    """Answer until nobody asks any more."""
    os.environ |= ENVIRONMENT | ({"JAX_PLATFORMS": "cpu"} if kind == "cpu" else {})
    desk: _Desk | None = None
    while True:
        try:
            word, arguments = line.recv()
        except EOFError:
            return
        try:
            desk = desk or _Desk(kind)
            line.send((False, getattr(desk, word)(*arguments)))
        except Exception as error:  # whatever XLA raises, the row says it
            line.send((True, in_words(error)))


def in_words(error: Exception) -> str:
    """The reason why something failed, in one short line."""
    text = str(error)
    if "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower():
        return NO_MEMORY
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return (
        line[:160] if isinstance(error, PeerError) else f"{type(error).__name__}: {line}"[:160]
    )
