"""Finds input files, shares them out into splits, and packs rows into batches.

What all sources need. A file is named relative to its *input root*, never by its absolute path, so that
ids and shards stay the same when the input moves. The root of a glob is its leading folders without
wildcards, of a folder the folder, of a single file the folder that it lies in.
Costs one listing of each folder; no file is opened.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import xxhash

from datapipe.errors import InputError
from datapipe.stage import MAX_BATCH_BYTES, MAX_BATCH_ROWS, File, Split, schema

__all__ = [
    "DAMAGED_INPUT",
    "PACKED",
    "ROW_HEAD",
    "batches",
    "bundle",
    "constant",
    "digest16",
    "find_files",
    "named_once",
    "nearest_name",
    "one_split_per_file",
    "packed_suffixes",
]

DAMAGED_INPUT = "damaged_input"
# How the rows of a source begin: their place, why they leave, and the digest of their payload, which makes the id.
ROW_HEAD = schema(
    record=pa.int64(), cursor=pa.int64(), bytes=pa.int64(), file=pa.string(), reason=pa.string(), digest=pa.binary(16)
)
PACKED = (".gz", ".zst", ".lz4", ".bz2", ".xz")  # what `datapipe.algo.frames` unpacks

_WILDCARD = re.compile(r"[*?\[]")
FIRST_ROWS = 4  # of the first batch behind a cursor; each after it has twice as many
_BUNDLE_FILES = 512
_BUNDLE_BYTES = 512 << 20


# ---------------------------------------------------------------------------------------------- files


def find_files(paths: Iterable[str], *, suffixes: Sequence[str], allow_missing: bool = False) -> list[File]:
    """The files that `paths` name, sorted by name; of folders, those that end in one of `suffixes`, in any case.

    Raises InputError for a path without files unless `allow_missing`, an unreadable one, and one name from two roots.
    """
    by_path: dict[str, File] = {}
    for pattern in paths:
        try:
            found = _matches(pattern, tuple(suffixes), allow_missing=allow_missing)
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"{pattern}: cannot be read ({error})", remedy="check the path and its rights") from error
        for file in sorted(found, key=_preferred):
            by_path.setdefault(_place(file), file)
    return named_once(by_path.values())


def _preferred(file: File) -> tuple[bool, str]:
    """Of several names of one file that is taken which is no link, then the first, however they are listed."""
    return "://" not in file.path and Path(file.path).is_symlink(), file.name


def packed_suffixes(*kinds: str) -> tuple[str, ...]:
    """Endings of files of some kinds, plain and packed."""
    return tuple(f".{kind}{packed}" for kind in kinds for packed in ("", *PACKED))


def named_once(files: Iterable[File]) -> list[File]:
    """The files, sorted by name; raises InputError for one name from two input roots, and for a file of two names."""
    by_name: dict[str, File] = {}
    by_place: dict[str, File] = {}
    for file in files:
        other = by_name.setdefault(file.name, file)
        if other is not file and _place(other) != _place(file):
            raise InputError(
                f"{other.path} and {file.path} are both named {file.name}",
                remedy="read them by two stages with different `source` names",
            )
        other = by_place.setdefault(_place(file), file)
        if other.name != file.name:
            raise InputError(
                f"{file.path} would be read twice, as {other.name} and as {file.name}", remedy="name it once in `paths`"
            )
    return sorted(by_name.values(), key=lambda file: file.name)


def _place(file: File) -> str:
    return os.path.realpath(file.path) if "://" not in file.path else file.path


def _readable(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _matches(pattern: str, suffixes: tuple[str, ...], *, allow_missing: bool) -> list[File]:
    fs, path = fsspec.core.url_to_fs(pattern)
    path = path.rstrip("/") or path
    local = "file" in _protocols(fs)
    if fs.isfile(path):
        found, root = {path: fs.info(path)}, path.rpartition("/")[0]
    elif fs.isdir(path):
        everything = _below(fs, path) if local else fs.find(path, detail=True)
        found, root = {name: info for name, info in everything.items() if name.lower().endswith(suffixes)}, path
    elif _WILDCARD.search(path):
        found, root = fs.glob(path, detail=True), _fixed_folder(path)
    else:
        found, root = {}, path
    _refuse_dead_links(found, allow_missing=allow_missing)
    strange = next((name for name in found if not _readable(name)), None)
    if strange is not None:
        raise InputError(f"{strange!r} is no UTF-8 file name", remedy="rename the file")
    files = [_file(fs, name, info, root) for name, info in found.items() if info["type"] == "file" or fs.isfile(name)]
    if not files and not allow_missing:
        raise _nothing(pattern, fs, path, suffixes)
    return files


def _refuse_dead_links(found: dict[str, Any], *, allow_missing: bool) -> None:
    dead = next((name for name, info in found.items() if info.get("islink") and not Path(name).exists()), None)
    if dead is not None and not allow_missing:
        raise InputError(f"{dead} is a link to nothing", remedy="remove it, or bring back what it names")


def _below(fs: Any, folder: str) -> dict[str, Any]:
    """All files below a local folder; raises OSError for one that cannot be listed, where fsspec leaves it out."""
    found = {}
    for here, folders, files in os.walk(folder, onerror=_raise):
        for name in folders:
            inside = Path(folder).resolve() in Path(here, name).resolve().parents
            if Path(here, name).is_symlink() and not inside:  # else its files are met where they lie
                raise InputError(
                    f"{here}/{name} is a link to a folder, which is not followed", remedy="name that folder in `paths`"
                )
        found.update({f"{here}/{name}": fs.info(f"{here}/{name}") for name in files})
    return found


def _raise(error: OSError) -> None:
    raise error


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _file(fs: Any, path: str, info: dict[str, Any], root: str) -> File:
    name = path[len(root) :].lstrip("/")
    if "file" in _protocols(fs):
        return File(path, name, info["size"], str(Path(path).stat().st_mtime_ns))
    changed = next((info[key] for key in ("ETag", "etag", "mtime", "LastModified", "created") if info.get(key)), "")
    return File(fs.unstrip_protocol(path), name, info["size"] or 0, str(changed).strip('"'))


def _fixed_folder(path: str) -> str:
    parts = path.split("/")
    first = next(place for place, part in enumerate(parts) if _WILDCARD.search(part))
    return "/".join(parts[:first])


def _nothing(pattern: str, fs: Any, path: str, suffixes: tuple[str, ...]) -> InputError:
    if fs.isdir(path):
        return InputError(f"{pattern}: this folder holds no file ending in {', '.join(suffixes)}")
    folder = _fixed_folder(path) if _WILDCARD.search(path) else path
    while folder and not fs.isdir(folder):
        folder = folder.rpartition("/")[0]
    return InputError(f"{pattern}: no such file", remedy=f"the nearest folder that exists is {folder or '/'}")


# ---------------------------------------------------------------------------------------------- splits


def one_split_per_file(files: Iterable[File]) -> list[Split]:
    """Each file by itself, for files of many documents."""
    return [Split(file.name, (file,)) for file in files]


def bundle(
    files: Sequence[File], *, target_files: int = _BUNDLE_FILES, target_bytes: int = _BUNDLE_BYTES
) -> list[Split]:
    """Small files in 2^k bundles by the leading k bits of xxh3_64(name), for files of one document.

    k is the smallest that brings the mean bundle to the targets. A new file touches one bundle while k
    stays; when the input has doubled, k grows and all bundles are read anew.
    """
    total = sum(file.size for file in files)
    bits = 0
    while len(files) > target_files << bits or (total > target_bytes << bits and len(files) > 1 << bits):
        bits += 1
    members: dict[int, list[File]] = {}
    for file in sorted(files, key=lambda file: file.name):
        members.setdefault(xxhash.xxh3_64_intdigest(file.name.encode()) >> (64 - bits), []).append(file)
    return [Split(f"bundle-{number}-of-{1 << bits}", tuple(members[number])) for number in sorted(members)]


# ---------------------------------------------------------------------------------------------- rows


def digest16(data: bytes | memoryview) -> bytes:
    """xxh3-128 of a payload, from which the document's id is made."""
    return xxhash.xxh3_128_digest(data)


