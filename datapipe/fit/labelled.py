"""Labelled texts from JSON lines, in an order that does not depend on that of the lines.

Texts that are the same in normal form count once; if people gave them different labels, none of them counts.
A share is held out by the hash of each document's group (a host, an author, a thread), or without groups by that of
its text, so that what stands together is never on both sides, and adding lines moves nobody to the other side.
A file may hold one label and say so in its name here: `good=books.jsonl`; its lines need none.
Costs parsing, and one pass of the segmentation. Memory: the texts, each cut to 64 KiB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from datapipe.algo.inputs import find_files, packed_suffixes
from datapipe.algo.json_records import line_records
from datapipe.algo.urls import split_urls
from datapipe.errors import InputError
from datapipe.stage import File
from datapipe.text import forget, normalised_hash

__all__ = ["FIELDS", "Labelled", "Reading", "held_out", "labelled", "path_of"]

FIELDS = ("text", "label", "group", "host", "url")  # of these a group is the first that a line has
MOST_BYTES = 64 << 10  # of a text
MOST_LINE = 64 << 20  # bytes
MOST_FIELDS, MOST_NAME = 12, 40  # fields, and characters of their names, that an error tells
MOST_LABEL = 64  # characters
ROWS = 1024
_SUFFIXES = packed_suffixes("jsonl", "ndjson")


class _Row(NamedTuple):
    order: bytes  # hash of the text and label
    text: str
    label: str
    group: str | None


@dataclass(frozen=True)
class Reading:
    """How lines are read.

    fields: the input's name of each of our fields; names: label by what the input calls it, and lines of others are
    left out if any is named; limit: documents, those of the smallest hashes.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    limit: int = 500_000


@dataclass(frozen=True, eq=False)
class Labelled:
    """Documents, in order of their hashes.

    labels: one a text; keys: uint64, hash of the group (or of the text); forms: uint64, hash of each text's normal
    form; grouped: how many have a group; left_out: lines by cause.
    """

    texts: pa.LargeStringArray
    labels: npt.NDArray[Any]
    keys: npt.NDArray[np.uint64]
    forms: npt.NDArray[np.uint64]
    grouped: int
    left_out: dict[str, int]

    def __len__(self) -> int:
        """Number of documents."""
        return len(self.texts)

    def where(self, mask: npt.NDArray[np.bool_]) -> Labelled:
        """Some of the documents."""
        texts: Any = self.texts.filter(pa.array(mask))
        return Labelled(texts, self.labels[mask], self.keys[mask], self.forms[mask], self.grouped, self.left_out)

    def digest(self) -> str:
        """32 hex digits of all texts and labels."""
        hasher = xxhash.xxh3_128()
        for text, label in zip(self.texts, self.labels, strict=True):
            hasher.update(f"{label}\0{text.as_py()}\0".encode())
        return hasher.hexdigest()


def labelled(paths: Iterable[str], reading: Reading) -> Labelled:
    """All documents in the files. Raises InputError if files cannot be read, or hold no labelled text."""
    names = tuple(paths)
    left_out: Counter[str] = Counter()
    rows: list[_Row] = []
    for row in _rows(names, reading, left_out):
        rows.append(row)
        if len(rows) > 2 * reading.limit:
            rows = _first(rows, reading.limit, left_out)
    rows = _first(rows, reading.limit, left_out)
    if not rows:
        raise _unusable(names, reading)
    forms = _forms([row.text for row in rows])
    kept = _once(rows, forms, left_out)
    rows, forms = [rows[at] for at in kept], forms[kept]
    keys = np.array(
        [
            form if row.group is None else xxhash.xxh3_64_intdigest(row.group.encode())
            for row, form in zip(rows, forms, strict=True)
        ],
        np.uint64,
    )
    texts = pa.array([row.text for row in rows], pa.large_string())
    grouped = sum(row.group is not None for row in rows)
    labels = np.array([row.label for row in rows], object)
    return Labelled(texts, labels, keys, forms, grouped, dict(sorted((+left_out).items())))


def path_of(name: str) -> tuple[str | None, str]:
    """The label that a file is said to hold, or None, and its path: `good=books.jsonl`, `books.jsonl`."""
    label, equals, path = name.partition("=")
    plain = not (equals and label and path) or "/" in label or Path(name).exists()
    return (None, name) if plain else (label, path)


def held_out(documents: Labelled, share: float) -> npt.NDArray[np.bool_]:
    """Which documents are held out."""
    mixed = np.array([xxhash.xxh3_64_intdigest(int(key).to_bytes(8, "little")) for key in documents.keys], np.uint64)
    return mixed < np.uint64(share * 2.0**64) if share < 1 else np.ones(len(documents), np.bool_)


