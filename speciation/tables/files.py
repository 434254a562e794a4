"""Files that are there whole or not at all.

A store needs little of a folder or a bucket: list, read, publish, replace, remove, move.
Locally a file is written under a dot-name, forced to disk, and then given its name in one step,
so that a crash or a power loss leaves no file or the whole one. An object store is given the
complete body at once. Dot-names are leftovers of the dead and are never read.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.fs as pafs


class StoreError(RuntimeError):
    """The store cannot do what was asked; one sentence says what, where, and what to do."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state of the disk or the network
    """It does not work at the moment. Writing again is safe, whether or not this did."""


class StoreFull(StoreUnavailable):
    """No space, quota or file size left. Nothing half-written remains; try again later."""


class Vanished(StoreError):  # noqa: N818 - what happened to the file
    """There is no such file, or not any more: somebody moved or compacted it."""


class TooLarge(StoreError):  # noqa: N818 - what is wrong with the file
    """A file has more bytes than anything of ours."""


# Out of space, file too large for the limit, out of quota.
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
# What waiting does not change: a wrong path, or no right to it.
_LASTING = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
# File systems that cannot link; those that cannot force a folder to disk, and folders above
# the store that are not ours to open.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NO_FOLDER_SYNC = {errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}


class Entry(NamedTuple):
    """A file in a listing: its name without the folder, and its size in bytes."""

    name: str
    size: int


class Files(Protocol):
    """A root folder. Paths are relative to it, with slashes: ``trials/0f…9c.parquet``."""

    uri: str

    def files(self, folder: str) -> list[Entry]:
        """Files right in a folder, sorted by name; none if there is no such folder."""
        ...

    def folders(self, folder: str) -> list[str]:
        """Names of the folders right in a folder, sorted."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """The bytes of a file.

        Args:
            path: The file.
            limit: Most bytes to accept.

        Raises:
            Vanished: There is no such file (any more).
            TooLarge: It is larger than the limit.
            StoreError: It cannot be read.
        """
        ...

    def publish(self, path: str, data: bytes) -> None:
        """Make a file whose name stands for its content. If it is there already, fine.

        Raises:
            StoreFull: No space. No part of the file remains.
            StoreError: It cannot be written.
        """
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Make a file, or give an old one new content, in one step. Raises as publish."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is fine."""
        ...

    def move(self, source: str, target: str) -> bool:
        """Move a file. False if that is not possible here (it is gone, or read-only)."""
        ...


@contextlib.contextmanager
def _explained(what: str, where: str) -> Iterator[None]:
    """Turn the system's errors into a sentence."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        if error.errno in _FULL:
            raise StoreFull(
                f"cannot {what} {where}: {cause}; free some space and try again, "
                "nothing half-written was left"
            ) from error
        kind = StoreError if error.errno in _LASTING else StoreUnavailable
        raise kind(f"cannot {what} {where}: {cause}") from error
    except pa.ArrowException as error:
        raise StoreError(f"cannot {what} {where}: {error}") from error


class LocalFiles:
    """A folder of this machine (or one that is mounted).

    Args:
        root: The folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.uri = str(root)
        self._root = root
        self._numbers = itertools.count()
        self._lasting: set[Path] = set()

    def files(self, folder: str) -> list[Entry]:
        """See :class:`Files`."""
        found = []
        with _explained("list", str(self._root / folder)):
            for entry in self._scan(folder):
                # Others write and compact meanwhile: what is gone by now is not listed.
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file():
                        found.append(Entry(entry.name, entry.stat().st_size))
        return sorted(found)

    def folders(self, folder: str) -> list[str]:
        """See :class:`Files`."""
        with _explained("list", str(self._root / folder)):
            return sorted(entry.name for entry in self._scan(folder) if entry.is_dir())

    def read(self, path: str, limit: int) -> bytes:
        """See :class:`Files`."""
        where = self._root / path
        with _explained("read", str(where)):
            try:
                # A pipe, opened, would wait for a writer for ever.
                there = where.stat()
                if not stat.S_ISREG(there.st_mode):
                    raise StoreError(f"cannot read {where}: it is not a regular file")
                file = where.open("rb")
            except FileNotFoundError as error:
                raise Vanished(f"there is no {where}") from error
            with file:
                # As much memory as it needs, and not as much as it might.
                data = file.read(min(there.st_size, limit) + 1)
        _check_size(str(where), len(data), limit)
        return data

    def publish(self, path: str, data: bytes) -> None:
        """See :class:`Files`."""
        final = self._root / path
        with _explained("write", str(final)):
            temporary = self._write(final, data)
            try:
                self._link(temporary, final, data)
            finally:
                _remove_quietly(temporary)
            _sync_folder(final.parent)

    def replace(self, path: str, data: bytes) -> None:
        """See :class:`Files`."""
        final = self._root / path
        with _explained("write", str(final)):
            temporary = self._write(final, data)
            try:
                os.replace(temporary, final)
            except BaseException:
                _remove_quietly(temporary)
                raise
            _sync_folder(final.parent)

    def remove(self, path: str) -> None:
        """See :class:`Files`."""
        where = self._root / path
        with _explained("remove", str(where)), contextlib.suppress(FileNotFoundError):
            os.unlink(where)

    def move(self, source: str, target: str) -> bool:
        """See :class:`Files`."""
        try:
            self._make_folder((self._root / target).parent)
            os.replace(self._root / source, self._root / target)
        except OSError:
            return False
        return True

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as entries:
                return list(entries)
        except FileNotFoundError:
            return []

    def _write(self, final: Path, data: bytes) -> Path:
        """The data under a dot-name beside the final one, forced to disk."""
        temporary, descriptor = self._open_new(final)
        try:
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            _remove_quietly(temporary)
            raise
        return temporary

    def _open_new(self, final: Path) -> tuple[Path, int]:
        self._make_folder(final.parent)
        # Exclusive, since another machine on the same mount may have our process id.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        while True:
            name = f".{final.name[:16]}.{os.getpid()}.{next(self._numbers)}.tmp"
            with contextlib.suppress(FileExistsError):
                try:
                    return final.with_name(name), os.open(final.with_name(name), flags, 0o644)
                except FileNotFoundError:
                    self._lasting.clear()  # somebody removed the folder: make it next time
                    raise

    def _link(self, temporary: Path, final: Path, data: bytes) -> None:
        try:
            os.link(temporary, final)
        except FileExistsError:
            # The same fact, unless the disk has forgotten part of it.
            if not _holds(final, data):
                os.replace(temporary, final)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.replace(temporary, final)

    def _make_folder(self, folder: Path) -> None:
        """The folder, its entry in its parent forced to disk too, and so on upwards."""
        if folder in self._lasting:
            return
        if self._root in folder.parents or not folder.parent.exists():
            self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)
        self._lasting.add(folder)


