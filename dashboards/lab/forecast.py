"""What is predicted of genomes: learned from the store once, and again when it has grown.

All pages share one: ``sources.shared(Forecast)``.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from dashboards.lab.choosing import State, state, store_at
from dashboards.lab.sources import Sources
from speciation.analysis.surrogate import Surrogate, SurrogateError, of_store


@dataclass
class Forecast:
    """The surrogate of a store, learned when it is first asked for.

    Learning takes seconds, so whoever asks meanwhile waits for the same surrogate.

    Args:
        sources: Where the store is.
    """

    sources: Sources
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _learned: tuple[State, Surrogate | SurrogateError] | None = field(default=None, repr=False)

    def surrogate(self) -> Surrogate:
        """It as it is now.

        Raises:
            SurrogateError: There is too little to learn from.
            StoreError: The store cannot be read.
        """
        with self._lock:
            stamp = state(self.sources.store)
            if self._learned is None or self._learned[0] != stamp:
                self._learned = (stamp, self._learn())
            found = self._learned[1]
        if isinstance(found, SurrogateError):
            raise found
        return found

    def _learn(self) -> Surrogate | SurrogateError:
        try:
            return of_store(store_at(self.sources.store))
        except SurrogateError as error:
            return error
