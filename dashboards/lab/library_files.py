"""Genomes of the library as files: taken in from a browser, and given out to one.

What comes in is a genome file, or a zip file of them as this module gives out: a folder a
shelf. It is put into a folder of its own first and then taken in as at the prompt, so nothing
of its names or sizes reaches the library unseen.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dashboards import words
from speciation.genome.collection import Collection, Taken, take_in
from speciation.genome.envelope import GenomeError
from speciation.genome.library import MAX_BYTES, StoredGenome

MOST_UPLOAD = 1_000_000
"""Bytes of a file that is taken in."""
MOST_GENOMES = 2000  # of a zip file
MOST_UNPACKED = 32 * 2**20  # bytes

_ODD = re.compile(r"[^A-Za-z0-9_-]+")


def taken_in(place: Collection, name: str, contents: str) -> str:
    """Take a file into the library; says in a sentence what came of it.

    Args:
        place: The library.
        name: What the file is called where it comes from.
        contents: A data URL, as browsers tell it.

    Raises:
        GenomeError: It is no genome file and no zip file of such, or is too large.
    """
    body, called = _bytes(contents), PurePosixPath(name.replace("\\", "/")).name[:100]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if zipfile.is_zipfile(io.BytesIO(body)):
            _unpack(body, root)
            source = root
        else:
            source = root / f"{_plain(called)}.json"
            source.write_bytes(body)
        try:
            return said(take_in(place, source), folder)
        except GenomeError as error:
            raise GenomeError(str(error).replace(str(source), called)) from None


def packed(place: Collection, genomes: Iterable[StoredGenome]) -> bytes:
    """Files of genomes as a zip file, a folder a shelf.

    Raises:
        GenomeError: One of them is gone.
    """
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for own in genomes:
            try:
                body = own.path.read_bytes()
            except OSError as error:
                raise GenomeError(f"{own.path.name}: {error.strerror}") from None
            archive.writestr(f"{place.shelf_of(own)}/{own.path.name}", body)
    return whole.getvalue()


def said(taken: Taken, folder: str) -> str:
    """What came in, what was there, and what was left out."""
    parts = [f"{words.counted(len(taken.added), 'genome')} came in"]
    if taken.known:
        parts.append(f"{words.counted(len(taken.known), 'genome')} had been here")
    refused = [own.replace(f"{folder}/", "") for own in taken.refused[:3]]
    more = len(taken.refused) - len(refused)
    left = [f"left out: {own}" for own in refused] + ([f"and {more:,} more"] if more else [])
    return "; ".join((*parts, *left)) + "."


def _bytes(contents: str) -> bytes:
    head, _, data = contents.partition(",")
    if not head.startswith("data:") or 3 * len(data) // 4 > MOST_UPLOAD + 2:
        raise GenomeError(f"a file of at most {MOST_UPLOAD:,} bytes was expected")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise GenomeError("the file did not arrive whole; try again") from None


def _unpack(body: bytes, root: Path) -> None:
    """Genome files of a zip file as files of a folder, under names that are harmless."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            room = MOST_UNPACKED
            for own in _listed(archive):
                with archive.open(own) as file:
                    data = file.read(MAX_BYTES + 1)
                room -= len(data)
                if room < 0:
                    raise GenomeError(f"unpacked it has more than {MOST_UNPACKED:,} bytes")
                _free(root, PurePosixPath(own.filename)).write_bytes(data)
    except GenomeError:
        raise
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError) as error:
        # A damaged archive, one with a password, or one that is packed in an unknown way.
        raise GenomeError(f"the zip file cannot be read ({error})") from None


def _listed(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    files = [own for own in archive.infolist() if own.filename.endswith(".json")]
    if not files:
        raise GenomeError("the zip file holds no genome: none of its names ends with .json")
    if len(files) > MOST_GENOMES:
        raise GenomeError(
            f"the zip file holds {len(files):,} genomes, more than {MOST_GENOMES:,}"
        )
    return files


def _free(root: Path, path: PurePosixPath) -> Path:
    """Where a file of an archive goes: on its shelf, under a name that is free."""
    shelf = root / _plain(path.parent.name or "custom").lower()
    shelf.mkdir(exist_ok=True)
    place = shelf / f"{_plain(path.stem)}.json"
    return (
        place
        if not place.exists()
        else shelf / f"{place.stem}-{len(list(shelf.iterdir()))}.json"
    )


def _plain(name: str) -> str:
    """A name without anything that a file system could take for more than a name."""
    return _ODD.sub("-", name.removesuffix(".json")).strip("-")[:60] or "genome"
