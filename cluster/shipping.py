"""What goes along to a cluster: this project's code, and nothing else.

One zip file of our own making, so that the same code is the same bytes wherever it is packed,
and so that it can be said exactly what leaves this machine. No results, no configuration, no
token; libraries are the cluster's to have.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.config import PROJECT
from cluster.provenance import git_commit

PACKAGES = ("speciation", "cluster", "dashboards")
KINDS = (".py", ".yaml", ".cu", ".cpp", ".h", ".json", ".typed")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first day that a zip file knows


@dataclass(frozen=True, slots=True)
class Parcel:
    """Code to ship.

    Args:
        files: Path below the project's root → size in bytes.
        data: The zip file.
        commit: Of the code.
    """

    files: Mapping[str, int]
    data: bytes
    commit: str

    @property
    def hash(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def name(self) -> str:
        """The beginning of the hash, for people."""
        return self.hash[:16]

    def summary(self) -> str:
        """What it is, in a line."""
        packages = ", ".join(f"{name}/" for name in PACKAGES)
        return (
            f"{len(self.files)} files of {packages}: {sum(self.files.values()):,} bytes, "
            f"{len(self.data):,} zipped, code {self.name}, commit {self.commit[:12]}"
        )

    def write(self, folder: Path) -> Path:
        """The zip file, in a folder."""
        path = folder / f"speciation-{self.name}.zip"
        path.write_bytes(self.data)
        return path


def pack(root: Path = PROJECT) -> Parcel:
    """The code of this project as it is now."""
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for package in PACKAGES
        for path in sorted((root / package).rglob("*"))
        if path.suffix in KINDS and path.is_file() and "__pycache__" not in path.parts
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    sizes = {name: len(data) for name, data in files.items()}
    return Parcel(sizes, buffer.getvalue(), git_commit(root))
