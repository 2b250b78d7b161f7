"""Tells what kind of files a user has, and which of their columns holds the text.

Costs a few kilobytes of each file whose name says nothing, some records of the first file of a kind, and three of each
table: conversations are told from texts by their fields.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from datapipe.algo.fields import shown_names
from datapipe.algo.inputs import PACKED
from datapipe.errors import InputError

__all__ = ["Found", "look"]

LISTED = 100  # files named one by one where a glob would find others, too; more would bury the recipe
LOOKED_AT = 50  # records of which the columns are guessed
_SNIFFED = 512  # bytes
_MOST_BYTES = 1 << 24  # of one of them
_LABELS = {
    "read.warc": "web archive",
    "read.html": "HTML",
    "read.pdf": "PDF",
    "read.text": "text",
    "read.jsonl": "JSON lines",
    "read.json": "JSON array",
    "read.csv": "CSV",
    "read.parquet": "Parquet",
    "read.arrow": "Arrow",
    "read.hub": "saved data set",
    "read.conversations": "conversation",
}
_SAVED = ("dataset_dict.json", "state.json")  # in folders that the library `datasets` wrote
_SUFFIXES = {
    ".warc": "read.warc",
    ".wet": "read.warc",
    ".wat": "",
    ".arc": "read.warc",
    ".html": "read.html",
    ".htm": "read.html",
    ".xhtml": "read.html",
    ".jsonl": "read.jsonl",
    ".ndjson": "read.jsonl",
    ".parquet": "read.parquet",
    ".csv": "read.csv",
    ".tsv": "read.csv",
    ".tab": "read.csv",
    ".arrow": "read.arrow",
    ".arrows": "read.arrow",
    ".ipc": "read.arrow",
    ".feather": "read.arrow",
    ".pdf": "read.pdf",
    ".txt": "read.text",
}
_LISTED = {"sharegpt", "messages"}  # forms of conversations that no table of texts has
_ASKED = {"alpaca", "pairs", "tree", "prompt_response"}  # and those of fields that it may have beside its texts
_TEXT_NAMES = ("text", "content", "body", "raw_content", "article", "document", "page", "markdown", "contents")
_ID_NAMES = ("id", "doc_id", "document_id", "uuid", "_id", "docid")
_URL_NAMES = ("url", "uri", "link", "source_url")


@dataclass(frozen=True)
class Found:
    """Files of one kind: who reads them, where they are, and for tables our columns by the user's names."""

    reader: str
    paths: tuple[str, ...]
    files: int
    columns: dict[str, str]

    @property
    def label(self) -> str:
        """What such files are called."""
        return _LABELS[self.reader]


def look(inputs: Sequence[str]) -> tuple[tuple[Found, ...], int]:
    """Kinds of files found and how many files are of no known kind. Raises InputError if there is nothing."""
    paths: dict[str, list[str]] = {}
    files: dict[str, list[Path]] = {}
    unknown = 0
    for given in _folded(inputs):
        saved = _saved(Path(given))
        for folder in saved:
            files.setdefault("read.hub", []).extend(sorted(folder.glob("**/data-*.arrow")))
            paths.setdefault("read.hub", []).append(str(folder) if str(folder) != str(Path(given)) else given)
        everything = [] if saved == [Path(given)] else _files(given)
        kinds = _kinds([file for file in everything if not set(saved) & set(file.parents)])
        unknown += len(kinds.pop("", []))
        for reader, members in kinds.items():
            files.setdefault(reader, []).extend(members)
            paths.setdefault(reader, []).extend(_patterns(given, members, everything))
    if not files:
        message = f"no {', '.join(tuple(_LABELS.values())[:-2])} or {_LABELS['read.hub']} in {', '.join(inputs)}"
        raise InputError(message, remedy="see which readers there are: datapipe stages")
    found, lacking = [], []
    for reader in (reader for reader in _LABELS if reader in files):
        columns = _guessed(reader, files[reader]) if reader in _RECORDS else {}
        if isinstance(columns, str):
            lacking.append(columns)
            unknown += len(files[reader])
        else:
            found.append(Found(reader, tuple(dict.fromkeys(paths[reader])), len(files[reader]), columns))
    if not found:
        raise InputError(lacking[0], remedy="leave it out, or convert it")
    return tuple(found), unknown


