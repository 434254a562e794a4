"""A library of genomes: a folder of shelves, and on each shelf one JSON file a genome.

    genomes/hall_of_fame/   confirmed champions
    genomes/custom/         genomes of one's own
    genomes/reference/      published settings to compare with

A genome is known by the hash of its content, so a library has each once, whatever files are
called and however often something is imported. A file keeps its path when its genome is
renamed, since configurations name paths. A file that cannot be read is a sentence, not an end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speciation.genome.envelope import GenomeError, is_tag, short
from speciation.genome.genome import Genome
from speciation.genome.library import StoredGenome, read_stored, save_genome

CUSTOM = "custom"
SHELVES = ("hall_of_fame", CUSTOM, "reference")
LEAST_PREFIX = 4
MOST_FILES = 10_000

_PREFIX = re.compile(rf"[0-9a-f]{{{LEAST_PREFIX},32}}")
_SHELF = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class AmbiguousError(GenomeError):
    """A word that may mean several genomes: one sentence."""


@dataclass(frozen=True)
class Collection:
    """What a library holds.

    Args:
        root: Its folder.
        genomes: Each genome once, by shelf and then by file name. Where two files hold one
            genome, the first counts.
        refused: A sentence for each file that is no genome.
    """

    root: Path
    genomes: tuple[StoredGenome, ...]
    refused: tuple[str, ...] = ()

    def shelf_of(self, stored: StoredGenome) -> str:
        """The shelf that a genome stands on."""
        return stored.path.parent.name

    def holding(self, genome_id: str) -> StoredGenome | None:
        """The file of a genome, if there is one."""
        return next((own for own in self.genomes if own.genome.id == genome_id), None)


@dataclass(frozen=True)
class Taken:
    """What came of bringing genomes into a library.

    Args:
        added: New ones, where they are now.
        known: Ones that were here already.
        refused: A sentence for each file that is no genome.
    """

    added: tuple[StoredGenome, ...]
    known: tuple[StoredGenome, ...]
    refused: tuple[str, ...] = ()


# -- Looking --------------------------------------------------------------------------------


def read_collection(root: str | Path) -> Collection:
    """A library from its folder.

    Raises:
        GenomeError: There is no such folder, or it holds more files than a library may.
    """
    root = Path(root)
    if not root.is_dir():
        raise GenomeError(f"{root}: expected the folder of a library, and there is none")
    genomes, refused = _read_files(_files(root))
    first: dict[str, StoredGenome] = {}
    for stored in genomes:
        first.setdefault(stored.genome.id, stored)
    return Collection(root, tuple(first.values()), refused)


def find(collection: Collection, word: str) -> StoredGenome:
    """The genome that somebody means: by the beginning of its id, its file's name, or its name.

    Raises:
        GenomeError: None is meant.
        AmbiguousError: Several are.
    """
    found = [own for own in collection.genomes if own.genome.id == word]
    if not found and _PREFIX.fullmatch(word):
        found = [own for own in collection.genomes if own.genome.id.startswith(word)]
    for known_as in (_stem, _name):
        if not found:
            found = [own for own in collection.genomes if known_as(own) == word.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        such = " and ".join(f"{own.name} ({own.genome.id[:8]})" for own in found[:2])
        raise AmbiguousError(f"{short(word)} may be {len(found)} genomes, such as {such}")
    raise GenomeError(
        f"the library {collection.root} has no genome {short(word)}; give its name, its file's "
        f"name, or at least {LEAST_PREFIX} digits that its id begins with"
    )


def search(
    collection: Collection, text: str = "", tag: str | None = None, shelf: str | None = None
) -> tuple[StoredGenome, ...]:
    """Genomes whose id begins with a text, or whose name, tags or source hold it."""

    def told(stored: StoredGenome) -> bool:
        words = (stored.name, _stem(stored), *stored.tags, stored.provenance.get("source", ""))
        wanted = text.casefold()
        return stored.genome.id.startswith(wanted) or any(
            wanted in str(word).casefold() for word in words
        )

    return tuple(
        own
        for own in collection.genomes
        if told(own)
        and (tag is None or tag in own.tags)
        and (shelf is None or collection.shelf_of(own) == shelf)
    )


# -- Changing -------------------------------------------------------------------------------


def rename(stored: StoredGenome, name: str) -> StoredGenome:
    """Give a genome another name; its file stays where it is.

    Raises:
        GenomeError: The name is empty or too long, or the file cannot be written.
    """
    if not name.strip():
        raise GenomeError(f"{stored.path}: a genome's name cannot be empty")
    return _rewritten(replace(stored, name=name.strip()))


def tag(
    stored: StoredGenome, add: Iterable[str] = (), drop: Iterable[str] = ()
) -> StoredGenome:
    """Put tags on a genome, and take some off.

    Raises:
        GenomeError: One is no tag, there would be too many, or the file cannot be written.
    """
    tags = sorted({*stored.tags, *add} - set(drop))
    for word in tags:
        if not is_tag(word):
            raise GenomeError(
                f"{short(word)} cannot be a tag: use up to 40 letters, digits, dots, dashes "
                "and underscores"
            )
    return _rewritten(replace(stored, tags=tuple(tags)))


def add(
    collection: Collection,
    genome: Genome,
    name: str,
    provenance: Mapping[str, Any],
    *,
    shelf: str = CUSTOM,
    tags: Sequence[str] = (),
) -> tuple[StoredGenome, bool]:
    """Put a genome on a shelf, unless the library has it.

    Returns:
        Its file, and whether it is new.

    Raises:
        GenomeError: The genome, name or shelf is not one, or the file cannot be written.
    """
    if known := collection.holding(genome.id):
        return known, False
    if not _SHELF.fullmatch(shelf):
        raise GenomeError(
            f"{short(shelf)} cannot be a shelf: use up to 64 small letters, digits, dashes and "
            "underscores"
        )
    folder = collection.root / shelf
    path = folder / f"{_slug(name) or genome.id[:8]}.json"
    if path.exists():
        path = path.with_name(f"{path.stem}-{genome.id[:8]}.json")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenomeError(f"{folder}: cannot be made ({error.strerror})") from None
    save_genome(path, genome, provenance, name, tags)
    return read_stored(path), True


def take_in(collection: Collection, source: str | Path, shelf: str = CUSTOM) -> Taken:
    """Import a genome file, a folder of them, or another library with its shelves and tags.

    What is here already stays as it is, but gains the other's tags. Twice does no harm.

    Args:
        collection: Where to.
        source: A file or a folder.
        shelf: Where genomes go that stand on no shelf of their own.

    Raises:
        GenomeError: There is no such file or folder, a single file is no genome, or writing
            failed; what was written until then stays.
    """
    source = Path(source)
    genomes: tuple[StoredGenome, ...] = ()
    refused: tuple[str, ...] = ()
    if source.is_dir():
        genomes, refused = _read_files(_files(source))
    else:
        genomes = (read_stored(source),)
    added: list[StoredGenome] = []
    known: dict[str, StoredGenome] = {own.genome.id: own for own in collection.genomes}
    seen: list[StoredGenome] = []
    for stored in genomes:
        here = known.get(stored.genome.id)
        if here is not None:
            more = set(stored.tags) - set(here.tags)
            known[here.genome.id] = tag(here, more) if more else here
            seen.append(known[here.genome.id])
            continue
        own_shelf = stored.path.parent.name if stored.path.parent != source else shelf
        place = own_shelf if source.is_dir() and _SHELF.fullmatch(own_shelf) else shelf
        new, _ = add(
            collection,
            stored.genome,
            stored.name,
            stored.provenance,
            shelf=place,
            tags=stored.tags,
        )
        known[new.genome.id] = new
        added.append(new)
    return Taken(tuple(added), tuple(seen), refused)


def put_out(genomes: Iterable[StoredGenome], folder: str | Path) -> tuple[Path, ...]:
    """Export genomes as files of a folder, which is made if need be.

    Raises:
        GenomeError: A file of that name holds another genome, or writing failed.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenomeError(f"{folder}: cannot be made ({error.strerror})") from None
    paths = []
    for stored in genomes:
        path = folder / stored.path.name
        if path.exists() and read_stored(path).genome.id != stored.genome.id:
            path = path.with_name(f"{path.stem}-{stored.genome.id[:8]}.json")
        save_genome(path, stored.genome, stored.provenance, stored.name, stored.tags)
        paths.append(path)
    return tuple(paths)


