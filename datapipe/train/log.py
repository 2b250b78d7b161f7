"""The log from steps to sequences: which sequences of which packed data each step trained on.

One JSON object a line: part, step (from 1), and the numbers of the sequences by folder, in the order of the batch. It
is written before the step's loss is known, and cut back to the checkpoint on resuming, so that it holds each step once.
Why: a spike of the loss leads to documents, and how often each source was seen is counted from what was trained on.
Costs about 8 bytes a sequence. torch is not imported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from datapipe.errors import InputError
from datapipe.train.packed import manifest_of

__all__ = ["LINES", "Seen", "cut_back", "read_lines", "seen_by_source", "sequences_at"]

LINES = "sequences.jsonl"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSONL file that are whole; a process killed while writing leaves half a line at the end."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)
    except FileNotFoundError:
        return
    except ValueError as error:
        raise InputError(f"{path} is damaged", remedy="it is written by `datapipe train` alone") from error


def cut_back(path: Path, step: int) -> None:
    """Keep of a log what was written up to a step, that step included."""
    kept = [json.dumps(line, ensure_ascii=False) for line in read_lines(path) if line["step"] <= step]
    if path.exists():
        beside = path.with_name(f"{path.name}.new")
        beside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        beside.replace(path)


def sequences_at(path: Path, step: int, folder: str) -> list[int]:
    """Numbers of the sequences of one packed folder that a step trained on, in the order of the batch.

    Raises InputError where the log has no such step, or the step nothing of this folder.
    """
    if not path.is_file():
        raise InputError(f"there is no log {path}", remedy=f"name the file {LINES} in the folder of a part")
    last = 0
    for line in read_lines(path):
        last = int(line["step"])
        if last == step:
            return _of(line["sequences"], folder, f"step {step} of {path}")
    raise InputError(f"{path} has no step {step}", remedy=f"its last is {last:,}; each part counts from 1")


def _of(sequences: dict[str, list[int]], folder: str, where: str) -> list[int]:
    wanted = os.path.realpath(folder)
    for name, numbers in sequences.items():
        if os.path.realpath(name) == wanted:
            return numbers
    raise InputError(f"{where} holds nothing of {folder}", remedy=f"it is of {', '.join(sequences)}")


# ---------------------------------------------------------------------------------------------- how often


@dataclass(frozen=True)
class Seen:
    """What was trained on of one source: documents and tokens with repeats, and how many documents there are."""

    documents: int
    distinct: int
    tokens: int

    @property
    def passes(self) -> float:
        """How often each document was seen, on average."""
        return self.documents / self.distinct if self.distinct else 0.0


def seen_by_source(logs: list[Path]) -> dict[str, Seen]:
    """What the parts of a training saw of each source, counted from their logs and the indices of the packed data.

    A document that lies in several folders is one. Costs 8 bytes a document and a number a sequence in memory.
    """
    counts = _times(logs)
    documents: dict[str, int] = {}
    tokens: dict[str, int] = {}
    ids: dict[str, list[Any]] = {}
    for folder, times in counts.items():
        for table, first in _indices(folder):
            seen = times[table["sequence"].to_numpy() + first]
            begins = table["start"].to_numpy() == 0
            lengths = table["end"].to_numpy() - table["start"].to_numpy()
            sources: Any = table["source"].combine_chunks()
            coded = sources.fill_null("").dictionary_encode()
            for number, source in enumerate(coded.dictionary.to_pylist()):
                mine = coded.indices.to_numpy() == number
                documents[source] = documents.get(source, 0) + int(seen[mine & begins].sum())
                tokens[source] = tokens.get(source, 0) + int((seen * lengths)[mine].sum())
                ids.setdefault(source, []).append(_hashes(table["id"].filter(pa.array(mine & begins))))
    return {
        source: Seen(documents[source], len(np.unique(np.concatenate(ids[source]))), tokens[source])
        for source in sorted(documents)
    }


def _times(logs: list[Path]) -> dict[str, Any]:
    """How often each sequence of each folder was trained on."""
    counts: dict[str, Any] = {}
    for path in logs:
        for line in read_lines(path):
            for folder, numbers in line["sequences"].items():
                if folder not in counts:
                    counts[folder] = np.zeros(int(manifest_of(Path(folder))["sequences"]), np.int64)
                np.add.at(counts[folder], numbers, 1)
    return counts


def _indices(folder: str) -> Iterator[tuple[pa.Table, int]]:
    """The index of each file, and the number of its first sequence."""
    first = 0
    for file in manifest_of(Path(folder))["files"]:
        if file["sequences"]:
            path = Path(folder) / "index" / file["name"].replace(".arrow", ".parquet")
            yield pq.read_table(path, columns=["sequence", "id", "source", "start", "end"]), first
        first += file["sequences"]


def _hashes(ids: Any) -> Any:
    """64 bits of each id."""
    return np.array([xxhash.xxh3_64_intdigest(each.encode()) for each in ids.to_pylist()], np.uint64)
