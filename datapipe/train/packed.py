"""The sequences of a packed folder, any of them at once, mapped from disk.

What: a data set that maps number → tokens, labels, lengths of documents, weights, without reading what is before.
Why: an order that is a function of a number can be taken up anywhere; streams have to be read again from the start.
Costs: opening reads the manifest and 128 KiB of each file; a file's first use reads the headers of its batches and
keeps some 150 bytes a batch of 256 sequences; a sequence then costs some 25 microseconds. Needs no torch.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from datapipe.errors import CorruptData, InputError
from datapipe.train.marks import FILLER, NO_LOSS

__all__ = ["FILLER", "NO_LOSS", "PackedDataset", "Piece", "manifest_of"]

ENDS = 1 << 16  # bytes at either end of a file that its digest is of
INDEXED = 512  # files whose sources are kept in memory
LISTS: dict[str, pa.DataType] = {
    "input_ids": pa.int32(),
    "labels": pa.int32(),
    "seq_lengths": pa.int32(),
    "loss_weights": pa.float32(),
}
NEEDED = ("input_ids", "labels", "seq_lengths")
Ints = npt.NDArray[np.int64]


class Piece(NamedTuple):
    """Tokens [start, end) of a document that stand in a sequence from `offset` on."""

    id: str
    source: str
    offset: int
    start: int
    end: int


class _File:
    """Where the batches of one file stand: nothing but numbers, so that it travels to workers."""

    def __init__(self, path: Path, sequences: int) -> None:
        self.path, self.weighted = path, False
        self.firsts, self.places = self._scan(sequences)

    def _scan(self, sequences: int) -> tuple[list[int], Ints]:
        """The first sequence of each batch and the end; of each batch the word of (offsets, values) of each column."""
        with _telling(self.path):
            source = pa.memory_map(str(self.path))
            whole = source.read_buffer()
            source.seek(0)
            reader: Any = pa.ipc.open_stream(source)
            self.weighted = _weighted(self.path, reader.schema)
            batches = list(reader)
        counts = [len(batch) for batch in batches]
        if sum(counts) != sequences:
            raise CorruptData(
                f"{self.path} holds {sum(counts)} sequences, and the manifest says {sequences}", remedy=_AGAIN
            )
        columns = NEEDED + (("loss_weights",) if self.weighted else ())
        places = [_words(self.path, whole, [batch[name] for name in columns]) for batch in batches]
        return [0, *accumulate(counts)], np.array(places, np.int64).reshape(len(batches), len(columns), 2)

    @cached_property
    def words(self) -> npt.NDArray[np.int32]:
        """The whole file, mapped."""
        with _telling(self.path):
            mapped = np.memmap(self.path, np.int32, "r", shape=(self.path.stat().st_size // 4,))
        return mapped.view(np.ndarray)  # the class costs microseconds a slice

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "words"}

    def lists(self, number: int) -> list[npt.NDArray[np.int32]]:
        """Views of the columns of one sequence: int32, `loss_weights` by their bits."""
        batch, row = self._at(number)
        found = []
        for offsets, values in self.places[batch].tolist():
            start, end = self.words[offsets + row : offsets + row + 2].tolist()
            found.append(self.words[values + start : values + end])
        return found

    def pieces(self, number: int) -> tuple[int, int]:
        """Which pieces of the file, counted through, those of a sequence are."""
        batch, row = self._at(number)
        at = int(self.places[batch, 2, 0]) + row
        start, end = self.words[at : at + 2].tolist()
        return self._before[batch] + start, self._before[batch] + end

    @cached_property
    def _before(self) -> list[int]:
        """The pieces before each batch."""
        ends = self.places[:, 2, 0] + np.diff(self.firsts)
        return [0, *accumulate(self.words[ends].tolist())]

    def _at(self, number: int) -> tuple[int, int]:
        batch = bisect_right(self.firsts, number) - 1
        return batch, number - self.firsts[batch]


_AGAIN = "write the packed folder anew: run its recipe again"


class _telling:  # noqa: N801 - reads as a word of the `with` line
    """Turns what Arrow and the system say of a file into one line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{self.path} is missing, though the manifest names it", remedy=_AGAIN) from None
        if isinstance(error, pa.ArrowInvalid | OSError | ValueError):
            said = str(error).partition("\n")[0]
            raise CorruptData(f"{self.path} is damaged: {said}", remedy=_AGAIN) from None