# -- Inside ---------------------------------------------------------------------------------


def _files(root: Path) -> list[Path]:
    """Genome files of a folder and of its subfolders that are no links: shelves first."""
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink())
    rank = {name: place for place, name in enumerate(SHELVES)}
    folders.sort(key=lambda p: rank.get(p.name, len(rank)))
    paths = [path for folder in (*folders, root) for path in sorted(folder.glob("*.json"))]
    paths = [path for path in paths if not path.name.startswith(".")]
    if len(paths) > MOST_FILES:
        raise GenomeError(
            f"{root}: holds {len(paths):,} files, and a library may have {MOST_FILES:,}; "
            "genomes in such numbers belong into a store"
        )
    return paths


def _read_files(paths: Iterable[Path]) -> tuple[tuple[StoredGenome, ...], tuple[str, ...]]:
    genomes, refused = [], []
    for path in paths:
        try:
            genomes.append(read_stored(path))
        except GenomeError as error:
            refused.append(str(error))
    return tuple(genomes), tuple(refused)


def _rewritten(stored: StoredGenome) -> StoredGenome:
    save_genome(stored.path, stored.genome, stored.provenance, stored.name, stored.tags)
    return stored


def _slug(name: str) -> str:
    """A name as a file's: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60].strip("-")


def _stem(stored: StoredGenome) -> str:
    return stored.path.stem.casefold()


def _name(stored: StoredGenome) -> str:
    return stored.name.casefold()
