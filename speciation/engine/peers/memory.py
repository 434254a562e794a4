"""The most memory that a piece of work held at once."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Watermark:
    """Counts from where it is made.

    On CUDA, what torch's allocator handed out. On a CPU, what the process had in memory, where
    Linux says so; elsewhere nothing is known.
    """

    def __init__(self, kind: str) -> None:
        self._cuda = kind == "cuda"
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
            self._before: int | None = torch.cuda.memory_allocated()
        else:
            self._before = _resident_after_reset()

    def bytes(self) -> int | None:
        """The most above the beginning, so far."""
        if self._before is None:
            return None
        peak = torch.cuda.max_memory_allocated() if self._cuda else _status("VmHWM")
        return None if peak is None else max(0, peak - self._before)


def gpu_bytes() -> int:
    """Bytes of the current GPU that are in use, by whomever, contexts included."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def _resident_after_reset() -> int | None:
    """Bytes in memory, once what was freed is given back and the high-water mark lowered."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        _CLEAR.write_text("5", encoding="ascii")  # proc(5)
    except OSError:
        return None
    return _status("VmRSS")


def _status(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s*(\d+) kB", _STATUS.read_text("ascii"), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None
