"""Processes that share one GPU and are asked all at once, for `speciation bench`."""

from __future__ import annotations

import contextlib
from typing import Any

import ray

from cluster.executor import ExecutorError
from cluster.ray_session import in_one_line, own_ray

CREW_SECONDS = 180.0  # for an answer of a whole crew, its start included


class Crew:
    """Objects in processes of their own that share one GPU, for `speciation bench`.

    Args:
        make: Their class.
        most: How many there may be; each is given this fraction of the GPU.
        gpus: 0 where there is none to share.

    Raises:
        ExecutorError: Ray cannot be started.
    """

    def __init__(self, make: type, most: int, gpus: int = 1) -> None:
        self._ours = not ray.is_initialized()
        if self._ours:
            own_ray(num_cpus=most, num_gpus=gpus, include_dashboard=False)
        self._make: Any = ray.remote(make).options(num_cpus=0, num_gpus=gpus / most)
        self._actors: list[Any] = []

    def ask(self, count: int, word: str, *arguments: Any) -> list[Any]:
        """Have so many of them do something at once; what they answer.

        Raises:
            ExecutorError: One of them failed.
        """
        self._actors += [self._make.remote() for _ in range(count - len(self._actors))]
        calls = [getattr(actor, word).remote(*arguments) for actor in self._actors[:count]]
        try:
            return list(ray.get(calls, timeout=CREW_SECONDS))
        except Exception as error:  # whatever the object raised, or Ray says of its end
            raise ExecutorError(in_one_line(error)) from error

    def close(self) -> None:
        """End them, and Ray where it was started here."""
        for actor in self._actors:
            with contextlib.suppress(ray.exceptions.RayError, ValueError):
                ray.kill(actor)
        self._actors = []
        if self._ours:
            ray.shutdown()
