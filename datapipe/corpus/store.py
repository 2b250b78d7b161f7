"""Files of a run, local or on any object store that fsspec knows.

A file is visible only when it is whole: written under a temporary name and renamed where the store is a
local disk, one put elsewhere. Operating-system errors become one line that says what was being done.
Costs one rename a file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import posixpath
import shutil
import uuid
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from datapipe.errors import CorruptData, RunError

__all__ = ["Store"]

_REMEDIES = {
    errno.ENOSPC: "free space there and run again: nothing already done is lost",
    errno.EDQUOT: "free space there and run again: nothing already done is lost",
    errno.EROFS: "choose a run folder that can be written",
    errno.EACCES: "check its permissions, or choose another run folder",
    errno.EPERM: "check its permissions, or choose another run folder",
}


@cache
def _quiet_fsspec() -> None:
    """At debug level fsspec logs the name of each local file that it opens, and names of inputs may be personal."""
    for name in ("fsspec", "fsspec.local"):
        logging.getLogger(name).setLevel(logging.INFO)


class Store:
    """A folder named by a path or an fsspec URL; all names below are relative to it, with slashes."""

    def __init__(self, url: str) -> None:
        self.url = url
        _quiet_fsspec()

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    @cached_property
    def _place(self) -> tuple[Any, str]:
        return cast("tuple[Any, str]", fsspec.core.url_to_fs(self.url))

    @property
    def fs(self) -> Any:
        """The fsspec file system."""
        return self._place[0]

    @property
    def local(self) -> bool:
        """Whether files lie on a disk of this machine."""
        return isinstance(self.fs, LocalFileSystem)

    def path(self, name: str = "") -> str:
        """Full path of a name, as the file system wants it."""
        return posixpath.join(self._place[1], name) if name else self._place[1]

    def at(self, run: str) -> Store:
        """Another run's folder, named relative to this one (or by an absolute path or URL)."""
        if not run:
            return self
        return Store(run if "://" in run or posixpath.isabs(run) else posixpath.normpath(self.path(run)))

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of this name."""
        return bool(self.fs.exists(self.path(name)))

    def names(self, folder: str = "") -> list[str]:
        """Names of the files right in a folder, sorted; none where the folder is missing."""
        try:
            entries = self.fs.ls(self.path(folder), detail=True)
        except FileNotFoundError:
            return []
        files = (entry["name"] for entry in entries if entry["type"] == "file")
        return sorted(name for name in map(posixpath.basename, files) if not name.startswith("."))

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders right in a folder, sorted; none where the folder is missing."""
        try:
            entries = self.fs.ls(self.path(folder), detail=True)
        except FileNotFoundError:
            return []
        found = (entry["name"] for entry in entries if entry["type"] == "directory")
        return sorted(posixpath.basename(name.rstrip("/")) for name in found)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return int(self.fs.size(self.path(name)))

    def folder_size(self, folder: str) -> int:
        """Bytes of all files in a folder and below; 0 where it is missing."""
        return sum(int(info["size"]) for info in self.fs.find(self.path(folder), detail=True).values())

    def read(self, name: str) -> bytes:
        """All bytes of a small file."""
        with self._explained("read", name):
            return bytes(self.fs.cat_file(self.path(name)))

    def open(self, name: str) -> BinaryIO:
        """An open file, for reading."""
        with self._explained("read", name):
            return cast("BinaryIO", self.fs.open(self.path(name), "rb"))

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, whole or not at all."""
        with self.commit(name) as target:
            target.write(data)

    @contextlib.contextmanager
    def commit(self, name: str) -> Iterator[BinaryIO]:
        """An open file that appears under its name when the block ends without an error."""
        path = self.path(name)
        folder, base = posixpath.split(path)
        temporary = f"{folder}/.{base}.{uuid.uuid4().hex[:8]}.tmp" if self.local else path
        with self._explained("write", name):
            self.fs.makedirs(folder, exist_ok=True)
            target = self.fs.open(temporary, "wb")
            try:
                yield target
                target.close()
                if self.local:
                    os.replace(temporary, path)
            except BaseException:
                self._discard(target, temporary)
                raise

    def _discard(self, target: Any, temporary: str) -> None:
        if hasattr(target, "discard") and not self.local:
            target.discard()
            return
        with contextlib.suppress(OSError):
            target.close()
        with contextlib.suppress(OSError):
            os.remove(temporary)

    def second_name(self, name: str, other: str) -> None:
        """A file under another name as well: a hard link where the disk has them, else a copy."""
        path = self.path(other)
        with self._explained("write", other):
            self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
            if not self.local:
                self.fs.cp_file(self.path(name), path)
                return
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
            with contextlib.suppress(OSError):
                os.link(self.path(name), path)
                return
        with self.open(name) as source, self.commit(other) as target:
            shutil.copyfileobj(source, target)

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Those who come at the same moment enter one after the other, on a local disk; elsewhere all at once."""
        if not self.local:
            yield
            return
        with self._explained("write", name):
            self.fs.makedirs(posixpath.dirname(self.path(name)), exist_ok=True)
            lock = open(self.path(name), "wb")  # noqa: SIM115 - closed below; what its holder raises is not explained here
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, or the process ends
            yield

    def remove(self, name: str) -> None:
        """Remove a file or a folder; nothing happens where there is none."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(self.path(name), recursive=True)

    def sweep(self, folder: str) -> None:
        """Remove the unfinished files that writers who were killed left below a folder; nobody may be writing there."""
        if self.local:
            for path in Path(self.path(folder)).rglob(".*.tmp"):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _explained(self, doing: str, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if doing == "write":
                raise RunError(
                    f"cannot write {self.path(name)}", remedy="choose a run folder that can be written"
                ) from error
            raise CorruptData(f"{self.path(name)} is missing", remedy="run the recipe again to make it anew") from error
        except OSError as error:
            if error.errno is None:
                raise
            remedy = _REMEDIES.get(error.errno, "mend the cause and run again")
            raise RunError(
                f"cannot {doing} {self.path(name)}: {os.strerror(error.errno).lower()}", remedy=remedy
            ) from error