def _weighted(path: Path, form: pa.Schema) -> bool:
    """Whether there are weights. Raises InputError if the columns are not those of packed sequences."""
    for name, kind in LISTS.items():
        if name not in form.names and name not in NEEDED:
            continue
        if name not in form.names or form.field(name).type != pa.list_(kind):
            raise InputError(
                f"{path} has no column `{name}` of lists of {kind}", remedy="name a folder that `write.packed` wrote"
            )
    return "loss_weights" in form.names


def _words(path: Path, whole: pa.Buffer, lists: list[Any]) -> list[tuple[int, int]]:
    """Where offsets and values of list columns stand in the file, in words of 4 bytes."""
    found = []
    for column in lists:
        buffers = column.buffers()
        offsets, values = buffers[1], buffers[3]
        places = [each.address - whole.address if each and each.size else 0 for each in (offsets, values)]
        if column.null_count or column.offset or any(not 0 <= place < max(1, whole.size) for place in places):
            raise InputError(
                f"{path} is compressed or holds nulls, so it cannot be mapped",
                remedy="name a folder that `write.packed` wrote",
            )
        found.append((places[0] // 4, places[1] // 4))
    return found


class PackedDataset:
    """The sequences of a packed folder, by number from 0; what stands in it is read when it is asked for.

    `ds[i]` → input_ids, labels, seq_lengths (int64), loss_weights (float32, or None where the folder has none), index.
    Raises InputError if the folder holds no packed sequences or lacks a file, CorruptData if one is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest: dict[str, Any] = manifest_of(self.folder)
        self.names = [each["name"] for each in self.manifest["files"] if each["sequences"]]
        counts: list[int] = [each["sequences"] for each in self.manifest["files"] if each["sequences"]]
        self._counts = counts
        self._firsts = [0, *accumulate(counts)]
        self._files: dict[int, _File] = {}
        self.digest: str = self._digest()

    @property
    def length(self) -> int:
        """Tokens that a sequence can hold."""
        return int(self.manifest["length"])

    @property
    def sources(self) -> list[str]:
        """Names of the sources; their places are the numbers that `source_numbers` gives."""
        return list(self.manifest["sources"])

    @cached_property
    def weighted(self) -> bool:
        """Whether tokens have loss weights of their own."""
        return bool(self.names) and self._file(0).weighted

    def require_weights(self) -> None:
        """Raises InputError if the folder has no loss weights."""
        if not self.weighted:
            raise InputError(
                f"{self.folder} has no loss weights", remedy="write it anew with `loss_weights: true` in `write.packed`"
            )

    def __len__(self) -> int:
        return self._firsts[-1]

    def __getitem__(self, number: int) -> dict[str, Any]:
        if number == FILLER:
            return _item(number, [np.zeros(0, np.int32)] * 3)
        file, own = self._place(number)
        lists = file.lists(own)
        tokens, labels, lengths = lists[:3]
        even = len(labels) == len(tokens) == int(lengths.sum()) and all(len(each) == len(tokens) for each in lists[3:])
        if not even or (lengths < 0).any():
            raise CorruptData(f"{file.path}: the lists of sequence {own} are not of one length", remedy=_AGAIN)
        return _item(number, lists)

    def source_numbers(self, number: int) -> Ints:
        """The number of the source of each document of a sequence."""
        if number == FILLER:
            return np.zeros(0, np.int64)
        file, own = self._place(number)
        start, end = file.pieces(own)
        found: Ints = self._sources_in(self._which(number))[start:end].astype(np.int64)
        return found

    def sources_of(self, number: int) -> list[tuple[str, int, int]]:
        """Source, and tokens [start, end) of the sequence, of each document in it."""
        ends = np.cumsum(self[number]["seq_lengths"])
        starts = np.concatenate(([0], ends[:-1]))
        names = [self.sources[each] for each in self.source_numbers(number)]
        return [(name, int(a), int(b)) for name, a, b in zip(names, starts, ends, strict=True)]

    def documents_of(self, number: int) -> list[Piece]:
        """The documents of a sequence, in order."""
        _, own = self._place(number)
        path = self._index(self._which(number))
        with _telling(path):
            rows = pq.read_table(path, filters=[("sequence", "=", own)]).to_pylist()
        return [
            Piece(row["id"], row["source"] or "", row["offset"], row["start"], row["end"])
            for row in sorted(rows, key=lambda row: row["offset"])
        ]

    # ------------------------------------------------------------------------------------------ files

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_sources_in"}

    def _digest(self) -> str:
        """Of the manifest and of both ends of each file."""
        digest = xxhash.xxh3_128((self.folder / "manifest.json").read_bytes())
        for name in self.names:
            path = self.folder / name
            with _telling(path), path.open("rb") as file:
                size = path.stat().st_size
                digest.update(size.to_bytes(8, "little") + file.read(ENDS))
                file.seek(max(0, size - ENDS))
                digest.update(file.read(ENDS))
        return digest.hexdigest()

    def _which(self, number: int) -> int:
        if not 0 <= number < self._firsts[-1]:
            raise IndexError(f"{self.folder} has no sequence {number}; it has {len(self):,}, counted from 0")
        return bisect_right(self._firsts, number) - 1

    def _place(self, number: int) -> tuple[_File, int]:
        which = self._which(number)
        return self._file(which), number - self._firsts[which]

    def _file(self, which: int) -> _File:
        if which not in self._files:
            file = _File(self.folder / self.names[which], self._counts[which])
            if self._files and file.weighted != next(iter(self._files.values())).weighted:
                raise CorruptData(f"{file.path} and other files differ in having `loss_weights`", remedy=_AGAIN)
            self._files[which] = file
        return self._files[which]

    def _index(self, which: int) -> Path:
        return self.folder / "index" / f"{Path(self.names[which]).stem}.parquet"

    @cached_property
    def _sources_in(self) -> Any:
        """The number of the source of each piece of a file."""
        return lru_cache(INDEXED)(self._read_sources)

    def _read_sources(self, which: int) -> npt.NDArray[np.int16]:
        path = self._index(which)
        with _telling(path):
            column: Any = pq.read_table(path, columns=["source"])["source"].combine_chunks()
        coded = column.fill_null("").dictionary_encode()
        known = {name: number for number, name in enumerate(self.sources)}
        numbers = np.array([known[name] for name in coded.dictionary.to_pylist()], np.int16)
        found: npt.NDArray[np.int16] = numbers[coded.indices.to_numpy()]
        return found


def manifest_of(folder: Path) -> dict[str, Any]:
    """What `write.packed` tells of its folder. Raises InputError without one, CorruptData if it is damaged."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(
            f"{folder} holds no packed sequences", remedy="name the folder that `write.packed` wrote: RUN/STAGE"
        )
    try:
        told = json.loads(path.read_bytes())
        _ = [(each["name"], each["sequences"]) for each in told["files"]], told["length"], told["sources"]
    except (ValueError, KeyError, TypeError):
        raise CorruptData(f"{path} is damaged", remedy=_AGAIN) from None
    return dict(told)


def _item(number: int, lists: list[npt.NDArray[np.int32]]) -> dict[str, Any]:
    tokens, labels, lengths = (each.astype(np.int64) for each in lists[:3])
    weights = lists[3].view(np.float32).copy() if len(lists) > 3 else None
    return {"input_ids": tokens, "labels": labels, "seq_lengths": lengths, "loss_weights": weights, "index": number}
