"""What a sink of tokens makes of documents, and readers of its files that know nothing of how they were written."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datapipe.schema import COLUMNS
from datapipe.stage import Above

Row = dict[str, Any]


@dataclass(frozen=True)
class File:
    """A file that a sink wrote, and what it says of it."""

    data: bytes
    facts: dict[str, Any]
    index: list[Row]
    beside: dict[str, bytes]


def document(name: str, tokens: list[int], **columns: Any) -> Row:
    return {"id": name, "source": "web", "tokens": tokens, **columns}


def batch_of(rows: list[Row]) -> pa.RecordBatch:
    """Documents with all columns that any has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [pa.array([row.get(name) for row in rows], COLUMNS[name]) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def gathered(stage: Any, config: Any, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows as a file gets them."""
    made = stage.gather.emit(batch.select(list(stage.select(tuple(batch.schema.names), config))), config)
    rows = pa.Table.from_batches([made]).append_column("shard", pa.array(np.zeros(len(made), np.uint32)))
    order = ["key", *stage.gather.sort, "shard", "row"]
    (sorted_,) = rows.sort_by([(name, "ascending") for name in order]).combine_chunks().to_batches() or [made]
    return sorted_


def file_of(stage: Any, config: Any, rows: list[Row], *cuts: int) -> File:
    """The only file of some documents; the rows come in batches cut at `cuts`."""
    whole, target = gathered(stage, config, batch_of(rows)), io.BytesIO()
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    written = stage.write((whole.slice(a, b - a) for a, b in pairwise(bounds)), target, config)
    facts = json.loads(json.dumps(written.facts))
    return File(target.getvalue(), facts, written.index.to_pylist(), written.beside)


def beside(stage: Any, config: Any, files: dict[str, File], above: Above | None = None) -> dict[str, bytes]:
    """The small files."""
    facts = {name: file.facts for name, file in files.items()}
    return dict(stage.gather.finish(facts, above or Above(), config))


# ---------------------------------------------------------------------------------------------- readers


def read_megatron(data: bytes, index: bytes) -> list[list[list[int]]]:
    """Documents of the index, each a list of sequences of tokens."""
    magic, version, code, sequences, documents = struct.unpack_from("<9sQBQQ", index)
    assert (magic, version) == (b"MMIDIDX\0\0", 1)
    kind = {4: "<i4", 8: "<u2"}[code]
    at = 34
    lengths = np.frombuffer(index, "<i4", sequences, at)
    pointers = np.frombuffer(index, "<i8", sequences, at + 4 * sequences)
    bounds = np.frombuffer(index, "<i8", documents, at + 12 * sequences)
    assert len(index) == at + 12 * sequences + 8 * documents
    found = [np.frombuffer(data, kind, n, p).tolist() for n, p in zip(lengths.tolist(), pointers.tolist(), strict=True)]
    assert sum(lengths.tolist()) * np.dtype(kind).itemsize == len(data)
    return [found[first:last] for first, last in pairwise(bounds.tolist())]


def read_mds(data: bytes) -> Iterator[dict[str, list[Any]]]:
    """Samples of a shard; each column is one array of one dimension."""
    (count,) = struct.unpack_from("<I", data)
    offsets = struct.unpack_from(f"<{count + 1}I", data, 4)
    about = json.loads(data[4 * (count + 2) : offsets[0]])
    assert about["column_names"] == sorted(about["column_names"])
    assert offsets[-1] == len(data)
    for first, last in pairwise(offsets):
        names = about["column_names"]
        sizes = struct.unpack_from(f"<{len(names)}I", data, first)
        at, sample = first + 4 * len(names), {}
        for name, encoding, size in zip(names, about["column_encodings"], sizes, strict=True):
            sample[name] = _array(data[at : at + size], encoding.removeprefix("ndarray:"))
            at += size
        assert at == last
        yield sample


def _array(data: bytes, kind: str) -> list[Any]:
    """`ndim << 2 | type of lengths`, the lengths, the values."""
    assert data[0] >> 2 == 1
    width = 1 << (data[0] & 3)
    values = np.frombuffer(data[1 + width :], kind).tolist()
    assert len(values) == int.from_bytes(data[1 : 1 + width], "little")
    return values


def tokenizer(folder: Path, vocabulary: int) -> Path:
    """A folder with what a tokenizer of so many tokens says of itself."""
    folder.mkdir()
    model = {"type": "BPE", "vocab": {str(at): at for at in range(vocabulary - 1)}, "merges": []}
    told = {"model": model, "added_tokens": [{"id": vocabulary - 1, "content": "<end>"}]}
    (folder / "tokenizer.json").write_text(json.dumps(told))
    return folder
