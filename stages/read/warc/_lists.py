"""Lists of archives, such as Common Crawl's `warc.paths.gz`: one path a line, below a prefix."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from datapipe.algo.frames import open_file
from datapipe.errors import InputError
from datapipe.stage import File

ENDINGS = (".paths", ".paths.gz")
# Stands for the time or tag of a remote file that nobody asked for: a list of 90,000 archives costs no request.
AS_LISTED = "as listed"


def located(path: str, prefix: str | None) -> str:
    """A listed path below the prefix, which is a folder or URL; without one, as it stands."""
    return f"{prefix.rstrip('/')}/{path.lstrip('/')}" if prefix else path


def listed(lists: Iterable[File], prefix: str | None, *, allow_missing: bool) -> list[File]:
    """The files in some lists, each once, named as listed; raises InputError for a list without any.

    Local files are looked at, remote ones are taken at the list's word.
    """
    found: dict[str, File | None] = {}
    for one in lists:
        lines = list(_lines(one))
        if not lines:
            raise InputError(f"{one.path} lists no file", remedy="it should hold one path a line")
        for line in lines:
            if line not in found:
                found[line] = _file(line, located(line, prefix), one, allow_missing=allow_missing)
    return [file for file in found.values() if file is not None]


def _lines(file: File) -> Iterator[str]:
    with open_file(file) as opened:
        try:
            data = opened.read()
            text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode("utf-8")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            remedy = "a list is text, one path a line, plain or packed by gzip"
            raise InputError(f"{file.path} cannot be read as a list ({type(error).__name__})", remedy=remedy) from error
    yield from filter(None, map(str.strip, text.splitlines()))


def _file(name: str, path: str, source: File, *, allow_missing: bool) -> File | None:
    if "://" in path:
        return File(path, name, 0, AS_LISTED)
    try:
        seen = Path(path).stat()
    except OSError as error:
        if allow_missing and isinstance(error, FileNotFoundError):
            return None
        remedy = "set `prefix` to the folder or URL that the listed paths lie below"
        raise InputError(f"{path}, listed in {source.path}: {error.strerror}", remedy=remedy) from error
    return File(path, name, seen.st_size, str(seen.st_mtime_ns))