def _folded(inputs: Sequence[str]) -> list[str]:
    """The inputs, with a glob where a shell has put all files of one ending: it names those to come, too."""
    alike: dict[str, list[str]] = {}
    for given in inputs:
        path = Path(given)
        ending = _ending(path)
        alike.setdefault(str(path.parent / f"*{ending}") if ending and path.is_file() else given, []).append(given)
    folded = []
    for pattern, members in alike.items():
        there = {str(path) for path in Path(pattern).parent.glob(Path(pattern).name)} if len(members) > 1 else set()
        folded += [pattern] if there == {str(Path(member)) for member in members} else members
    return folded


def _saved(folder: Path) -> list[Path]:
    """The folder, or those below it, that `save_to_disk` wrote; of one with several splits the whole."""
    if not folder.is_dir():
        return []
    marked = sorted({mark.parent for name in _SAVED for mark in folder.rglob(name) if mark.is_file()})
    return [one for one in marked if not set(marked) & set(one.parents)]


def _files(given: str) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    elif path.is_file():
        found = [path]
    else:
        found = sorted(Path(name) for name in glob.glob(given, recursive=True) if Path(name).is_file())  # noqa: PTH207 - it takes absolute patterns
    if not found:
        raise InputError(f"there are no files at {given}", remedy="check the path")
    return found


def _kinds(files: Sequence[Path]) -> dict[str, list[Path]]:
    kinds: dict[str, list[Path]] = {}
    for file in files:
        reader = _reader(file)
        kinds.setdefault("read.conversations" if _holds_talks(reader, file) else reader, []).append(file)
    return kinds


def _holds_talks(reader: str, file: Path) -> bool:
    """Whether the first records of a table are conversations or preferences."""
    from datapipe.algo.conversations import form_of

    if reader not in _TABLES_OF_TALKS:
        return False
    try:
        first = list(islice(_RECORDS[reader](file), 3))
    except Exception:  # noqa: BLE001 - damaged bytes make each library fail in its own way; columns tell of it
        return False
    return bool(first) and all(
        form in _LISTED or (form in _ASKED and not any(isinstance(record.get(name), str) for name in _TEXT_NAMES))
        for record, form in zip(first, map(form_of, first), strict=True)
    )


def _by_name(file: Path) -> str | None:
    """Who reads files of such a name; None if it says nothing."""
    for suffix in reversed(file.suffixes):
        if suffix.lower() in _SUFFIXES:
            return _SUFFIXES[suffix.lower()]
        if suffix.lower() not in PACKED:
            break
    return None


def _reader(file: Path) -> str:
    named = _by_name(file)
    if named is not None:
        return named
    try:
        with _opened(file) as stream:
            start = stream.read(_SNIFFED).lstrip(b"\xef\xbb\xbf \t\r\n")
    except Exception:  # noqa: BLE001 - damaged bytes make each library fail in its own way
        return ""
    return _by_bytes(start)