def _rows(paths: tuple[str, ...], reading: Reading, left_out: Counter[str]) -> Iterator[_Row]:
    field = {name: reading.fields.get(name, name) for name in FIELDS}
    for file, held in _files(paths):
        for entry in line_records(file, 0, MOST_LINE):
            data = entry.data
            text = data.get(field["text"]) if data else None
            label = held or (_label(data, field["label"], reading) if data else None)
            if data is None:
                left_out["no JSON object"] += 1
            elif not isinstance(text, str) or not text.strip():
                left_out["no text"] += 1
            elif not label:
                left_out["no label" if label is None else "another label"] += 1
            elif not _is_name(label):
                left_out["a label that is no name"] += 1
            else:
                cut = text.encode("utf-8", "replace")[:MOST_BYTES].decode("utf-8", "ignore")
                yield _Row(xxhash.xxh3_128_digest(f"{cut}\0{label}".encode()), cut, label, _group(data, field))


def _files(paths: tuple[str, ...]) -> Iterator[tuple[File, str | None]]:
    """Each file with the label that all its lines have, if it was given with one."""
    given = [path_of(name) for name in paths]
    for held in dict.fromkeys(label for label, _ in given):
        for file in find_files([path for label, path in given if label == held], suffixes=_SUFFIXES):
            yield file, held


def _label(data: dict[str, Any], field: str, reading: Reading) -> str | None:
    """The label of a line by our name; None if it has none, empty if it is one that was not asked for."""
    label = _named(data.get(field))
    if label is None or not reading.names:
        return label
    return reading.names.get(label, "")


def _unusable(paths: tuple[str, ...], reading: Reading) -> InputError:
    """Why no line can be used, with the fields that the first one has."""
    wanted = f"{reading.fields.get('text', 'text')} and {reading.fields.get('label', 'label')}"
    entries = (entry.data for file, _ in _files(paths) for entry in line_records(file, 0, MOST_LINE))
    first = next((data for data in entries if data), None)
    has = ""
    if first is not None:
        fields = [name for name in first if name.isprintable() and len(name) <= MOST_NAME][:MOST_FIELDS]
        has = f"; the first has {', '.join(fields) or 'no field'}"
    return InputError(
        f"{', '.join(paths)}: no line has {wanted} that can be used{has}",
        remedy="one JSON object a line; --fields text=YOURS says which field is which, and LABEL=FILE gives all lines "
        "of a file one label",
    )


def _named(label: object) -> str | None:
    """A label as a word; numbers and truth values are labels, too."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(label) if isinstance(label, (str, int)) and str(label) else None


def _is_name(label: str) -> bool:
    """Whether a label can stand in a table and on a terminal, which a text, given as label by mistake, cannot."""
    return len(label) <= MOST_LABEL and label.isprintable() and label == label.strip()


def _group(data: dict[str, Any], field: dict[str, str]) -> str | None:
    for name in ("group", "host"):
        value = data.get(field[name])
        if isinstance(value, (str, int)) and str(value):
            return str(value)
    url = data.get(field["url"])
    if not isinstance(url, str):
        return None
    host: str | None = split_urls(pa.array([url]))[0][0].as_py()
    return host


def _first(rows: list[_Row], limit: int, left_out: Counter[str]) -> list[_Row]:
    """The rows of the smallest hashes, in order; of those that are equal in all, one."""
    ordered = sorted(rows, key=lambda row: (row.order, row.group or ""))
    once = [next(same) for _, same in groupby(ordered, key=lambda row: row.order)]
    left_out["the same text again"] += len(ordered) - len(once)
    left_out["over the limit"] += max(0, len(once) - limit)
    return once[:limit]


def _forms(texts: list[str]) -> npt.NDArray[np.uint64]:
    parts = [np.zeros(0, np.uint64)]
    for start in range(0, len(texts), ROWS):
        parts.append(normalised_hash(pa.array(texts[start : start + ROWS], pa.large_string()))[0])
        forget()
    return np.concatenate(parts)


def _once(rows: list[_Row], forms: npt.NDArray[np.uint64], left_out: Counter[str]) -> list[int]:
    """Places of the first of each normal form, without those that have several labels."""
    label: dict[int, str] = {}
    contradictory: set[int] = set()
    for form, row in zip(forms.tolist(), rows, strict=True):
        if label.setdefault(form, row.label) != row.label:
            contradictory.add(form)
    seen: set[int] = set()
    kept = []
    for at, form in enumerate(forms.tolist()):
        if form in contradictory:
            left_out["the same text with another label"] += 1
        elif form in seen:
            left_out["the same text again"] += 1
        else:
            seen.add(form)
            kept.append(at)
    return kept