def batches(
    rows: Iterable[tuple[Any, ...]], schema: pa.Schema, constants: Mapping[str, str | None], *, cursor: int = 0
) -> Iterator[pa.RecordBatch]:
    """Rows as batches of at most 1,024 rows and 8 MiB of strings; a bigger row is its own batch.

    A row holds its values in the order of `schema` without the columns in `constants`, which come last. Behind a
    `cursor` the first batches are short: who reads on from the middle of a file may want one document.
    """
    pending: list[tuple[Any, ...]] = []
    size, most = 0, FIRST_ROWS if cursor else MAX_BATCH_ROWS
    for row in rows:
        weight = sum(map(_weight, row))
        if pending and (len(pending) >= most or size + weight > MAX_BATCH_BYTES):
            yield _batch(pending, schema, constants)
            pending, size, most = [], 0, min(2 * most, MAX_BATCH_ROWS)
        pending.append(row)
        size += weight
    if pending:
        yield _batch(pending, schema, constants)


def _weight(value: Any) -> int:
    """Length of a string, or of all strings in a list of structs."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sum(_weight(each) for one in value for each in one.values())
    return 0


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema, constants: Mapping[str, str | None]) -> pa.RecordBatch:
    width = len(schema) - len(constants)
    fields = list(schema)
    arrays: list[Any] = [
        _array(values, field.type) for values, field in zip(zip(*rows, strict=True), fields[:width], strict=True)
    ]
    arrays += [constant(constants[field.name], field.type, len(rows)) for field in fields[width:]]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> Any:
    """A column of Python values. Arrow's own way moves large values again and again while its buffer grows."""
    if not pa.types.is_large_binary(kind):
        return pa.array(values, kind)
    offsets: Any = np.cumsum([0, *(len(value or b"") for value in values)], dtype=np.int64)
    present: Any = pa.array([value is not None for value in values])
    buffers = [present.buffers()[1], pa.py_buffer(offsets), pa.py_buffer(b"".join(filter(None, values)))]
    whole: Any = pa.Array.from_buffers(kind, len(values), buffers)
    return whole


def constant(value: str | None, kind: pa.DataType, rows: int) -> Any:
    """A column of one value."""
    one: Any = pa.scalar(value, kind)
    return pa.repeat(one, rows)


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """The most similar of `names`, if any comes close."""
    return next(iter(difflib.get_close_matches(name, list(names), 1, 0.5)), None)