def _by_bytes(start: bytes) -> str:
    if start.startswith((b"WARC/", b"filedesc://")):
        return "read.warc"
    for magic, reader in ((b"PAR1", "read.parquet"), (b"ARROW1", "read.arrow"), (b"%PDF-", "read.pdf")):
        if start.startswith(magic):
            return reader
    if start.startswith(b"[") and start[1:].lstrip().startswith(b"{"):
        return "read.json"
    if start.startswith((b'{"', b"{ ")):
        return "read.jsonl"
    return "read.html" if start[:15].lower().startswith((b"<!doctype html", b"<html")) else ""


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file without its compression, which its first bytes tell."""
    with file.open("rb") as raw:
        magic = raw.read(6)
        raw.seek(0)
        unpack = next((unpack for start, unpack in _UNPACK if magic.startswith(start)), None)
        yield unpack(raw) if unpack else raw


def _zstd(raw: BinaryIO) -> Any:
    import zstandard

    return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))


def _lz4(raw: BinaryIO) -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameFile(raw)


_UNPACK: tuple[tuple[bytes, Callable[[BinaryIO], Any]], ...] = (
    (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"\x04\x22\x4d\x18", _lz4),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)


def _patterns(given: str, members: Sequence[Path], everything: Sequence[Path]) -> list[str]:
    """What to write under `paths`: the input as given, or of a folder globs that find these files and no others."""
    if len(members) == len(everything) and (not Path(given).is_dir() or all(map(_by_name, members))):
        return [given]
    if not Path(given).is_dir():
        return [str(member) for member in members]
    patterns = []
    for ending in dict.fromkeys(map(_ending, members)):
        mine = [member for member in members if _ending(member) == ending]
        alike = [file for file in everything if file.name.endswith(ending)]
        fits = alike == mine or len(mine) > LISTED
        patterns += [f"{given.rstrip('/')}/**/*{ending}"] if fits else [str(member) for member in mine]
    return patterns


def _ending(file: Path) -> str:
    """What the names of such files end in, with the packing."""
    return "".join(file.suffixes[-2:]) if file.suffix.lower() in PACKED else file.suffix


# ---------------------------------------------------------------------------------------------- columns


def _guessed(reader: str, files: Sequence[Path]) -> dict[str, str] | str:
    """The columns of the first file that has any; what the first lacks if none of some files does."""
    found: list[dict[str, str] | str] = []
    while len(found) < min(len(files), LOOKED_AT):
        found.append(_columns_or_why(reader, files[len(found)]))
        if isinstance(found[-1], dict):
            return found[-1]
    return found[0]


def _columns_or_why(reader: str, file: Path) -> dict[str, str] | str:
    try:
        return _columns(reader, file)
    except InputError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - damaged bytes make each library fail in its own way
        return f"{file} cannot be read ({type(error).__name__})"


def _columns(reader: str, file: Path) -> dict[str, str] | str:
    """Our names of columns → the user's, guessed from some records; what is wrong if none holds a text."""
    records = list(_RECORDS[reader](file))
    texts = {key for record in records for key, value in record.items() if isinstance(value, str)}
    text = next((name for name in _TEXT_NAMES if name in texts), None) or _longest(records, texts)
    if text is None:
        keys = shown_names(dict.fromkeys(key for record in records for key in record))
        return f"{file} has no column of text; its columns: {keys}"
    named = {"text": text}
    key = next((name for name in _ID_NAMES if _unique(records, name)), None)
    url = next((name for name in _URL_NAMES if name in texts), None)
    return named | ({"id": key} if key else {}) | ({"url": url} if url else {})


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    with _opened(file) as stream:
        for line in islice(iter(lambda: stream.readline(_MOST_BYTES), b""), LOOKED_AT):
            try:
                record = json.loads(line)
            except ValueError:  # damaged lines are the reader's business
                continue
            if isinstance(record, dict):
                yield record


def _json_array(file: Path) -> Iterator[dict[str, Any]]:
    from datapipe.algo.json_records import value_records

    entries = islice(value_records(_as_file(file), 0, _MOST_BYTES), LOOKED_AT)
    return (entry.data for entry in entries if entry.data is not None)


def _csv(file: Path) -> Iterator[dict[str, Any]]:
    from datapipe.algo.csv_records import Dialect, Table, open_table

    opened = open_table(_as_file(file), Dialect(), _MOST_BYTES)
    if not isinstance(opened, Table):
        raise InputError(f"{file} has no line that names its columns", remedy="leave it out")
    entries = islice(opened.records(0, _MOST_BYTES), LOOKED_AT)
    return (entry.data for entry in entries if entry.data is not None)


def _as_file(file: Path) -> Any:
    from datapipe.stage import File

    return File(str(file), file.name, file.stat().st_size, "")


def _arrow(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    try:
        with file.open("rb") as opened:
            whole = opened.read(6) == b"ARROW1"
            opened.seek(0)
            reader: Any = pa.ipc.open_file(opened) if whole else pa.ipc.open_stream(opened)
            batch = reader.get_batch(0) if whole else next(reader)
            yield from batch.slice(0, LOOKED_AT).to_pylist()
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise InputError(f"{file} cannot be read as Arrow: {error}", remedy="leave it out") from error


def _parquet(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            batch = next(opened.iter_batches(batch_size=LOOKED_AT), None)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {error}", remedy="leave it out") from error
    yield from batch.to_pylist() if batch is not None else []


_RECORDS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    "read.jsonl": _json_lines,
    "read.json": _json_array,
    "read.csv": _csv,
    "read.parquet": _parquet,
    "read.arrow": _arrow,
    "read.hub": _arrow,
}


_TABLES_OF_TALKS = ("read.jsonl", "read.json", "read.parquet", "read.arrow")


def _longest(records: Sequence[dict[str, Any]], names: set[str]) -> str | None:
    """The column whose texts are the longest on average, unless all of them are short."""
    sizes = {name: sum(len(str(record.get(name) or "")) for record in records) for name in sorted(names)}
    best = max(sizes, key=lambda name: sizes[name], default=None)
    return best if best is not None and sizes[best] >= 20 * len(records) else None


def _unique(records: Sequence[dict[str, Any]], name: str) -> bool:
    values = [record.get(name) for record in records]
    return (
        bool(values) and all(isinstance(value, str) and value for value in values) and len(set(values)) == len(values)
    )