class RemoteFiles:
    """A bucket, or a folder in one, through ``pyarrow.fs``.

    Args:
        filesystem: An Arrow file system.
        root: Path in it.
        uri: What to call it in messages.
    """

    def __init__(self, filesystem: pafs.FileSystem, root: str, uri: str) -> None:
        self.uri = uri
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def files(self, folder: str) -> list[Entry]:
        """See :class:`Files`."""
        return sorted(
            Entry(info.base_name, info.size)
            for info in self._list(folder)
            if info.type == pafs.FileType.File
        )

    def folders(self, folder: str) -> list[str]:
        """See :class:`Files`."""
        listing = self._list(folder)
        return sorted(i.base_name for i in listing if i.type == pafs.FileType.Directory)

    def read(self, path: str, limit: int) -> bytes:
        """See :class:`Files`."""
        with _explained("read", self._name(path)):
            try:
                stream = self._filesystem.open_input_stream(self._path(path))
            except FileNotFoundError as error:
                raise Vanished(f"there is no {self._name(path)}") from error
            with stream:
                data: bytes = stream.read(limit + 1)
        _check_size(self._name(path), len(data), limit)
        return data

    def publish(self, path: str, data: bytes) -> None:
        """See :class:`Files`."""
        self.replace(path, data)

    def replace(self, path: str, data: bytes) -> None:
        """See :class:`Files`."""
        with _explained("write", self._name(path)):
            try:
                self._put(path, data)
            except FileNotFoundError:
                # Real object stores have no folders; those that have want them made.
                self._filesystem.create_dir(self._path(path).rpartition("/")[0], recursive=True)
                self._put(path, data)

    def remove(self, path: str) -> None:
        """See :class:`Files`."""
        with (
            _explained("remove", self._name(path)),
            contextlib.suppress(FileNotFoundError),
        ):
            self._filesystem.delete_file(self._path(path))

    def move(self, source: str, target: str) -> bool:
        """See :class:`Files`."""
        try:
            folder = self._path(target).rpartition("/")[0]
            self._filesystem.create_dir(folder, recursive=True)
            self._filesystem.move(self._path(source), self._path(target))
        except (OSError, pa.ArrowException):
            return False
        return True

    def _put(self, path: str, data: bytes) -> None:
        # One write of the complete body. Where a stream publishes what it has when it
        # breaks, the torn file's name is not its hash, and readers put it aside.
        stream = self._filesystem.open_output_stream(self._path(path))
        stream.write(data)
        stream.close()

    def _list(self, folder: str) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(self._path(folder), allow_not_found=True)
        with _explained("list", self._name(folder)):
            return list(self._filesystem.get_file_info(selector))

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if self._root else path

    def _name(self, path: str) -> str:
        return f"{self.uri}/{path}"


def open_files(uri: str | Path, filesystem: pafs.FileSystem | None = None) -> Files:
    """The files of a store.

    Args:
        uri: A path, ``file://…``, ``s3://…`` or ``gs://…``; with a file system, a path in it.
        filesystem: Where to look instead of where the URI says.

    Raises:
        StoreError: The URI is of no known kind.
    """
    text = str(uri)
    if filesystem is not None:
        return RemoteFiles(filesystem, text, text or "store")
    if "://" not in text:
        return LocalFiles(Path(os.path.expanduser(text)).absolute())
    try:
        found, root = pafs.FileSystem.from_uri(text)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError(
            f"cannot open the store {text!r}: {error}; "
            "use a path, or a URI that starts with file://, s3:// or gs://"
        ) from error
    if isinstance(found, pafs.LocalFileSystem):
        return LocalFiles(Path(root))
    return RemoteFiles(found, root, text.rstrip("/"))


def _check_size(where: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"{where} is larger than {limit:,} bytes")


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    """Force the folder's list of names to disk, where the system lets us."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _remove_quietly(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
