"""What the Lab looks at: a store and a library, read anew only when they changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from speciation.analysis.taxonomy import Taxonomy, TaxonomyError
from speciation.analysis.taxonomy_file import MOST_BYTES, decode
from speciation.genome.collection import Collection, read_collection
from speciation.tables.files import LocalFiles, StoreError

T = TypeVar("T")


@dataclass
class Sources:
    """Folders, and what was last read of them.

    Args:
        store: Folder of a store.
        library: Folder of a library.
    """

    store: Path
    library: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _taxonomy: tuple[str, Taxonomy] | None = field(default=None, repr=False)
    _shared: dict[object, Any] = field(default_factory=dict, repr=False)

    def shared(self, make: Callable[[Sources], T]) -> T:
        """The one thing of a kind that all pages share, made when it is first wanted."""
        with self._lock:
            if make not in self._shared:
                self._shared[make] = make(self)
            return cast(T, self._shared[make])

    def collection(self) -> Collection:
        """The library as it is now.

        Raises:
            GenomeError: There is none.
        """
        return read_collection(self.library)

    def taxonomy(self) -> Taxonomy | None:
        """The taxonomy that is kept with the store; None if there is none that can be read."""
        path, stamp = self._kept, self.taxonomy_state()
        try:
            with self._lock:
                if self._taxonomy is None or self._taxonomy[0] != stamp:
                    data = LocalFiles(path.parent).read(path.name, MOST_BYTES)
                    self._taxonomy = (stamp, decode(data))
                return self._taxonomy[1]
        except (StoreError, TaxonomyError):
            return None

    def taxonomy_state(self) -> str:
        """What changes whenever that does; nothing of it is read for that."""
        try:
            state = self._kept.stat()
        except OSError:
            return ""
        return f"{state.st_mtime_ns} {state.st_size}"

    @property
    def _kept(self) -> Path:
        return self.store / "taxonomy" / "hyper17.arrow"
